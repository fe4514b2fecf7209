"""A ring buffer of the most recent transitions in host memory, which stores every image once.

Of a stacked observation only the newest frame is stored: its other frames are in the slots before. An episode
takes one slot per step and one more for its final observation, so that a truncated transition bootstraps from
the observation that it reached. That last slot is never sampled:

    slot      0    1    2    3    4    5    6   ...
    frame     a0   a1   a2   a3   b0   b1   b2          episode a ended after 3 steps, b is running
    step      a0   a1   a2   -    b0   b1   -           action, reward and ending of the step taken from here
"""

from functools import partial
from typing import Any

import numpy as np
from gymnasium import spaces

from suite.environments.spaces import is_stack
from suite.errors import UserError
from suite.experience.saved import SavedReplay, validated
from suite.options import ReplayOptions
from suite.tracking.checkpoint import START_OVER, Arrays, Segment, State
from suite.types import Batch, Frames

CONTINUES, TERMINATED, TRUNCATED = 0, 1, 2  # whether, and how, a step ended its episode
ROWS = ("frames", "actions", "rewards", "endings", "depths")  # arrays that are saved slot by slot
SEGMENT = 16_384  # slots in one saved file, at most


class Replay:
    """Uniform experience replay with n-step returns.

    Observations with three axes or more, such as [stack, height, width], are stacks of gymnasium's
    FrameStackObservation: the newest frame last, an episode's first frame repeated at its start. Others, such as
    vectors and images of Channels, are stored whole, as a stack of one.
    """

    # The state: these arrays, one row per slot, and the integers below them.
    frames: np.ndarray  # [capacity, ...]: the newest frame of the observation
    actions: np.ndarray  # [capacity, ...]
    rewards: np.ndarray  # float32 [capacity], clipped
    endings: np.ndarray  # uint8 [capacity]: CONTINUES, TERMINATED or TRUNCATED
    depths: np.ndarray  # uint8 [capacity]: older frames in the stack, fewer at the start of an episode
    sampleable: np.ndarray  # bool [capacity]: the transition is complete and none of its stack is overwritten
    size: int  # number of sampleable slots
    written: int  # number of writes
    episode_steps: int  # of the running episode; 0 between episodes

    def __init__(
        self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any], options: ReplayOptions
    ) -> None:
        """Reserve the buffer, which takes memory as it fills. Raises UserError for an impossible capacity."""
        shape = observation_space.shape
        if shape is None or action_space.shape is None or observation_space.dtype is None:
            raise UserError(f"the replay stores arrays, not {observation_space} and {action_space}")
        stack, frame_shape = (shape[0], shape[1:]) if is_stack(observation_space) else (1, shape)
        least = stack + options.n_step + (options.n_step > 1)  # the last: an observation that ended an episode
        if options.capacity < least:
            raise UserError(
                f"replay.capacity={options.capacity}: should be at least {least}, for a stack of {stack}"
                f" and replay.n_step={options.n_step}"
            )
        self.capacity, self.batch_size, self.n_step = options.capacity, options.batch_size, options.n_step
        self.reward_clip = np.inf if options.reward_clip is None else options.reward_clip
        self._stack, self._frame_shape, self.observation_shape = stack, frame_shape, shape
        action_dtype = np.int32 if isinstance(action_space, spaces.Discrete) else action_space.dtype
        try:
            self._back = np.arange(stack)[::-1]
            self._ahead = np.arange(options.n_step)
            self._powers = (float(options.discount) ** np.arange(options.n_step + 1)).astype(np.float32)
            self.frames = np.zeros((options.capacity, *frame_shape), observation_space.dtype)
            self.actions = np.zeros((options.capacity, *action_space.shape), action_dtype)
            self.rewards = np.zeros(options.capacity, np.float32)
            self.endings = np.zeros(options.capacity, np.uint8)
            self.depths = np.zeros(options.capacity, np.uint8)
            self.sampleable = np.zeros(options.capacity, np.bool_)
        except (MemoryError, ValueError) as error:  # the second: more bytes than numpy counts
            raise UserError(f"no memory for replay.capacity={options.capacity:,} ({error}); lower it") from error
        self.clear()

    def clear(self) -> None:
        """Forget everything; the memory stays reserved."""
        self.sampleable[:] = False
        self.size, self.written, self.episode_steps = 0, 0, 0
        self._segments: list[tuple[int, int, Segment]] = []  # saved slots: (first, last + 1, contents)

    def __len__(self) -> int:
        """Return the number of transitions that can be sampled."""
        return self.size

    @property
    def used(self) -> int:
        """The number of slots that were ever written."""
        return min(self.written, self.capacity)

    def add(
        self,
        observation: np.ndarray,
        action: Any,
        reward: float,
        next_observation: np.ndarray,
        terminated: bool,
        truncated: bool,
    ) -> None:
        """Store one step. Within an episode, `observation` is the last call's `next_observation`."""
        if self.episode_steps == 0:
            self._write(observation)
        slot = (self.written - 1) % self.capacity  # the newest
        self.actions[slot] = action
        self.rewards[slot] = min(max(reward, -self.reward_clip), self.reward_clip)  # in this order NaN stays NaN
        self.endings[slot] = TERMINATED if terminated else TRUNCATED if truncated else CONTINUES
        self.episode_steps += 1
        self._write(next_observation)

        # A transition is complete after n steps, or at the end of its episode.
        ended = terminated or truncated
        for back in range(0 if ended else self.n_step - 1, min(self.n_step, self.episode_steps)):
            self.sampleable[slot - back] = True  # a negative index is the end of the ring
            self.size += 1
        if ended:
            self.episode_steps = 0

    def _write(self, observation: np.ndarray) -> None:
        """Write the observation's newest frame to the next slot, over the oldest."""
        slot = self.written % self.capacity
        for ahead in range(self._stack):  # transitions whose stacks may contain the overwritten frame
            other = (slot + ahead) % self.capacity
            if self.sampleable[other] and self.depths[other] >= ahead:
                self.sampleable[other] = False
                self.size -= 1
        self.frames[slot] = observation.reshape(self._stack, *self._frame_shape)[-1]
        self.depths[slot] = min(self.episode_steps, self._stack - 1)
        self.written += 1

    def sample(self, rng: np.random.Generator) -> Batch | Frames:
        """Draw transitions uniformly, with replacement, from all that can be sampled.

        observation, next_observation [B, ...]: m steps apart
        action [B, ...]: int32 if discrete
        reward float32 [B]: sum of discount^k r_k over the m steps
        discount float32 [B]: discount^m, or 0 if the last of the m steps was a terminal
        where m is n_step, or less if the episode ends before. If the two stacks share frames, return Frames, which
        are fewer bytes to copy. Raises UserError if there is nothing to sample.
        """
        if self.size == 0:
            raise UserError(f"the replay has nothing to sample before {self.n_step} agent steps are taken")
        slots = self._draw(rng)
        window = (slots[:, None] + self._ahead) % self.capacity  # [B, n_step]
        ends = self.endings[window] != CONTINUES
        taken = np.cumsum(ends, axis=1) - ends == 0  # no step before this one ended the episode
        steps = taken.sum(axis=1)
        last = (slots + steps - 1) % self.capacity
        action = self.actions[slots]
        reward = np.where(taken, self.rewards[window], np.float32(0)) @ self._powers[:-1]
        discount = self._powers[steps] * (self.endings[last] != TERMINATED)
        if self._stack <= self.n_step:  # the stacks share no frame
            following = self._observations((last + 1) % self.capacity)
            return Batch(self._observations(slots), action, reward, discount, following)
        rows = steps[:, None].astype(np.int32) + np.arange(self._stack, dtype=np.int32) if self.n_step > 1 else None
        return Frames(self._frames(slots, steps), rows, action, reward, discount)

    def _draw(self, rng: np.random.Generator) -> np.ndarray:
        """Draw sampleable slots [B], by rejection: few slots other than ends of episodes are rejected."""
        kept = np.empty(0, np.int64)
        while len(kept) < self.batch_size:
            drawn = rng.integers(self.used, size=self.batch_size)
            kept = np.concatenate([kept, drawn[self.sampleable[drawn]]])
        return kept[: self.batch_size]

    def _frames(self, slots: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Return the frames of the stacks that end at these slots and of the steps after: [B, stack + n_step, ...].

        Indices stop at the first frame of the episode, and at the frame that the last of the steps reached.
        """
        first, last = slots - self.depths[slots], slots + steps
        rows = slots[:, None] + np.arange(1 - self._stack, self.n_step + 1)
        frames: np.ndarray = self.frames[np.clip(rows, first[:, None], last[:, None]) % self.capacity]
        return frames

    def _observations(self, slots: np.ndarray) -> np.ndarray:
        """Return the stacks that end at these slots: [B, ...]. Indices stop at the first frame of the episode."""
        rows = (slots[:, None] - np.minimum(self._back, self.depths[slots][:, None])) % self.capacity
        stacks: np.ndarray = self.frames[rows].reshape(len(slots), *self.observation_shape)
        return stacks

    def save(self) -> State:
        """Return all that `restore` needs. A slot is saved once: see Segment."""
        oldest = self.written - self.capacity
        saved = self._segments[-1][1] if self._segments else 0
        begin = max(saved - 1, oldest, 0)  # the newest slot of last time has been completed since
        while begin < self.written and saved < self.written:
            end = min(begin + SEGMENT, self.written)
            self._segments.append((begin, end, Segment(f"replay-{begin}-{end}", partial(self._rows, begin, end))))
            begin = end
        self._segments = [segment for segment in self._segments if segment[1] > oldest]
        return {
            "written": self.written,
            "episode_steps": self.episode_steps,
            "sampleable": self.sampleable[: self.used],
            "segments": [list(segment) for segment in self._segments],
        }

    def _rows(self, begin: int, end: int) -> Arrays:
        """Return the rows that the writes `begin` to `end` - 1 made."""
        slots = np.arange(begin, end) % self.capacity
        return {name: getattr(self, name)[slots] for name in ROWS}

    def restore(self, state: State) -> None:
        """Resume from the result of `save`. Raises UserError for arrays of other shapes or dtypes."""
        saved = validated(SavedReplay, state)
        self.written, self.episode_steps = saved.written, saved.episode_steps
        self._check("sampleable", saved.sampleable, self.used)
        self.sampleable[: self.used] = saved.sampleable
        self.size = int(self.sampleable.sum())
        self._segments = saved.segments
        for begin, end, segment in self._segments:
            rows = segment.arrays()
            first = max(begin, self.written - self.capacity)
            slots = np.arange(first, end) % self.capacity
            for name in ROWS:
                found = rows[name][first - begin :]
                self._check(name, found, len(slots))
                getattr(self, name)[slots] = found

    def _check(self, name: str, found: np.ndarray, rows: int) -> None:
        """Raise UserError for an array of another dtype or shape than so many rows of one of ours."""
        array = getattr(self, name)
        if (found.dtype, found.shape) != (array.dtype, (rows, *array.shape[1:])):
            raise UserError(f"incompatible checkpoint (the replay's {name}): {START_OVER}")
