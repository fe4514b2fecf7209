"""The layout of the DQN Replay data set (Agarwal et al. 2020, arXiv 1907.04543), which RL Unplugged uses too.

A folder holds checkpoints of a replay memory, here called chunks. A chunk is four gzipped numpy arrays:
$store$_observation_ckpt.N.gz (single frames uint8 [1,000,000, 84, 84]), and likewise action, reward and terminal.
"""

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from suite.errors import UserError
from suite.experience.chunks import Episode

PARTS = {"observation": "u", "action": "i", "reward": "f", "terminal": "ub"}  # array -> kinds of its dtype
BLANKS = 3  # transitions of zeros that Dopamine's memory stores before an episode, to fill its first stacks
BLOCK = 2**20  # bytes read at a time
MAGIC = b"\x93NUMPY\x01\x00"  # numpy's format 1.0: a header's length in two bytes, the header, the numbers
#: What numpy writes as the header of an array of plain numbers (with L in Python 2). Its own reader evaluates the text.
HEADER = re.compile(
    rb"\{'descr': '([<>|](?:b1|[iu][1248]|f[248])|\|O)', 'fortran_order': (True|False),"
    rb" 'shape': \(([0-9L, ]{0,80})\), \}\s*"
)
UNREADABLE = (OSError, EOFError, zlib.error)  # what gzip raises for a damaged file


class DqnReplay:
    """The first `transitions` of each of the chunks 0, 1, ... `number` - 1 of a folder.

    Raises UserError for a missing or damaged file, or one with other contents. The constructor reads headers only.
    """

    def __init__(self, folder: Path, frame_shape: tuple[int, ...], number: int, transitions: int) -> None:
        self.folder, self.frame_shape = folder, frame_shape
        self.sizes = [transitions] * number
        for chunk in range(number):
            for part in PARTS:
                with _opened(self._path(part, chunk)) as file:
                    self._header(file, part, chunk)

    def read(self, number: int) -> Iterator[Episode]:
        """Read the arrays of a chunk at once, and cut them into episodes."""
        frames, actions, rewards, terminals = (self._read(part, number) for part in PARTS)
        return episodes(frames, actions, rewards, terminals)

    def _path(self, part: str, chunk: int) -> Path:
        return self.folder / f"$store$_{part}_ckpt.{chunk}.gz"

    def _header(self, file: BinaryIO, part: str, chunk: int) -> np.dtype:
        """Read a file's header; return the dtype. Raises UserError for another shape or dtype, or too few rows."""
        path = self._path(part, chunk)
        try:
            magic, length = file.read(len(MAGIC)), int.from_bytes(file.read(2), "little")
            header = HEADER.fullmatch(file.read(length)) if magic == MAGIC else None
        except UNREADABLE as error:
            raise UserError(f"{path}: not a gzipped numpy array, or a damaged one ({error})") from None
        if not header:
            raise UserError(f"{path}: not a gzipped numpy array of plain numbers, or a damaged one")
        dtype, fortran = np.dtype(header[1].decode()), header[2] == b"True"
        shape = tuple(map(int, re.findall(rb"[0-9]+", header[3])))
        row = self.frame_shape if part == "observation" else ()
        wrong_kind = dtype.kind not in PARTS[part] or (part == "observation" and dtype != np.uint8)
        if shape[1:] != row or not shape or wrong_kind or fortran:
            wanted = f"{part}s of shape {('N', *row)}".replace("'", "")
            raise UserError(f"{path}: should hold {wanted}, found {dtype} of shape {shape}")
        if shape[0] < self.sizes[chunk]:
            raise UserError(
                f"{path}: holds {shape[0]:,} transitions, fewer than dataset.chunk_transitions={self.sizes[chunk]:,};"
                " lower that option"
            )
        return dtype

    def _read(self, part: str, chunk: int) -> np.ndarray:
        """Read the first rows of an array. The rest is not unpacked: a whole array takes 7 GB."""
        with _opened(self._path(part, chunk)) as file:
            dtype = self._header(file, part, chunk)
            row = self.frame_shape if part == "observation" else ()
            try:
                array = np.empty((self.sizes[chunk], *row), dtype)
                unread = array.reshape(-1).view(np.uint8).data
                while unread:
                    block = file.read(min(len(unread), BLOCK))
                    if not block:
                        raise EOFError("it ends too early")
                    unread[: len(block)] = block
                    unread = unread[len(block) :]
            except MemoryError:
                size = f"dataset.chunk_transitions={self.sizes[chunk]:,}"
                raise UserError(f"not enough memory for chunks of {size}; lower that option") from None
            except UNREADABLE as error:
                raise UserError(f"{self._path(part, chunk)}: cut short or damaged ({error}); fetch it again") from None
        return array


def episodes(frames: np.ndarray, actions: np.ndarray, rewards: np.ndarray, terminals: np.ndarray) -> Iterator[Episode]:
    """Cut N transitions, whose arrays are [N, ...], into episodes.

    The data have no frame after a terminal step, where it is never needed: the last frame takes its place. They have
    none after the last step either: unless it is terminal, that step is dropped and its frame is the last one. The
    first transition counts as the first of an episode, since the data before it are missing.
    """
    ends = [int(end) + 1 for end in np.flatnonzero(terminals)]
    for start, stop in zip([0, *ends], [*ends, len(terminals)], strict=True):
        padding = slice(start, start + BLANKS)
        if stop - start > BLANKS and not any(part[padding].any() for part in (frames, actions, rewards)):
            start += BLANKS
        if start < stop and terminals[stop - 1]:
            reached = np.concatenate([frames[start:stop], frames[stop - 1 : stop]])
            yield Episode(reached, actions[start:stop], rewards[start:stop], terminated=True)
        elif stop - start > 1:
            yield Episode(frames[start:stop], actions[start : stop - 1], rewards[start : stop - 1], terminated=False)


def _opened(path: Path) -> BinaryIO:
    try:
        return gzip.open(path)  # type: ignore[return-value]
    except FileNotFoundError:
        raise UserError(f"{path}: missing; dataset.chunks says how many numbered chunks there should be") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
