"""Gymnasium environments with the paper's protocol; every item of a protocol is an option. ENVIRONMENTS names them."""

from collections.abc import Callable

import gymnasium

from suite.environments import atari, mujoco

ENVIRONMENTS: dict[str, Callable[..., gymnasium.Env]] = {
    "atari": atari.make,
    "mujoco": mujoco.make,
    "offline": atari.make,  # for evaluation
}  # by the family of a task
