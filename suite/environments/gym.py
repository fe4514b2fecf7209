"""Any registered gymnasium environment, with the observations and actions that the agents take.

Each episode is reset with its own seed, so that a resumed run can replay it from its actions. This is exact if the seed
and the actions determine an episode. Otherwise the run notices it and stops.
"""

import math
from functools import cache
from typing import Any, TypeGuard

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import RescaleAction, TransformAction, TransformObservation

from suite.environments import RegisteredOptions
from suite.environments.snapshot import EpisodeSeeds
from suite.environments.spaces import Channels
from suite.errors import UserError
from suite.tasks import Task

SMALL = 32  # images with fewer pixels a side have MinAtar's network
REPLAY_BYTES = 2**30


def make(name: str, options: RegisteredOptions) -> gymnasium.Env:
    """Make a registered environment, such as CartPole-v1.

    Observations are float32 [d], or of images Channels uint8 [channels, height, width], and copies: an environment may
    show one array that it changes in place. Actions are discrete from 0 on, or float32 [A] in [-1, 1], scaled to the
    environment's own bounds. Rewards are the environment's own. Raises UserError for an unknown name, for other
    spaces, and if the environment cannot be made.
    """
    if ":" in name:  # gymnasium would import the module before it
        raise UserError(f"gym/{name}: should be a registered name; --import names the module that registers it")
    try:
        environment = gymnasium.make(name, disable_env_checker=True, max_episode_steps=options.max_episode_agent_steps)
    except Exception as error:  # an environment's own code may raise anything
        own = isinstance(error, gymnasium.error.UnregisteredEnv)
        hint = " --import names the module that registers an environment of your own" if own else ""
        text = str(error) if isinstance(error, gymnasium.error.Error | ImportError) else repr(error)
        raise UserError(f"gym/{name}: {text}{hint}") from None
    return EpisodeSeeds(_with_actions(name, _with_observations(name, environment)))


@cache
def find(name: str) -> Task:
    """Make the task of a registered environment: its spaces decide the agent. Raises UserError as `make` does."""
    environment = make(name, RegisteredOptions())
    space, discrete = environment.observation_space, isinstance(environment.action_space, spaces.Discrete)
    shape = space.shape or ()
    environment.close()
    images = isinstance(space, Channels)
    if images and not discrete:
        raise UserError(f"gym/{name}: no agent takes images and continuous actions; observations should be vectors")
    if not images:
        like = "classic" if discrete else "mujoco"
        return Task(f"gym/{name}", 1, None, None, "discrete" if discrete else "continuous", like=like)
    small = max(shape[1:]) < SMALL
    capacity = REPLAY_BYTES // math.prod(shape)
    defaults = {
        "agent.network": "minatar" if small else "nature",
        "replay.capacity": min(max(capacity, 1_000), 1_000_000),
        "replay.reward_clip": None,
    }
    return Task(f"gym/{name}", 1, None, None, defaults=defaults)


def _with_observations(name: str, environment: gymnasium.Env) -> gymnasium.Env:
    """Convert the observations to those of `make`."""
    space = environment.observation_space
    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        low, high = space.low.astype(np.float32), space.high.astype(np.float32)
        return TransformObservation(
            environment, lambda seen: np.array(seen, np.float32), spaces.Box(low, high, dtype=np.float32)
        )
    if isinstance(space, spaces.Box) and space.dtype in (np.uint8, np.bool_) and len(space.shape) in (2, 3):
        shape = (1, *space.shape) if len(space.shape) == 2 else space.shape
        # Channels are fewer than pixels, and the last axis where both are equally many, as in MinAtar's Seaquest.
        last = len(space.shape) == 3 and shape[-1] <= shape[0]
        channels = (shape[2], *shape[:2]) if last else shape
        scale = np.uint8(255 if space.dtype == np.bool_ else 1)

        def image(seen: Any) -> np.ndarray:
            pixels = np.asarray(seen).reshape(shape)
            return np.ascontiguousarray(np.moveaxis(pixels, -1, 0) if last else pixels) * scale

        return TransformObservation(environment, image, Channels(0, 255, channels, np.uint8))
    raise UserError(f"gym/{name}: observations should be a vector or an image of uint8 or bool, not {space}")


def _with_actions(name: str, environment: gymnasium.Env) -> gymnasium.Env:
    """Convert the actions from those of `make`."""
    space = environment.action_space
    if isinstance(space, spaces.Discrete):
        first = int(space.start)
        return TransformAction(environment, lambda action: first + int(action), spaces.Discrete(int(space.n)))
    if _is_scalable(space):
        one = space.dtype.type(1)
        return TransformAction(
            RescaleAction(environment, -one, one),
            lambda action: np.asarray(action, space.dtype),
            spaces.Box(-1, 1, space.shape, np.float32),
        )
    raise UserError(
        f"gym/{name}: actions should be discrete or a vector of floats with finite bounds, low < high, not {space}"
    )


def _is_scalable(space: spaces.Space[Any]) -> TypeGuard[spaces.Box]:
    """Return whether actions are a vector of floats, each with finite bounds low < high; equal ones would make NaN."""
    if not isinstance(space, spaces.Box) or len(space.shape) != 1 or space.dtype.kind != "f":
        return False
    return space.is_bounded() and bool((space.low < space.high).all())
