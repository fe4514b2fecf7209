"""The trainer: what it learns in environments of known value, its clocks, and how it fails."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

from baselines import METHODS
from suite import records
from suite.agents.dqn import dqn
from suite.errors import Divergence, UserError
from suite.experience.online import Online
from suite.experience.replay import Replay
from suite.learner import TargetUpdate, make_learner
from suite.networks import CONVOLUTIONS, QNetwork
from suite.pruning import make_pruner
from suite.tracking import Tracker
from suite.trainer import Trainer
from suite.types import LearnerState, Network, Training
from tests.probes import Probe, Sign

CONFIG = {"name": "probe", "task": "probe/Probe", "method": "any", "seed": 0, "options": {}}
GAMMA = 0.8


def make_tracker(folder: Path) -> Tracker:
    return Tracker(folder, CONFIG, frame_skip=4, total_agent_steps=100, wandb_mode="disabled")


# Probes: real parts, known values ------------------------------------------------------------------------------------

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
    agent = dqn(environment.observation_space, environment.action_space, network="mlp", width=WIDTH, **agent_options)
    training = Training(STEPS // 2, PERIOD, agent.optimizer, make_pruner())
    learner = make_learner(agent, METHODS[method](training, **LOW[method]), target_update_period=PERIOD)
    replay_options = {"capacity": 500, "discount": GAMMA, **(replay or {})}
    ring = Replay(environment.observation_space, environment.action_space, **replay_options)
    with make_tracker(folder) as tracker:
        state = Trainer(
            Online(environment, ring),
            make_environment,
            learner,
            tracker,
            seed,
            epochs=3,
            epoch_agent_steps=STEPS // 3,
            initial_samples=50,
            replay_ratio=0.5,
            evaluation_episodes=2,
        ).run()
    return state._replace(online=(learner.policy(state),))


def values(state: LearnerState, *observations: list[float]) -> np.ndarray:
    """Q of the elected network, [observations, actions]."""
    network = QNetwork(CONVOLUTIONS["mlp"], WIDTH, 2)
    return np.asarray(network.apply({"params": state.online[0].params}, jnp.array(observations, jnp.float32)))


@pytest.mark.parametrize("method", METHODS)
def test_two_steps_with_a_choice(method: str, tmp_path: Path) -> None:
    """The first state pays nothing, the second 1 for action 1. So Q(2nd) = (0, 1) and Q(1st) = (gamma, gamma)."""
    state = train(lambda: Probe(2, lambda s, action: float(s == 1 and action == 1)), method, tmp_path)
    np.testing.assert_allclose(values(state, [1, 0], [0, 1]), [[GAMMA, GAMMA], [0, 1]], atol=0.1)
    rows = records.read_rows(tmp_path / records.METRICS)
    evaluations = [row for row in rows if row["kind"] == "evaluation"]
    assert [row["return"] for row in evaluations[1:]] == [1, 1]
    final = [row["sparsity"] for row in rows if row["kind"] == "epoch"][-1]
    assert final == 0 if method == "dense" else 0 < final < 0.6
    assert records.is_finished(tmp_path)


@pytest.mark.parametrize("method", METHODS)
def test_the_action_that_the_observation_asks_for(method: str, tmp_path: Path) -> None:
    state = train(Sign, method, tmp_path)
    np.testing.assert_allclose(values(state, [-1, 1], [1, 1]), [[1, -1], [-1, 1]], atol=0.15)


@pytest.mark.parametrize("truncates, expected", [(False, 1.0), (True, 1 / (1 - GAMMA))])
def test_a_constant_reward(truncates: bool, expected: float, tmp_path: Path) -> None:
    """One step that ends by a terminal is worth its reward. By truncation it bootstraps: 1 + gamma + gamma^2 ..."""

    class Same(Probe):
        def _observe(self) -> np.ndarray:
            return np.ones(2, np.float32)

    state = train(lambda: Same(1, truncates=truncates), "dense", tmp_path, learning_rate=1e-2)
    np.testing.assert_allclose(values(state, [1, 1]), [[expected, expected]], rtol=0.1)


# The same seed, another seed -----------------------------------------------------------------------------------------


def without_times(folder: Path) -> list[dict[str, Any]]:
    rows = records.read_rows(folder / records.METRICS)
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_the_loss_of_an_epoch_is_the_electeds_mean_over_the_last_complete_period(tmp_path: Path) -> None:
    """Null before there is one. A gradient step's mean, so that it compares between target periods."""
    train(Sign, "eaudeqn", tmp_path)
    expected = None
    for row in records.read_rows(tmp_path / records.METRICS):
        if row["kind"] == "target_update":
            expected = row["losses"][row["elected"]] / PERIOD
            assert row["gradient_step"] % PERIOD == 0
        if row["kind"] == "epoch":
            assert row["loss"] == pytest.approx(expected)


