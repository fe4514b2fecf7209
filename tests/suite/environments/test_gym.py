"""Any registered environment: what its spaces become, who learns it, and what is refused in one line."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from baselines.registry import METHODS
from suite.agents import agents_for
from suite.environments import RegisteredOptions
from suite.environments.gym import make
from suite.environments.spaces import Channels
from suite.errors import UserError
from suite.experience.online import Online
from suite.experience.replay import Replay
from suite.options import ReplayOptions
from suite.tasks import task
from sweeps.config import resolve


class Anything(gymnasium.Env[Any, Any]):
    """Whose spaces a test chooses. It notes the actions that it is given."""

    def __init__(self, observation: spaces.Space, action: spaces.Space) -> None:
        self.observation_space, self.action_space, self.taken = observation, action, []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        self.seed = seed
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        self.taken.append(action)
        return self.observation_space.sample(), 1.0, False, False, {}


VECTOR, DISCRETE = spaces.Box(-5, 5, (3,), np.float64), spaces.Discrete(4, start=2)
TORQUE = spaces.Box(-2, 4, (2,), np.float32)


class InPlace(Anything):
    """Which shows one array, the number of steps."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        self.shown = np.zeros(self.observation_space.shape or (), self.observation_space.dtype)
        return self.shown, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        self.shown += 1
        return self.shown, 1.0, False, False, {}


def named(name: str, observation: spaces.Space, action: spaces.Space, kind: type[Anything] = Anything) -> str:
    name = f"Anything/{name}-v0"
    gymnasium.registry.pop(name, None)
    gymnasium.register(name, lambda: kind(observation, action), max_episode_steps=5)
    return name


@pytest.mark.parametrize(
    "space, shape",
    [
        (VECTOR, (3,)),
        (spaces.Box(0, 255, (12, 10, 3), np.uint8), (3, 12, 10)),
        (spaces.Box(0, 255, (4, 12, 10), np.uint8), (4, 12, 10)),
        (spaces.Box(0, 255, (12, 10), np.uint8), (1, 12, 10)),
        (spaces.Box(0, 1, (10, 10, 7), np.bool_), (7, 10, 10)),
    ],
)
def test_observations_are_vectors_or_images(space: spaces.Box, shape: tuple[int, ...]) -> None:
    environment = make(named("Seen", space, DISCRETE), RegisteredOptions())
    seen, _ = environment.reset(seed=0)
    assert environment.observation_space.contains(seen) and seen.shape == shape
    assert isinstance(environment.observation_space, Channels) == (len(shape) == 3)
    assert seen.dtype == (np.uint8 if len(shape) == 3 else np.float32)
    if space.dtype == np.bool_:
        assert set(np.unique(seen)) == {0, 255}
    space.seed(environment.unwrapped.seed)  # type: ignore[attr-defined]
    raw = space.sample()
    if shape == (3, 12, 10):
        np.testing.assert_array_equal(seen[2], raw[:, :, 2])


def test_channels_as_many_as_pixels_are_the_last_axis() -> None:
    """As in MinAtar's own registration of Seaquest, which has 10 channels of 10 x 10 cells."""
    space = spaces.Box(0, 1, (10, 10, 10), np.bool_)
    environment = make(named("Square", space, DISCRETE), RegisteredOptions())
    seen, _ = environment.reset(seed=0)
    space.seed(environment.unwrapped.seed)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(seen, 255 * space.sample().transpose(2, 0, 1))


@pytest.mark.parametrize("space", [spaces.Box(0, 9, (2,), np.float32), spaces.Box(0, 9, (4, 4), np.uint8)])
def test_an_array_that_the_environment_changes_in_place_is_copied(space: spaces.Box) -> None:
    """Else the replay would hold the second observation of an episode as its first one too."""
    environment = make(named("InPlace", space, DISCRETE, InPlace), RegisteredOptions())
    replay = Replay(environment.observation_space, environment.action_space, ReplayOptions(capacity=10))
    experience = Online(environment, replay)
    experience.start(0)
    experience.take(np.int32(0))
    assert replay.frames[:2].reshape(2, -1).max(axis=1).tolist() == [0, 1]


