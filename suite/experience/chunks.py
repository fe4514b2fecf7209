"""The interface of a data set: chunks of episodes."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np


class Episode(NamedTuple):
    """n steps of one episode, from its start or from the start of the data."""

    frames: np.ndarray  # [n + 1, ...]: the newest frame of each observation; the last one is what the last step reached
    actions: np.ndarray  # [n, ...]
    rewards: np.ndarray  # [n], not clipped
    terminated: bool  # else the last step is a truncation or the end of the data


class Chunks(Protocol):
    """A data set that is read chunk by chunk."""

    sizes: list[int]  # the largest number of transitions in each chunk

    def read(self, number: int) -> Iterator[Episode]:
        """Read the episodes of a chunk, in order. Raises UserError for damaged files."""