def test_a_seed_decides_everything(tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        train(Sign, "eaudeqn", tmp_path / name, seed)
    one, two, three = (without_times(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    assert one != three
    kinds = {row["kind"] for row in one}
    assert kinds == {"epoch", "target_update", "evaluation", "weights"}
    for kind in ("epoch", "target_update", "weights"):
        assert [row for row in one if row["kind"] == kind] != [row for row in three if row["kind"] == kind]


# Clocks, with a learner that learns nothing --------------------------------------------------------------------------


class Learned(NamedTuple):
    step: int
    online: tuple = (Network({}, (), {}, np.float32(0)),)
    target: Any = None
    actor: Any = None


class Idle:
    """Counts, and keeps the batches that it was given and the agent steps at which it acted."""

    def __init__(self, target_update_period: int = 4, elected: int = 0) -> None:
        self.target_update_period = self.election_steps = target_update_period
        self.elected = elected
        self.batches, self.acted, self.acted_greedily, self.target_updates = [], [], [], []

    def init(self, seed: int) -> Learned:
        return Learned(0)

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

    def measure(self, state: Learned) -> dict[str, Any]:
        return {"sparsity": np.float32(0), "layer_sparsity": {}, "actor_sparsity": None, "actor_layer_sparsity": None}


def run_idle(folder: Path, make_environment: Callable, learner: Idle, capacity: int = 100, **options) -> list[dict]:
    environment = make_environment()
    ring = Replay(environment.observation_space, environment.action_space, capacity=capacity)
    with make_tracker(folder) as tracker:
        Trainer(Online(environment, ring), make_environment, learner, tracker, 0, **options).run()
    return records.read_rows(folder / records.METRICS, ("epoch", "target_update", "evaluation"))


def test_an_epoch_ends_at_the_first_episode_end_after_its_agent_steps(tmp_path: Path) -> None:
    """Episodes of 7 steps, epochs of 20: 21 steps and three episodes each. Of 21: as many, not four episodes."""
    for asked in (20, 21):
        rows = run_idle(
            tmp_path / str(asked), lambda: Probe(7), Idle(), epochs=3, epoch_agent_steps=asked, initial_samples=1000
        )
        assert [row["agent_step"] for row in rows] == [21, 42, 63]
        assert [row["frame"] for row in rows] == [84, 168, 252]
        assert [row["epoch"] for row in rows] == [1, 2, 3]
        for row in rows:
            assert row["episode_lengths"] == [7, 7, 7]
            assert row["episode_returns"] == [7, 7, 7]
            assert (row["episodes"], row["return"], row["gradient_step"], row["loss"]) == (3, 7, 0, None)


def test_an_epoch_has_at_least_one_episode(tmp_path: Path) -> None:
    rows = run_idle(tmp_path, lambda: Probe(9), Idle(), epochs=2, epoch_agent_steps=1, initial_samples=1000)
    assert [(row["agent_step"], row["episodes"]) for row in rows] == [(9, 1), (18, 1)]


def test_returns_are_undiscounted_and_not_clipped(tmp_path: Path) -> None:
    """The replay clips to 1; the score is what the game paid. Truncation ends an episode as well."""
    learner = Idle()
    make = lambda: Probe(3, lambda state, action: 5.0 - 10 * (state == 1), truncates=True)  # noqa: E731
    rows = run_idle(tmp_path, make, learner, epochs=1, epoch_agent_steps=12, initial_samples=5, replay_ratio=1)
    assert rows[-1]["episode_returns"] == [5, 5, 5, 5]
    assert {float(reward) for batch in learner.batches for reward in batch.reward} == {1, -1}


@pytest.mark.parametrize(
    "ratio, due",
    [
        (0.25, {10: 0, 13: 0, 14: 1, 17: 1, 18: 2, 30: 5}),  # one for each 4 agent steps after the first 10
        (2, {10: 0, 11: 2, 12: 4, 30: 40}),
        (1, {10: 0, 11: 1, 30: 20}),
    ],
)
def test_gradient_steps_that_are_due(ratio: float, due: dict[int, int], tmp_path: Path) -> None:
    """`due`: agent steps done -> gradient steps done once the next one has been taken."""
    learner = Idle(target_update_period=4)
    rows = run_idle(
        tmp_path, lambda: Probe(8), learner, epochs=1, epoch_agent_steps=40, initial_samples=10, replay_ratio=ratio
    )
    taken = dict(learner.acted)  # agent steps done -> gradient steps before the learning of this one
    for agent_step, expected in due.items():
        assert taken[agent_step + 1] == expected, agent_step
    total = int((40 - 10) * ratio)  # the last ones at the very end
    assert rows[-1]["gradient_step"] == len(learner.batches) == total
    assert learner.target_updates == list(range(4, total + 1, 4))
    updates = [row for row in rows if row["kind"] == "target_update"]
    assert [row["gradient_step"] for row in updates] == learner.target_updates
    assert [agent_step for agent_step, _ in learner.acted] == list(range(40))


def test_batches_are_drawn_independently(tmp_path: Path) -> None:
    """400 transitions, told apart by their observation; two independent batches of 32 share 2.6 of them on average."""
    learner = Idle()
    run_idle(
        tmp_path,
        lambda: Probe(400),
        learner,
        capacity=500,
        epochs=1,
        epoch_agent_steps=400,
        initial_samples=350,
        replay_ratio=2,
    )
    drawn = [set(batch.observation[:, 0].tolist()) for batch in learner.batches]
    shared = [len(one & two) for one, two in pairwise(drawn)]
    assert 1.5 < np.mean(shared) < 4


def test_an_evaluation_follows_each_epoch_and_moves_no_clock(tmp_path: Path) -> None:
    learner = Idle()
    make = lambda: Probe(3, lambda state, action: 10.0 * action)  # noqa: E731
    rows = run_idle(tmp_path, make, learner, epochs=2, epoch_agent_steps=6, initial_samples=100, evaluation_episodes=2)
    assert [row["kind"] for row in rows] == ["epoch", "evaluation"] * 2
    for epoch, evaluation in zip(rows[::2], rows[1::2], strict=True):
        assert evaluation["episode_returns"] == [30, 30]
        assert (evaluation["return"], evaluation["episodes"]) == (30, 2)
        assert epoch["return"] == 0
        for clock in ("epoch", *records.CLOCKS):
            assert evaluation[clock] == epoch[clock]
    assert [row["agent_step"] for row in rows[::2]] == [6, 12]
    assert [step for step, _ in learner.acted] == list(range(12))


# Failures ------------------------------------------------------------------------------------------------------------


def status(folder: Path) -> dict[str, Any]:
    return json.loads((folder / records.STATUS).read_text())


@pytest.mark.parametrize("method", METHODS)
def test_a_diverged_run_fails_with_one_line(method: str, tmp_path: Path) -> None:
    with pytest.raises(Divergence, match="learning_rate"):
        train(Sign, method, tmp_path, learning_rate=1e30)
    assert status(tmp_path)["status"] == "failed"
    assert "learning_rate" in status(tmp_path)["error"]
    assert "\n" not in status(tmp_path)["error"]
    last = records.read_rows(tmp_path / records.METRICS)[-1]
    assert (last["kind"], last["elected"], set(last["losses"])) == ("target_update", -1, {None})


@pytest.mark.parametrize("clip", [1.0, None])
def test_a_reward_that_is_nan_is_not_learned_silently(clip: float | None, tmp_path: Path) -> None:
    """It must not become a reward of 1 by clipping."""
    with pytest.raises((Divergence, UserError)):
        train(lambda: Probe(2, lambda s, a: float("nan")), "dense", tmp_path, replay={"reward_clip": clip})
    assert status(tmp_path)["status"] == "failed"


def test_a_run_that_diverges_after_its_last_target_update_is_no_success(tmp_path: Path) -> None:
    """Otherwise a policy of NaN is handed out as finished."""
    environment = Sign()
    agent = dqn(environment.observation_space, environment.action_space, network="mlp", width=4, learning_rate=1e30)
    learner = make_learner(
        agent, METHODS["dense"](Training(100, 1000, agent.optimizer, make_pruner())), target_update_period=1000
    )
    ring = Replay(environment.observation_space, environment.action_space, capacity=100)
    with pytest.raises(Divergence), make_tracker(tmp_path) as tracker:
        experience = Online(environment, ring)
        state = Trainer(
            experience, Sign, learner, tracker, 0, epochs=1, epoch_agent_steps=60, initial_samples=20, replay_ratio=1
        ).run()
        assert not np.isfinite(np.asarray(state.online[0].loss))  # the premise of this test


def test_an_error_of_several_lines_is_recorded_as_one(tmp_path: Path) -> None:
    class Broken(Sign):
        def step(self, action):
            raise RuntimeError("first line\n  second line")

    with pytest.raises(RuntimeError):
        run_idle(tmp_path, Broken, Idle(), epochs=1, epoch_agent_steps=1, initial_samples=5)
    assert status(tmp_path)["status"] == "failed"
    assert "first line" in status(tmp_path)["error"]
    assert "\n" not in status(tmp_path)["error"]


def test_an_interrupted_run_has_no_status(tmp_path: Path) -> None:
    class Interrupted(Sign):
        def step(self, action):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_idle(tmp_path, Interrupted, Idle(), epochs=1, epoch_agent_steps=1, initial_samples=5)
    assert not (tmp_path / records.STATUS).exists()
    assert (tmp_path / records.CONFIG).exists()
    assert not records.is_finished(tmp_path)


def test_a_run_that_is_done_again_leaves_nothing_of_the_old_record(tmp_path: Path) -> None:
    for _ in range(2):
        rows = run_idle(tmp_path, Sign, Idle(), epochs=2, epoch_agent_steps=3, initial_samples=5)
        assert [row["epoch"] for row in rows] == [1, 2]
