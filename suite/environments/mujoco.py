"""MuJoCo environments as gymnasium registers them (v5), with actions in [-1, 1] and float32 observations."""

import logging
import os
import warnings
from types import ModuleType

import gymnasium
import numpy as np
from gymnasium.wrappers import DtypeObservation, RescaleAction

from suite.environments import RegisteredOptions
from suite.errors import UserError

logger = logging.getLogger(__name__)


def make(name: str, options: RegisteredOptions) -> gymnasium.Env:
    """Make a MuJoCo environment, such as HalfCheetah.

    Observations are float32 [d], actions float32 [A] in [-1, 1], scaled to the environment's own bounds. Rewards are
    the environment's own. Raises UserError for an environment that gymnasium does not have.
    """
    full_name = f"{name}-v5"
    if full_name not in gymnasium.registry:
        raise UserError(f"unknown MuJoCo environment {name!r}: names are written as in gymnasium, such as HalfCheetah")
    mujoco = _mujoco()
    # MuJoCo's warnings go to the log, not to a file in the current folder. Those about gymnasium's own models, while
    # they are loaded, are for gymnasium.
    mujoco.set_mju_user_warning(logger.debug)
    env = gymnasium.make(full_name, disable_env_checker=True, max_episode_steps=options.max_episode_agent_steps)
    mujoco.set_mju_user_warning(logger.warning)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*precision lowered")  # float32 is what is wanted
        return DtypeObservation(RescaleAction(env, np.float32(-1), np.float32(1)), np.float32)


def _mujoco() -> ModuleType:
    """Import the library. Raises UserError if that fails, as where MUJOCO_GL names a renderer that is missing."""
    try:
        import mujoco
    except (ImportError, AttributeError, RuntimeError, OSError) as error:
        renderer = f" with MUJOCO_GL={os.environ['MUJOCO_GL']}" if "MUJOCO_GL" in os.environ else ""
        raise UserError(f"MuJoCo does not start{renderer} ({error}); try MUJOCO_GL=egl or MUJOCO_GL=glfw") from None
    library: ModuleType = mujoco
    return library
