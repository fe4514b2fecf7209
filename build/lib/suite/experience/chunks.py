"""What a data set is to the experience that learns from it: chunks of episodes."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np


class Episode(NamedTuple):
    """n steps of one episode, from its start or from where the data begin."""

    frames: np.ndarray  # [n + 1, ...]: the newest frame of each observation; the last one is what the last step reached
    actions: np.ndarray  # [n, ...]
    rewards: np.ndarray  # [n], as they were stored
    terminated: bool  # if not, the last step was a truncation, or the data end there


class Chunks(Protocol):
    """A data set that is read chunk by chunk."""

    sizes: list[int]  # transitions in each chunk, at most

    def read(self, number: int) -> Iterator[Episode]:
        """The episodes of a chunk, in order. Raises UserError when the files are damaged."""
