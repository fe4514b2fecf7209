"""A run that is stopped and gone on with, again and again, ends with every bit of the run that was left alone.

Here the processes are played by trainers that share nothing but the run's folder; tests/test_chaos.py kills real ones.
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import jax
import numpy as np
import pytest

from baselines.registry import METHODS
from suite.agents import AGENTS
from suite.environments import AtariOptions, MinAtarOptions, RegisteredOptions, atari, classic, gym, minatar, mujoco
from suite.errors import UserError
from suite.experience.online import Online
from suite.experience.replay import Replay
from suite.learner import Learner
from suite.options import ReplayOptions, TrainerOptions
from suite.record import schema
from suite.tracking.checkpoint import Checkpoints, leaves
from suite.tracking.tracker import Tracker
from suite.trainer import Parts, Trainer
from tests.support.learning import learner_with
from tests.support.probes import Probe

CONFIG = {"name": "run", "task": "probe/Probe", "method": "any", "seed": 0, "options": {}}
CLOCK = TrainerOptions(epochs=3, epoch_agent_steps=50, initial_samples=20, replay_ratio=0.5, evaluation_episodes=1)
PERIOD = 7


class Case(NamedTuple):
    """What is trained: the compiled functions are shared by all attempts, for the sake of time alone."""

    make_environment: Callable[[], gymnasium.Env]
    learner: Learner
    n_step: int = 1


def case(
    make_environment: Callable[[], gymnasium.Env],
    agent: str,
    method: str,
    vectorize: bool | None = None,
    **options: Any,
) -> Case:
    environment = make_environment()
    built = AGENTS[agent].make(environment.observation_space, environment.action_space, **options)
    return Case(make_environment, learner_with(built, method, 60, PERIOD, learner={"vectorize": vectorize}))


class Random(Probe):
    """Episodes of random lengths and rewards, which come from the environment's own generator."""

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.length = int(self.np_random.integers(1, 9))
        return self._observe(), {}

    def step(self, action):
        observation, _, terminated, truncated, info = super().step(action)
        return observation, float(self.np_random.normal()), terminated, truncated, info


def attempt(case: Case, folder: Path, asked: Callable[[], bool], interval: float = 1e9, seed: int = 3) -> dict | None:
    """A process; -> all leaves of the final state, or None if it was asked to end before."""
    environment = case.make_environment()
    ring = Replay(
        environment.observation_space,
        environment.action_space,
        ReplayOptions(capacity=60, batch_size=4, n_step=case.n_step),
    )
    checkpoints = Checkpoints(folder / "c", folder / schema.METRICS, "run", {}, interval=interval, asked=asked)
    saved = checkpoints.newest()
    try:
        with Tracker(folder, CONFIG, 4, 150, "disabled", saved) as tracker:
            experience = Online(environment, ring)
            parts = Parts(experience, case.make_environment, case.learner)
            trainer = Trainer(parts, tracker, CLOCK, seed, checkpoints)
            return leaves(trainer.run(saved.state if saved else None))
    except KeyboardInterrupt:
        return None


def rows(folder: Path) -> list[dict[str, Any]]:
    """The record, but for how long it took."""
    return [{**row, "seconds": None} for row in schema.read_rows(folder / schema.METRICS)]


def assert_equal(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> None:
    assert one.keys() == two.keys()
    for name in one:
        assert one[name].tobytes() == two[name].tobytes(), name


def after(looks: int) -> Callable[[], bool]:
    """Somebody who asks a run to end after so many of its looks for such a wish."""
    left = iter(range(looks))
    return lambda: next(left, None) is None


def stops(case: Case, folder: Path, patience: Iterator[int]) -> tuple[dict, int]:
    """Attempts that are asked to end after so many looks at it, until one comes to the end of the run."""
    for count, looks in enumerate(patience):
        final = attempt(case, folder, after(looks))
        if final is not None:
            return final, count
    raise AssertionError("no patience")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory):
    """-> (final leaves, rows) of a case that is left alone."""

    def run(case: Case) -> tuple[dict, list]:
        folder = tmp_path_factory.mktemp("undisturbed")
        final = attempt(case, folder, lambda: False)
        assert {row["kind"] for row in rows(folder)} == set(schema.ROWS)
        return final, rows(folder)

    return run


