"""Classic control and LunarLander as gymnasium registers them, with float32 observations."""

import gymnasium
import numpy as np
from gymnasium.wrappers import DtypeObservation

from suite.environments import RegisteredOptions
from suite.errors import UserError

VERSIONS = {"Acrobot": "v1", "CartPole": "v1", "LunarLander": "v3", "MountainCar": "v0"}


def make(name: str, options: RegisteredOptions) -> gymnasium.Env:
    """Make one of these environments, such as CartPole. Actions are discrete.

    Observations are float32 [d], rewards the environment's own. Raises UserError for another name, and for LunarLander
    without Box2D.
    """
    if name not in VERSIONS:
        raise UserError(f"unknown classic task {name!r}: there are {', '.join(VERSIONS)}")
    full_name, most = f"{name}-{VERSIONS[name]}", options.max_episode_agent_steps
    try:
        environment = gymnasium.make(full_name, disable_env_checker=True, max_episode_steps=most)
    except gymnasium.error.DependencyNotInstalled as error:
        raise UserError(f"{full_name}: {error}") from None
    return DtypeObservation(environment, np.float32)
