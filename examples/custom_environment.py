"""Train on an environment of your own: a vector, two actions, and no entry in this repository.

Run it from the root of the repository. `--import` loads this module, which registers the environment with gymnasium:

    .venv/bin/python -m sweeps.run --import examples.custom_environment --task gym/Corridor-v0 --method gmp --seed 0 \
        --trainer.epochs 2 --trainer.epoch_agent_steps 1000 --learner.target_update_period 50

Its spaces decide the agent: DQN for discrete actions, SAC for a bounded vector of floats. Returns are raw. For scores,
give the table a file of references: `--references FILE`, with the columns task, random, reference.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class Corridor(gymnasium.Env[np.ndarray, Any]):
    """Walk from a random cell to the last one: -1 a step. Actions: 0 left, 1 right."""

    cells = 10

    def __init__(self) -> None:
        self.observation_space = spaces.Box(0, 1, (2,), np.float64)  # the place, and a distraction
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Start in a random cell, but not the last; return the observation float64 [2] and an empty dictionary."""
        super().reset(seed=seed)  # all that is random draws from self.np_random
        self.place = int(self.np_random.integers(self.cells - 1))
        return self._observation(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Move by one cell, or stay at the left wall; the last cell ends the episode. The reward is always -1."""
        self.place = max(self.place + (1 if action == 1 else -1), 0)
        return self._observation(), -1.0, self.place == self.cells - 1, False, {}

    def _observation(self) -> np.ndarray:
        return np.array([self.place / (self.cells - 1), self.np_random.random()])


gymnasium.register("Corridor-v0", "examples.custom_environment:Corridor", max_episode_steps=50)