def pendulum() -> gymnasium.Env:
    return mujoco.make("InvertedPendulum", RegisteredOptions())


def pong() -> gymnasium.Env:
    return atari.make("Pong", AtariOptions(screen_size=20, max_episode_agent_steps=23))


def seaquest() -> gymnasium.Env:  # as in all of these, an attempt is long enough for an evaluation's episode
    return minatar.make("Seaquest", MinAtarOptions(max_episode_agent_steps=23))


def lander() -> gymnasium.Env:
    return classic.make("LunarLander", RegisteredOptions(max_episode_agent_steps=23))


def cartpole() -> gymnasium.Env:
    return gym.make("CartPole-v1", RegisteredOptions(max_episode_agent_steps=23))


TINY_SAC = {"critic_width": 4, "actor_width": 4, "random_steps": 30}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_goes_on_with_every_bit(method: str, tmp_path: Path, undisturbed) -> None:
    dice = random.Random(method)
    dqn_case = case(Random, "dqn", method, network="mlp", width=8)
    final, expected = undisturbed(dqn_case)
    resumed, count = stops(dqn_case, tmp_path, iter(lambda: dice.randrange(1, 30), None))
    assert count > 5
    assert_equal(resumed, final)
    assert rows(tmp_path) == expected


@pytest.mark.parametrize(
    "make, agent, method, options",
    [
        (pendulum, "sac", "eaudeqn", TINY_SAC),
        (pendulum, "sac", "gmp", TINY_SAC),
        (pendulum, "sac", "eaudeqn", {**TINY_SAC, "network": "simba"}),
        (pendulum, "td3", "eaudeqn", TINY_SAC),
        (pong, "dqn", "eaudeqn", {"network": "small", "width": 4}),
        (Random, "dqn", "eaudeqn", {"network": "mlp", "width": 4, "vectorize": True}),  # stacked, as on a GPU
        (seaquest, "dqn", "gmp", {"network": "minatar", "width": 4}),
        (lander, "dqn", "gmp", {"network": "mlp", "width": 4}),
        (cartpole, "dqn", "gmp", {"network": "mlp", "width": 4}),
    ],
)
def test_every_suite_goes_on_with_every_bit(make, agent, method, options, tmp_path: Path, undisturbed) -> None:
    dice = random.Random(1)
    built = case(make, agent, method, **options)
    final, expected = undisturbed(built)
    resumed, count = stops(built, tmp_path, iter(lambda: dice.randrange(1, 50), None))
    assert count > 3
    assert_equal(resumed, final)
    assert rows(tmp_path) == expected


def test_a_stop_between_any_two_turns(tmp_path: Path, undisturbed) -> None:
    """Every place of the first epochs, the evaluation and the ends of epochs among them: each is stopped at once."""
    built = case(Random, "dqn", "dense", network="mlp", width=2)._replace(n_step=3)
    final, expected = undisturbed(built)
    stopped = 0
    for looks in range(2, 130, 3):
        folder = tmp_path / str(looks)
        assert attempt(built, folder, after(looks)) is None
        stopped += 1
        assert_equal(attempt(built, folder, lambda: False), final)
        assert rows(folder) == expected
    assert stopped > 40


class Killed(BaseException):
    """Ends an attempt anywhere, as SIGKILL does: nothing is saved and nothing is tidied up."""


