"""Trainers of real parts in probes, and of a learner that learns nothing."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from baselines.registry import METHODS
from suite.agents import DQNOptions
from suite.agents.dqn import dqn
from suite.experience.online import Online
from suite.experience.replay import Replay
from suite.learner import TargetUpdate
from suite.options import ReplayOptions, TrainerOptions
from suite.record import schema
from suite.tracking.tracker import Tracker
from suite.trainer import Parts, Trainer
from suite.types import Batch, LearnerState, Network
from tests.support.learning import learner_with

CONFIG = {"name": "probe", "task": "probe/Probe", "method": "any", "seed": 0, "options": {}}
GAMMA = 0.8


def make_tracker(folder: Path) -> Tracker:
    return Tracker(folder, CONFIG, frame_skip=4, total_agent_steps=100, wandb_mode="disabled")


STEPS, PERIOD, WIDTH = 1500, 25, 32
LOW: dict[str, dict[str, Any]] = {  # a little sparsity, so that the values can still be learned exactly
    **{name: {"final_sparsity": 0.3} for name in METHODS},
    **{name: {"sparsity": 0.3} for name in ("static", "set", "rigl")},
    "dense": {},
    "eaudeqn": {"num_networks": 3, "max_speed": 0.01},
}


def train(
    make_environment: Callable, method: str, folder: Path, seed: int = 0, replay: dict | None = None, **agent_options
) -> LearnerState:
    environment = make_environment()
    agent_options = {"learning_rate": 3e-3, "epsilon_end": 0.2, "epsilon_decay": STEPS // 2, **agent_options}
    agent = dqn(
        environment.observation_space, environment.action_space, DQNOptions(network="mlp", width=WIDTH, **agent_options)
    )
    learner = learner_with(agent, method, STEPS // 2, PERIOD, **LOW[method])
    replay_options = {"capacity": 500, "discount": GAMMA, **(replay or {})}
    ring = Replay(environment.observation_space, environment.action_space, ReplayOptions(**replay_options))
    with make_tracker(folder) as tracker:
        options = TrainerOptions(
            epochs=3, epoch_agent_steps=STEPS // 3, initial_samples=50, replay_ratio=0.5, evaluation_episodes=2
        )
        state = Trainer(Parts(Online(environment, ring), make_environment, learner), tracker, options, seed).run()
    return state._replace(online=(learner.policy(state),))


class Learned(NamedTuple):
    step: int
    online: tuple = (Network({}, (), {}, np.float32(0)),)
    target: Any = None
    actor: Any = None
    target_actor: Any = None


class Idle:
    """Counts, and keeps the batches that it was given and the agent steps at which it acted."""

    def __init__(self, target_update_period: int = 4, elected: int = 0) -> None:
        self.target_update_period = self.election_steps = target_update_period
        self.elected, self.draws_ahead = elected, False
        self.agent = SimpleNamespace(networks=(), actor=None)
        self.batches, self.acted, self.acted_greedily, self.target_updates = [], [], [], []

    def init(self, seed: int) -> Learned:
        return Learned(0)

    def uninterrupted(self, done: int, most: int) -> int:
        return 1

    def update(self, state: Learned, batch, done: int) -> Learned:
        self.batches.append(batch)
        return Learned(state.step + 1)

    def update_target(self, state: Learned) -> tuple[Learned, TargetUpdate]:
        self.target_updates.append(state.step)
        zeros = np.zeros(1, np.float32)
        return state, TargetUpdate(zeros, zeros, np.int32(self.elected), zeros, np.zeros(1, bool), None)

    def act(self, state: Learned, observation, agent_step) -> np.ndarray:
        self.acted.append((int(agent_step), state.step))
        return np.int32(0)

    def act_greedily(self, state: Learned, observation, agent_step) -> np.ndarray:
        self.acted_greedily.append(int(agent_step))
        return np.int32(1)

    def weights(self, state: Learned) -> dict[str, Any]:
        return {}

    def inspect(self, state: Learned, batch: Batch) -> dict[str, Any]:
        return {}

    def measure(self, state: Learned) -> dict[str, Any]:
        return {"sparsity": np.float32(0), "layer_sparsity": {}, "actor_sparsity": None, "actor_layer_sparsity": None}


def run_idle(folder: Path, make_environment: Callable, learner: Idle, capacity: int = 100, **options) -> list[dict]:
    environment = make_environment()
    ring = Replay(environment.observation_space, environment.action_space, ReplayOptions(capacity=capacity))
    with make_tracker(folder) as tracker:
        parts = Parts(Online(environment, ring), make_environment, learner)
        Trainer(parts, tracker, TrainerOptions(**options), 0).run()
    return schema.read_rows(folder / schema.METRICS, ("epoch", "target_update", "evaluation"))
