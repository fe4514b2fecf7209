"""Where an episode begins: what an environment's next reset depends on, so that the episode can be played again.

The running episode is restored by its actions. That asks nothing of an environment and its wrappers but that a reset
leaves no trace of the episode before, except in what is captured here. ALE has more state than it gives away (an action
that may stick to the next frame, the screen), but all of it is reset.
"""

from typing import Any

import ale_py
import gymnasium
import numpy as np
from ale_py.env import AtariEnv

Origin = dict[str, Any]  # JSON's values, and an array


def capture(environment: gymnasium.Env) -> Origin:
    """To be called right before a reset that has no seed."""
    bare = environment.unwrapped
    origin: Origin = {"random": bare.np_random.bit_generator.state}
    if isinstance(bare, AtariEnv):
        origin["emulator"] = np.frombuffer(bare.clone_state(include_rng=True).serialize(), np.uint8)
    return origin


def restore(environment: gymnasium.Env, origin: Origin) -> None:
    """The next reset becomes the one that followed `capture`. The environment must have been reset at least once."""
    bare = environment.unwrapped
    bare.np_random.bit_generator.state = origin["random"]
    if isinstance(bare, AtariEnv):
        bare.restore_state(ale_py.ALEState(origin["emulator"].tobytes()))
