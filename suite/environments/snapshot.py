"""Capture what the next reset of an environment depends on, so that its episode can be replayed by its actions.

A reset must clear everything of the episode before, except what is captured here: the generator of the environment, or
the seeds of its episodes, and Atari's emulator, whose other state (the screen, the last action) every reset clears.
"""

from typing import Any

import ale_py
import gymnasium
import numpy as np
from ale_py.env import AtariEnv

Origin = dict[str, Any]  # JSON's values, and an array


class EpisodeSeeds(gymnasium.Wrapper):
    """Reset each episode with a seed of its own, for environments whose generators are not known.

    `reset(seed=...)` fixes the seeds of all episodes from then on.
    """

    def __init__(self, environment: gymnasium.Env) -> None:
        super().__init__(environment)
        self.episode_seeds = np.random.default_rng()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode with a new seed; `seed` fixes this one and those of all later episodes."""
        if seed is not None:
            self.episode_seeds = np.random.default_rng(seed)
        return self.env.reset(seed=int(self.episode_seeds.integers(2**31)), options=options)


def capture(environment: gymnasium.Env) -> Origin:
    """Return what a reset without a seed depends on; call it right before that reset."""
    bare = environment.unwrapped
    origin: Origin = {"random": _generator(environment).bit_generator.state}
    if isinstance(bare, AtariEnv):
        origin["emulator"] = np.frombuffer(bare.clone_state(include_rng=True).serialize(), np.uint8)
    return origin


def restore(environment: gymnasium.Env, origin: Origin) -> None:
    """Make the next reset the one that followed `capture`. The environment must have been reset at least once."""
    bare = environment.unwrapped
    _generator(environment).bit_generator.state = origin["random"]
    if isinstance(bare, AtariEnv):
        bare.restore_state(ale_py.ALEState(origin["emulator"].tobytes()))


def _generator(environment: gymnasium.Env) -> np.random.Generator:
    """Return the generator that the next reset draws from."""
    seeds = "episode_seeds"
    generator: np.random.Generator = (
        environment.get_wrapper_attr(seeds) if environment.has_wrapper_attr(seeds) else environment.unwrapped.np_random
    )
    return generator
