"""Offline experience: a data set; each epoch uses some chunks of it."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from suite.errors import UserError
from suite.experience import Act
from suite.experience.chunks import Chunks, Episode
from suite.experience.dqn_replay import DqnReplay
from suite.experience.minari import MinariChunks, data_folder
from suite.experience.replay import Replay
from suite.experience.saved import SavedDataset, validated
from suite.options import DatasetOptions
from suite.tracking.checkpoint import AFRESH, State
from suite.types import Batch, Frames


class Dataset:
    """A data set, the chunks of the current epoch, and a clock that counts batches.

    A replay holds the chunks and makes stacks, returns and batches of them as it does online. The seed and the epoch
    determine the chunks.
    """

    agent_step: int  # batches drawn; no step is taken in an environment
    loaded: list[int]  # the chunks in the replay
    fixed_in_epoch = True

    def __init__(self, action_space: spaces.Space[Any], replay: Replay, options: DatasetOptions) -> None:
        """Open a data set. Raises UserError if it is missing, or incompatible with the environment or the replay."""
        self.action_space, self.replay, self.path = action_space, replay, Path(options.path)
        self.chunks = open_chunks(self.path, replay, action_space, options.chunks, options.chunk_transitions)
        self.chunks_per_epoch = min(options.chunks_per_epoch, len(self.chunks.sizes))
        largest = sorted(self.chunks.sizes)[-self.chunks_per_epoch :]
        if not largest:
            raise UserError(f"{self.path}: holds no episode; dataset.path should name another data set")
        if sum(largest) > replay.capacity:
            raise UserError(
                f"{self.path}: an epoch's {len(largest)} chunks hold up to {sum(largest):,} transitions, more than"
                f" replay.capacity={replay.capacity:,}: make it larger, or dataset.chunks_per_epoch smaller"
            )

    def start(self, seed: int) -> None:
        """Set the clock to 0 and the seed that the chunks depend on; no chunk is loaded before `begin_epoch`."""
        self.seed, self.agent_step, self.loaded = seed, 0, []

    def begin_epoch(self, epoch: int) -> None:
        """Load the epoch's chunks, unless they are loaded. Raises UserError if their data cannot be used."""
        rng = np.random.default_rng([self.seed, epoch])
        drawn = sorted(rng.choice(len(self.chunks.sizes), self.chunks_per_epoch, replace=False).tolist())
        if drawn != self.loaded:
            self._load(drawn)

    def _load(self, numbers: list[int]) -> None:
        self.replay.clear()
        for number in numbers:
            for episode in self.chunks.read(number):
                self._check(episode, number)
                self._add(episode)
        self.loaded = numbers

    def _check(self, episode: Episode, number: int) -> None:
        place = f"{self.path}, chunk {number}"
        if isinstance(self.action_space, spaces.Discrete):
            lowest, highest, count = episode.actions.min(), episode.actions.max(), self.action_space.n
            if lowest < 0 or highest >= count:
                raise UserError(
                    f"{place}: actions from {lowest} to {highest}, but the game has {count}: is it another game's, or"
                    " one with environment.full_action_space=True?"
                )
        parts = {"observation": episode.frames, "action": episode.actions, "reward": episode.rewards}
        for what, numbers in parts.items():
            if numbers.dtype.kind == "f" and not np.isfinite(numbers.astype(np.float32)).all():
                raise UserError(f"{place}: {what}s hold NaN or infinity; the data set is damaged")
        shape = self.replay.frames.shape[1:]
        if episode.frames.shape[1:] != shape:
            raise UserError(f"{place}: an observation has the shape {episode.frames.shape[1:]}, should have {shape}")
        if self.replay.used + len(episode.frames) > self.replay.capacity:
            raise UserError(
                f"{place}: with the last frame of each episode an epoch's chunks need more than"
                f" replay.capacity={self.replay.capacity:,}: make it larger"
            )

    def _add(self, episode: Episode) -> None:
        # The replay keeps the newest frame of a stack alone, so any stack with that frame will do.
        observations = [np.broadcast_to(frame, self.replay.observation_shape) for frame in episode.frames]
        last = len(episode.actions) - 1
        for step, (action, reward) in enumerate(zip(episode.actions, episode.rewards, strict=True)):
            self.replay.add(
                observations[step],
                action,
                float(reward),
                observations[step + 1],
                step == last and episode.terminated,
                step == last and not episode.terminated,
            )

    def choose(self, act: Act) -> None:
        """Count the batch of this turn. No action is needed."""
        self.agent_step += 1

    def take(self, choice: None) -> bool:
        """Return True: an epoch may end after any batch."""
        return True

    def sample(self, rng: np.random.Generator) -> Batch | Frames:
        """Draw a batch from the chunks of this epoch; see Replay.sample."""
        return self.replay.sample(rng)

    def summary(self) -> dict[str, Any]:
        """Return columns without episodes: the return of a run is that of its evaluations."""
        return {"return": None, "episodes": 0, "episode_returns": [], "episode_lengths": []}

    def save(self) -> State:
        """Return the clock, the numbers of the loaded chunks and a digest of their rewards, but none of their data."""
        return {"agent_step": self.agent_step, "loaded": self.loaded, "rewards": self._digest()}

    def restore(self, state: State) -> None:
        """Load the chunks again. Raises UserError if the data set has changed."""
        saved = validated(SavedDataset, state)
        self.agent_step = saved.agent_step
        if saved.loaded and max(saved.loaded) < len(self.chunks.sizes):
            self._load(saved.loaded)
        if self._digest() != saved.rewards:
            raise UserError(f"{self.path}: is not the data set that the run began with: restore that one; {AFRESH}")

    def _digest(self) -> str:
        """Return a digest of the rewards and endings in the replay, which identify a data set and are quick to hash."""
        used = self.replay.used
        return hashlib.sha256(self.replay.rewards[:used].tobytes() + self.replay.endings[:used].tobytes()).hexdigest()

    def close(self) -> None:
        """Do nothing: no file stays open between reads."""


def open_chunks(path: Path, replay: Replay, action_space: spaces.Space[Any], number: int, transitions: int) -> Chunks:
    """Open the data set in a folder, in Minari's or DQN Replay's layout. Raises UserError if there is none."""
    try:
        place = data_folder(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if place is not None:
        return MinariChunks(place, replay.frames, replay.observation_shape, action_space, transitions)
    if any(path.glob("$store$_*_ckpt.*.gz")):
        return DqnReplay(path, replay.frames.shape[1:], number, transitions)
    what = "holds no data set" if path.is_dir() else "no such folder"
    raise UserError(
        f"{path.absolute()}: {what}; dataset.path should name a Minari data set (data/metadata.json) or one in the"
        " layout of DQN Replay ($store$_observation_ckpt.0.gz)"
    )
