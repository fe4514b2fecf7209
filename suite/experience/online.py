"""Experience that the agent makes itself, in an environment, and keeps in a replay."""

from typing import Any

import gymnasium
import numpy as np

from suite.experience import Act
from suite.experience.replay import Replay
from suite.types import Array, Batch


class Online:
    """An environment, the ring of its most recent transitions, and the statistics of its episodes."""

    agent_step: int  # steps taken in the environment
    observation: np.ndarray  # the newest, from which the next step is taken
    episode_return: float  # of the running episode, undiscounted and not clipped
    episode_length: int
    episode_returns: list[float]  # of the episodes that ended in this epoch
    episode_lengths: list[int]

    def __init__(self, environment: gymnasium.Env, replay: Replay) -> None:
        self.environment, self.replay = environment, replay
        self.slot_bytes = replay.frames[0].nbytes

    def start(self, seed: int) -> None:
        self.agent_step, self.episode_return, self.episode_length = 0, 0.0, 0
        self.observation, _ = self.environment.reset(seed=seed)
        self.begin_epoch(1)

    def begin_epoch(self, epoch: int) -> None:
        self.episode_returns, self.episode_lengths = [], []

    def choose(self, act: Act) -> Array:
        return act(self.observation, np.int32(self.agent_step))

    def take(self, choice: Array) -> bool:
        """One step of the environment; -> whether its episode ended."""
        action = np.asarray(choice)
        next_observation, reward, terminated, truncated, _ = self.environment.step(action)
        self.replay.add(self.observation, action, float(reward), next_observation, terminated, truncated)
        self.agent_step += 1
        self.episode_return += float(reward)
        self.episode_length += 1
        ended = terminated or truncated
        if ended:
            self.episode_returns.append(self.episode_return)
            self.episode_lengths.append(self.episode_length)
            self.episode_return, self.episode_length = 0.0, 0
        self.observation = self.environment.reset()[0] if ended else next_observation
        return ended

    def sample(self, rng: np.random.Generator) -> Batch:
        return self.replay.sample(rng)

    def summary(self) -> dict[str, Any]:
        return {
            "return": float(np.mean(self.episode_returns)),
            "episodes": len(self.episode_returns),
            "episode_returns": self.episode_returns,
            "episode_lengths": self.episode_lengths,
        }

    def close(self) -> None:
        self.environment.close()