def test_what_came_after_the_checkpoint_is_done_again(tmp_path: Path, undisturbed, monkeypatch) -> None:
    """Rows that were written after it are cut, and a second time is as the first."""
    built = case(Random, "dqn", "eaudeqn", network="mlp", width=4)
    final, expected = undisturbed(built)
    for kill_at in (2, 3, 4):  # a checkpoint may follow right on an epoch: none is done again for certain
        logged = 0

        def log(self, *arguments, original=Tracker.log, kill_at=kill_at, **columns):
            nonlocal logged
            original(self, *arguments, **columns)
            logged += 1
            if logged == kill_at:
                raise Killed

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(Tracker, "log", log)
            attempt(built, tmp_path, lambda: False)
    assert_equal(attempt(built, tmp_path, lambda: False), final)
    assert rows(tmp_path) == expected


def test_a_checkpoint_at_every_turn_changes_nothing(tmp_path: Path, undisturbed) -> None:
    built = case(Random, "dqn", "gmp", network="mlp", width=4)
    final, expected = undisturbed(built)
    assert_equal(attempt(built, tmp_path, lambda: False, interval=0), final)
    assert rows(tmp_path) == expected


def test_the_state_has_the_same_types_from_the_first_step_on() -> None:
    """A restored state has no weak types; if an undisturbed one had, it would be learned by another program."""
    for built in (case(pendulum, "sac", "eaudeqn", **TINY_SAC), case(Random, "dqn", "gmp", network="mlp", width=2)):
        state = built.learner.init(0)
        assert not any(getattr(leaf, "weak_type", False) for leaf in jax.tree.leaves(state))


def test_an_environment_that_plays_otherwise_is_noticed(tmp_path: Path) -> None:
    """As another version of it would."""
    built = case(lambda: Probe(1000), "dqn", "dense", network="mlp", width=2)
    assert attempt(built, tmp_path, after(30)) is None
    with pytest.raises(UserError, match="does not repeat"):
        attempt(built._replace(make_environment=lambda: Probe(999)), tmp_path, lambda: False)


def test_another_network_is_noticed(tmp_path: Path) -> None:
    assert attempt(case(Random, "dqn", "dense", network="mlp", width=2), tmp_path, after(30)) is None
    with pytest.raises(UserError, match=r"holds float32\[.*\] as online/0/.*, where this version has"):
        attempt(case(Random, "dqn", "dense", network="mlp", width=3), tmp_path, lambda: False)


def test_wall_time_goes_on(tmp_path: Path, monkeypatch) -> None:
    built = case(Random, "dqn", "dense", network="mlp", width=2)
    assert attempt(built, tmp_path, after(30)) is None
    checkpoints = Checkpoints(tmp_path / "c", tmp_path / schema.METRICS, "run", {})
    saved = checkpoints.newest()
    assert saved.state["seconds"] > 0
    checkpoints.save({**saved.state, "seconds": 1000.0})
    attempt(built, tmp_path, lambda: False)
    assert 1000 < schema.read_rows(tmp_path / schema.METRICS, ["epoch"])[-1]["seconds"] < 1000 + 600
    assert 1000 < schema.read_json(tmp_path / schema.STATUS)["seconds"] < 1000 + 600


def test_other_versions_are_named_in_the_record(tmp_path: Path, caplog) -> None:
    built = case(Random, "dqn", "dense", network="mlp", width=2)
    assert attempt(built, tmp_path, after(30)) is None  # its checkpoint says that it had no packages at all
    began = schema.read_json(tmp_path / schema.CONFIG)
    attempt(built, tmp_path, lambda: False)
    config = schema.read_json(tmp_path / schema.CONFIG)
    assert "other versions or another machine" in caplog.text and "jax" in caplog.text
    assert config["versions"] == began["versions"]
    assert [entry["versions"] for entry in config["resumed"]] == [began["versions"]]


def test_attempts_that_saved_nothing_are_not_in_the_record(tmp_path: Path) -> None:
    built = case(Random, "dqn", "dense", network="mlp", width=2)
    assert attempt(built, tmp_path, after(30)) is None
    for _ in range(2):
        assert attempt(built, tmp_path, killed) is None
    attempt(built, tmp_path, lambda: False)
    assert len(schema.read_json(tmp_path / schema.CONFIG)["resumed"]) == 1


def killed() -> bool:
    raise KeyboardInterrupt
