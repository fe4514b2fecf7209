"""Environments whose values are known, to see whether an agent learns at all, and where it does not.

Actions are two, or one number in [-1, 1]; observations are float32 [2]: which state this is.
"""

import gymnasium
import numpy as np
from gymnasium import spaces


class Probe(gymnasium.Env):
    """Episodes of `length` states. `reward(state, action)` is paid in each; the last one ends by a terminal or, with
    `truncates`, by truncation."""

    def __init__(self, length: int = 1, reward=lambda state, action: 1.0, truncates: bool = False) -> None:
        self.observation_space = spaces.Box(-1, 1, (2,), np.float32)
        self.action_space = spaces.Discrete(2)
        self.length, self.reward, self.truncates = length, reward, truncates

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = 0
        return self._observe(), {}

    def step(self, action):
        reward = self.reward(self.state, int(action))
        self.state += 1
        ended = self.state == self.length
        return self._observe(), reward, ended and not self.truncates, ended and self.truncates, {}

    def _observe(self) -> np.ndarray:
        return np.array([1 - self.state, self.state] if self.length <= 2 else [self.state / self.length, 1], np.float32)


class Aim(gymnasium.Env):
    """One step: a random sign is shown, and the reward is -(action - sign / 2)^2; -0.25 for an action of 0.

    The episode ends by a terminal or, with `truncates`, by truncation into a state that shows the same sign.
    """

    def __init__(self, truncates: bool = False) -> None:
        self.observation_space = spaces.Box(-1, 1, (2,), np.float32)
        self.action_space = spaces.Box(-1, 1, (1,), np.float32)
        self.truncates = truncates

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.sign = 2 * int(self.np_random.integers(2)) - 1
        return self._observe(), {}

    def step(self, action):
        reward = -((float(action[0]) - self.sign / 2) ** 2)
        return self._observe(), reward, not self.truncates, self.truncates, {}

    def _observe(self) -> np.ndarray:
        return np.array([self.sign, 1], np.float32)


class Sign(Aim):
    """Likewise, and the action that names the sign earns 1, the other -1."""

    def __init__(self) -> None:
        super().__init__()
        self.action_space = spaces.Discrete(2)

    def step(self, action):
        return self._observe(), 1.0 if 2 * int(action) - 1 == self.sign else -1.0, True, False, {}
