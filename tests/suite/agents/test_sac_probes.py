"""SAC in probes: what it learns there, how it diverges, and that waiting for the device changes nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from suite.agents import DQNOptions, SACOptions
from suite.agents.dqn import dqn
from suite.agents.sac import sac
from suite.errors import Divergence
from suite.experience.online import Online
from suite.experience.replay import Replay
from suite.learner import Learner
from suite.options import ReplayOptions, TrainerOptions
from suite.record import schema
from suite.tracking.tracker import Tracker
from suite.trainer import Parts, Trainer
from suite.types import LearnerState
from tests.support.learning import learner_with
from tests.support.methods import NEVER_PRUNE
from tests.support.probes import Aim, Sign
from tests.support.sac import CRITICS, TAU, double, mlp

# Probes: real parts, known optimum -----------------------------------------------------------------------------------

STEPS, SAMPLES = 700, 60
LOW = {  # a little sparsity, so that the optimum can still be learned
    "gmp": {"final_sparsity": 0.3},
    "distill": {"final_sparsity": 0.3},
    "eaudeqn": {"num_networks": 3, "max_speed": 0.02, "reset_optimizer": False},
}


class Blocking(Trainer):
    """Waits for everything that was dispatched before it goes on."""

    def _learn(self) -> None:
        super()._learn()
        jax.block_until_ready(self.state)


def waiting(learner: Learner) -> Learner:
    """The same functions, each of which returns when its results are there."""

    def wait(function: Callable) -> Callable:
        return lambda *arguments: jax.block_until_ready(function(*arguments))

    names = ("init", "update", "update_target", "act", "act_greedily", "measure", "inspect")
    return learner._replace(**{name: wait(getattr(learner, name)) for name in names})


def run(
    make_environment: Callable,
    learner: Learner,
    folder: Path,
    *,
    kind: type[Trainer] = Trainer,
    steps: int = STEPS,
    discount: float = 0.8,
    batch_size: int = 32,
    capacity: int = 1000,
    **options: Any,
) -> LearnerState:
    environment = make_environment()
    replay = {"capacity": capacity, "discount": discount, "batch_size": batch_size, "reward_clip": None}
    ring = Replay(environment.observation_space, environment.action_space, ReplayOptions(**replay))
    config = {"name": "probe", "task": "probe/Aim", "method": "any", "seed": 0, "options": {}}
    with Tracker(folder, config, frame_skip=1, total_agent_steps=steps, wandb_mode="disabled") as tracker:
        clock = {"epochs": 2, "epoch_agent_steps": steps // 2, "initial_samples": SAMPLES, "replay_ratio": 1}
        trainer_options = TrainerOptions(**{**clock, "evaluation_episodes": 4, **options})
        return kind(Parts(Online(environment, ring), make_environment, learner), tracker, trainer_options, 0).run()


def probe_learner(
    method: str, options: dict | None = None, agent_options: dict | None = None, period: int = 20, **learner
) -> Learner:
    environment = Aim()
    widths = {"critic_width": 24, "actor_width": 16, "critic_learning_rate": 5e-3, "actor_learning_rate": 5e-3}
    agent = sac(
        environment.observation_space,
        environment.action_space,
        SACOptions(**{**widths, "random_steps": SAMPLES, "initial_temperature": 0.1, **(agent_options or {})}),
    )
    method_options = LOW.get(method, {}) if options is None else options
    learner_options = {"polyak": TAU, **learner}
    return learner_with(agent, method, STEPS - SAMPLES, period, learner=learner_options, **method_options)


def values(params: dict, observation: list[float], action: float) -> list[float]:
    """Q of both critics."""
    pair = np.array([[*observation, action]])
    return [float(mlp(double(params)[name], pair)[0, 0]) for name in CRITICS]


@pytest.mark.parametrize("method", ["dense", "gmp", "distill", "eaudeqn"])
def test_the_action_of_the_highest_reward(method: str, tmp_path: Path) -> None:
    learner = probe_learner(method)
    state = run(Aim, learner, tmp_path)
    for sign in (-1, 1):
        action = learner.act_greedily(state, np.array([sign, 1], np.float32), np.int32(0))
        assert float(action[0]) == pytest.approx(sign / 2, abs=0.15)
        # Where the policy goes, a terminal's value is the reward.
        np.testing.assert_allclose(values(state.online[0].params, [sign, 1], sign / 2), 0, atol=0.1)
    rows = schema.read_rows(tmp_path / schema.METRICS)
    assert [row["return"] for row in rows if row["kind"] == "evaluation"][-1] > -0.03
    last = [row for row in rows if row["kind"] == "epoch"][-1]
    assert (last["sparsity"] == 0) == (method in NEVER_PRUNE)
    assert (last["actor_sparsity"] == 0) == (method in NEVER_PRUNE)
    assert last["sparsity"] < 0.6


class Constant(Aim):
    """One state, and a reward of 1 for whatever is done."""

    def step(self, action):
        self.sign = 1
        observation, _, *ended, info = super().step(action)
        return observation, 1.0, *ended, info

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.sign = 1
        return self._observe(), {}


@pytest.mark.parametrize("truncates, expected", [(False, 1.0), (True, 5.0)])
def test_a_truncated_episode_goes_on_in_the_target(truncates: bool, expected: float, tmp_path: Path) -> None:
    """1 after a terminal, 1 / (1 - 0.8) by truncation; the entropy weighs next to nothing."""
    agent_options = {"initial_temperature": 1e-6, "actor_learning_rate": 1e-4, "critic_learning_rate": 1e-2}
    learner = probe_learner("dense", agent_options=agent_options, polyak=0.2)
    state = run(lambda: Constant(truncates), learner, tmp_path, steps=500)
    for action in (-0.5, 0.0, 0.5):
        np.testing.assert_allclose(values(state.online[0].params, [1, 1], action), expected, rtol=0.1)


def test_a_run_that_diverges_before_its_last_window_is_no_success(tmp_path: Path) -> None:
    """No election comes any more, and the losses of its last steps would not count."""

    class Breaks(Aim):
        steps = 0

        def step(self, action):
            Breaks.steps += 1
            observation, reward, *ended, info = super().step(action)
            return observation, 1e30 if Breaks.steps > 50 else reward, *ended, info  # its square is infinite

    learner = probe_learner("dense", period=1000, election_window=0.1)
    with pytest.raises(Divergence, match="learning_rate"):
        run(Breaks, learner, tmp_path, steps=140, evaluation_episodes=0)
    assert schema.read_json(tmp_path / schema.STATUS)["status"] == "failed"


# Asynchronous dispatch -----------------------------------------------------------------------------------------------


def dqn_learner(num_networks: int) -> Learner:
    environment = Sign()
    agent = dqn(
        environment.observation_space, environment.action_space, DQNOptions(network="mlp", width=256, epsilon_decay=100)
    )
    return learner_with(agent, "eaudeqn", 100, 20, num_networks=num_networks)


def sac_learner(num_networks: int) -> Learner:
    return probe_learner("eaudeqn", {"num_networks": num_networks}, {"critic_width": 128, "actor_width": 128})


@pytest.mark.parametrize("num_networks", [1, 5])
@pytest.mark.parametrize("environment, make", [(Sign, dqn_learner), (Aim, sac_learner)], ids=["dqn", "sac"])
def test_waiting_for_the_device_changes_nothing(
    environment: type, make: Callable[[int], Learner], num_networks: int, tmp_path: Path
) -> None:
    """An update takes longer than a step of the environment, the ring is overwritten meanwhile, and the state that
    the action was asked of is given away: the rows are the same bit by bit."""
    learner = make(num_networks)
    rows = {}
    for kind, functions in ((Trainer, learner), (Blocking, waiting(learner))):
        folder = tmp_path / kind.__name__
        state = run(environment, functions, folder, kind=kind, steps=160, batch_size=256, capacity=120)
        rows[kind] = schema.read_rows(folder / schema.METRICS)
        for row in rows[kind]:
            row.pop("seconds", None)
        rows[kind].append(jax.tree.map(lambda leaf: np.asarray(leaf).tolist(), state._replace(key=None)))
    assert rows[Trainer] == rows[Blocking]
    # Epochs, weights, diagnostics, evaluations, target updates, the state at the end.
    assert len(rows[Trainer]) == 2 + 2 + 2 + 2 + 5 + 1
