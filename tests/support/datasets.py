"""Small data sets of both layouts, and the transitions that are met in them."""

import gzip
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import FrameStackObservation

from suite.experience.dataset import Dataset
from suite.experience.minari import Recorder
from suite.experience.replay import Replay
from suite.options import DatasetOptions, ReplayOptions
from suite.types import stack_frames

STACK, GAMMA = 4, 0.9
SPACE, ACTIONS = spaces.Box(0, 255, (STACK, 2, 2), np.uint8), spaces.Discrete(3)
MANY = 600  # draws enough to meet each of a few dozen transitions


def replay(capacity: int = 300, n_step: int = 1, space: spaces.Space = SPACE) -> Replay:
    return Replay(
        space,
        ACTIONS,
        ReplayOptions(capacity=capacity, batch_size=MANY, n_step=n_step, discount=GAMMA, reward_clip=None),
    )


def dataset(path: Path, ring: Replay | None = None, actions: spaces.Space = ACTIONS, **options: Any) -> Dataset:
    return Dataset(actions, replay() if ring is None else ring, DatasetOptions(path=str(path), **options))


def loaded(path: Path, ring: Replay | None = None, epoch: int = 1, **options: Any) -> Dataset:
    data = dataset(path, ring, **options)
    data.start(0)
    data.begin_epoch(epoch)
    return data


def rounded(numbers: Any) -> tuple[float, ...]:
    return tuple(np.round(np.asarray(numbers, np.float64), 5).tolist())


def sampled(data: Dataset) -> set[tuple]:
    """What is met in many draws."""
    batch = stack_frames(data.sample(np.random.default_rng(0)))
    columns = [np.asarray(part).reshape(MANY, -1).tolist() for part in batch]
    return {tuple(rounded(part) for part in row) for row in zip(*columns, strict=True)}


def write_chunk(folder: Path, number: int, **parts: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part, array in parts.items():
        with gzip.open(folder / f"$store$_{part}_ckpt.{number}.gz", "wb", compresslevel=1) as file:
            np.save(file, array)


def chunk(terminals: list[int], first: int = 1) -> dict[str, np.ndarray]:
    """Frames numbered from `first`, so that no frame is blank."""
    n = len(terminals)
    frames = np.arange(first, first + n, dtype=np.uint8)[:, None, None].repeat(2, 1).repeat(2, 2)
    actions, rewards = np.arange(n, dtype=np.int32) % 3, np.sin(np.arange(n, dtype=np.float32) + first)
    return {"observation": frames, "action": actions, "reward": rewards, "terminal": np.array(terminals, np.uint8)}


class Film(gymnasium.Env):
    """Random frames; episodes of random lengths that end both ways."""

    observation_space, action_space = spaces.Box(0, 255, (2, 2), np.uint8), ACTIONS

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = int(self.np_random.integers(1, 9))
        return self.observation_space.dtype.type(self.np_random.integers(256, size=(2, 2))), {}

    def step(self, action):
        self.left -= 1
        ended, terminal = self.left == 0, bool(self.np_random.integers(2))
        frame = np.uint8(self.np_random.integers(256, size=(2, 2)))
        return frame, float(self.np_random.normal()), ended and terminal, ended and not terminal, {}


def play(environment: gymnasium.Env, steps: int = 60) -> set[tuple]:
    """To the end of an episode; -> the transitions as the environment gave them."""
    rng, transitions = np.random.default_rng(0), set()
    observation, _ = environment.reset(seed=0)
    ended = False
    while not ended or len(transitions) < steps:
        if ended:
            observation, _ = environment.reset()
        action = np.int32(rng.integers(3))
        following, reward, terminated, truncated, _ = environment.step(action)
        ended = terminated or truncated
        parts = (observation, action, reward, 0 if terminated else GAMMA, following)
        transitions.add(tuple(rounded(np.float32(part).reshape(-1)) for part in parts))
        observation = following
    return transitions


def record(folder: Path) -> set[tuple]:
    environment = Recorder(FrameStackObservation(Film(), STACK), folder, "chance")
    transitions = play(environment)
    environment.close()
    return transitions