def test_actions_are_the_environments_own() -> None:
    environment = make(named("Discrete", VECTOR, DISCRETE), RegisteredOptions())
    environment.reset(seed=0)
    environment.step(np.asarray(1, np.int32))
    assert environment.unwrapped.taken == [3] and type(environment.unwrapped.taken[0]) is int  # type: ignore[attr-defined]
    environment = make(named("Torque", VECTOR, TORQUE), RegisteredOptions())
    environment.reset(seed=0)
    environment.step(np.array([-1, 1], np.float32))
    np.testing.assert_allclose(environment.unwrapped.taken[0], [-2, 4])  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_actions_of_other_floats_are_float32_to_the_agent(dtype: type) -> None:
    name = named("Torques", VECTOR, spaces.Box(np.array([-2, -2], dtype), np.array([4, 2], dtype), dtype=dtype))
    environment = make(name, RegisteredOptions())
    assert environment.action_space == spaces.Box(-1, 1, (2,), np.float32)
    environment.reset(seed=0)
    environment.step(np.array([1, 0.5], np.float32))
    (taken,) = environment.unwrapped.taken  # type: ignore[attr-defined]
    assert taken.dtype == dtype
    np.testing.assert_allclose(taken, [4, 1], rtol=0.002)  # half precision has three digits


@pytest.mark.parametrize(
    "observation, action, agent, network",
    [
        (VECTOR, DISCRETE, "dqn", "mlp2"),
        (VECTOR, TORQUE, "sac", "mlp"),
        (spaces.Box(0, 255, (64, 64, 3), np.uint8), DISCRETE, "dqn", "nature"),
        (spaces.Box(0, 255, (10, 10, 3), np.uint8), DISCRETE, "dqn", "minatar"),
    ],
)
def test_spaces_decide_the_agent(
    observation: spaces.Space, action: spaces.Space, agent: str, network: str | None
) -> None:
    name = named(f"{agent}{network}", observation, action)
    found = task(f"gym/{name}")
    assert agents_for(found)[0] == agent and (found.random, found.reference) == (None, None)
    run = resolve({"task": f"gym/{name}", "method": "dense", "seed": 0})
    assert run.agent == agent and getattr(run.options.agent, "network", None) == network
    assert run.options.replay.reward_clip is None


def test_continuous_actions_have_the_defaults_of_mujoco() -> None:
    """Those of the method too: SAC prunes and rewires otherwise than DQN."""
    own, mujoco = f"gym/{named('Torque', VECTOR, TORQUE)}", "mujoco/Hopper"
    for method in METHODS:
        runs = [resolve({"task": name, "method": method, "seed": 0}) for name in (own, mujoco)]
        assert runs[0].options.method == runs[1].options.method
        assert runs[0].options.learner == runs[1].options.learner


@pytest.mark.parametrize(
    "observation, action",
    [
        (spaces.Dict({"a": VECTOR}), DISCRETE),
        (spaces.Discrete(3), DISCRETE),
        (spaces.Box(0, 1, (8, 8, 3), np.float32), DISCRETE),
        (VECTOR, spaces.MultiDiscrete([2, 3])),
        (VECTOR, spaces.Box(-np.inf, np.inf, (2,), np.float32)),
        (VECTOR, spaces.Box(np.float32([-1, 0]), np.float32([1, 0]))),
        (spaces.Box(0, 255, (8, 8, 3), np.uint8), TORQUE),
    ],
)
def test_other_spaces_are_one_line(observation: spaces.Space, action: spaces.Space) -> None:
    name = named("Other", observation, action)
    with pytest.raises(UserError, match="gym/Anything/Other-v0"):
        task(f"gym/{name}")


@pytest.mark.parametrize("name", ["", "NoSuch-v0", "CartPole-v99", "json:CartPole-v1"])
def test_unknown_names_are_one_line(name: str) -> None:
    with pytest.raises(UserError, match=f"gym/{name}.*--import" if name else "gym/"):
        task(f"gym/{name}")


def test_an_environment_that_cannot_be_made_is_one_line() -> None:
    def broken() -> gymnasium.Env:
        raise FileNotFoundError("levels.npz")

    gymnasium.registry.pop("Anything/Broken-v0", None)
    gymnasium.register("Anything/Broken-v0", broken)
    with pytest.raises(UserError, match=r"gym/Anything/Broken-v0: .*levels\.npz"):
        task("gym/Anything/Broken-v0")


def test_episodes_have_seeds_of_their_own() -> None:
    environment = make("CartPole-v1", RegisteredOptions())
    starts = [environment.reset(seed=seed)[0] for seed in (1, None, 1, None)]
    np.testing.assert_array_equal(starts[:2], starts[2:])
    assert not np.allclose(starts[0], starts[1])
