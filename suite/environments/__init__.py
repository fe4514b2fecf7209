"""Gymnasium environments with the paper's protocol; every item of a protocol is an option. ENVIRONMENTS names them."""

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium

from suite.environments import atari, mujoco
from suite.tasks import Task

ENVIRONMENTS: dict[str, Callable[..., gymnasium.Env]] = {
    "atari": atari.make,
    "mujoco": mujoco.make,
    "offline": atari.make,  # for evaluation
}  # by the family of a task


def make_environment(task: Task, options: Mapping[str, Any]) -> gymnasium.Env:
    """Make a task's environment with the options `environment.*` of a run. Raises UserError if it cannot be made."""
    return ENVIRONMENTS[task.family](task.environment, **options)
