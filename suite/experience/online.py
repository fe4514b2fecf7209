"""Online experience: the agent acts in an environment and stores the transitions in a replay."""

from typing import Any

import gymnasium
import numpy as np

from suite import divergence
from suite.environments import snapshot
from suite.errors import UserError
from suite.experience import Act
from suite.experience.replay import Replay
from suite.experience.saved import SavedOnline, validated
from suite.tracking.checkpoint import START_OVER, State
from suite.types import Array, Batch, Frames


class Online:
    """An environment, a replay of its most recent transitions, and statistics of its episodes."""

    agent_step: int  # steps taken in the environment
    observation: np.ndarray  # the current one
    origin: snapshot.Origin | None  # snapshot before the running episode; None for the first, which the seed fixes
    actions: list[np.ndarray]  # of the running episode
    episode_return: float  # of the running episode, undiscounted and not clipped
    episode_length: int
    episode_returns: list[float]  # of the episodes that ended in this epoch
    episode_lengths: list[int]
    fixed_in_epoch = False

    def __init__(self, environment: gymnasium.Env, replay: Replay) -> None:
        self.environment, self.replay = environment, replay

    def start(self, seed: int) -> None:
        """Reset the environment with a seed. Raises Divergence for an observation that is not finite."""
        self.agent_step, self.episode_return, self.episode_length = 0, 0.0, 0
        self.observation, _ = self.environment.reset(seed=seed)
        self._refuse("observation", self.observation)
        self.origin, self.actions = None, []
        self.begin_epoch(1)

    def begin_epoch(self, epoch: int) -> None:
        """Forget the returns and lengths of the episodes that ended in the last epoch."""
        self.episode_returns, self.episode_lengths = [], []

    def choose(self, act: Act) -> Array:
        """Return the action for the current observation; its value may not be computed yet."""
        return act(self.observation, np.int32(self.agent_step))

    def take(self, choice: Array) -> bool:
        """Take one step of the environment; return whether its episode ended.

        Raises Divergence for a number that is not finite, before it enters the replay.
        """
        action = np.asarray(choice)
        self._refuse("action", action)
        next_observation, reward, terminated, truncated, _ = self.environment.step(action)
        self._refuse("reward", float(reward))
        self._refuse("observation", next_observation)
        self.replay.add(self.observation, action, float(reward), next_observation, terminated, truncated)
        self.actions.append(action)
        self.agent_step += 1
        self.episode_return += float(reward)
        self.episode_length += 1
        ended = terminated or truncated
        if ended:
            self.episode_returns.append(self.episode_return)
            self.episode_lengths.append(self.episode_length)
            self.episode_return, self.episode_length = 0.0, 0
            self.origin, self.actions = snapshot.capture(self.environment), []
            next_observation, _ = self.environment.reset()
            self._refuse("observation", next_observation)
        self.observation = next_observation
        return ended

    def _refuse(self, what: str, value: Any) -> None:
        divergence.refuse(
            f"the {what}", value, f"at agent step {self.agent_step:,}, step {self.episode_length} of its episode"
        )

    def sample(self, rng: np.random.Generator) -> Batch | Frames:
        """Draw a batch from the replay; see Replay.sample."""
        return self.replay.sample(rng)

    def summary(self) -> dict[str, Any]:
        """Return the mean return and the lists of the episodes that ended in this epoch, which are one or more."""
        return {
            "return": float(np.mean(self.episode_returns)),
            "episodes": len(self.episode_returns),
            "episode_returns": self.episode_returns,
            "episode_lengths": self.episode_lengths,
        }

    def save(self) -> State:
        """Return the replay, and the snapshot and actions by which the running episode can be replayed."""
        return {
            "agent_step": self.agent_step,
            "observation": self.observation,
            "origin": self.origin,
            "actions": np.array(self.actions),
            "episode": [self.episode_return, self.episode_length],
            "episodes": [self.episode_returns, self.episode_lengths],
            "replay": self.replay.save(),
        }

    def restore(self, state: State) -> None:
        """Replay the running episode. Raises UserError if its observation differs, or for an incompatible state."""
        saved = validated(SavedOnline, state)
        self.agent_step, self.origin, self.actions = saved.agent_step, saved.origin, list(saved.actions)
        self.episode_return, self.episode_length = saved.episode
        self.episode_returns, self.episode_lengths = saved.episodes
        if self.origin:
            snapshot.restore(self.environment, self.origin)
            self.observation, _ = self.environment.reset()
        for action in self.actions:
            self.observation = self.environment.step(action)[0]
        if self.observation.tobytes() != saved.observation.tobytes():
            raise UserError(f"the environment does not repeat the checkpoint's episode exactly: {START_OVER}")
        self.replay.restore(saved.replay)

    def close(self) -> None:
        """Close the environment."""
        self.environment.close()
