"""Minari data sets (Younis et al. 2024, the Farama standard): read them, and record environments."""

import io
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import h5py
import minari
import numpy as np
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_dataset import DATASET_ID_RE
from minari.dataset.minari_storage import MinariStorage, is_image_space
from PIL import Image

from suite.environments.spaces import is_stack
from suite.errors import UserError, writing
from suite.experience.chunks import Episode
from suite.record import schema
from suite.record.models import Count, File, validated

METADATA, MAIN = "metadata.json", "main_data.hdf5"
ARRAYS = ("observations", "actions", "rewards", "terminations", "truncations")  # of an episode; others are not read
JPEG_HEADER = 2**16  # bytes that a JPEG file may have in addition to the size of its frame
#: What h5py makes of HDF5's errors (its _errors.pyx), and of an array that claims more memory than there is.
HDF5_ERRORS = (OSError, KeyError, ValueError, TypeError, RuntimeError, MemoryError)
IMAGE_ERRORS = (OSError, ValueError, Image.DecompressionBombError)


class Metadata(File):
    """The fields of metadata.json that are read. Without spaces, Minari would make the environment that it names."""

    data_format: str
    observation_space: str  # JSON that Minari reads
    action_space: str
    total_episodes: Count
    total_steps: Count


def data_folder(folder: Path) -> Path | None:
    """Return the folder with the files of a Minari data set: `folder`/data or `folder`; None if there is none."""
    return next((place for place in (folder / "data", folder) if (place / METADATA).is_file()), None)


class MinariChunks:
    """A data set in Minari's HDF5 format, cut at ends of episodes into chunks of at least `transitions`.

    Its observations are single frames, as `Recorder` writes them, or stacks, of which the newest frame is used.
    Raises UserError for a damaged data set, or one with other spaces.
    """

    def __init__(
        self,
        folder: Path,
        frames: np.ndarray,
        observation_shape: tuple[int, ...],
        action_space: spaces.Space[Any],
        transitions: int,
    ) -> None:
        """Open a data set. `frames` [capacity, ...] is the replay's array: frames should have its shape and dtype."""
        self.folder = folder
        metadata = validated(Metadata, schema.read_json(folder / METADATA), folder / METADATA)
        if metadata.data_format != "hdf5":
            raise UserError(f"{folder}: a Minari data set in the format {metadata.data_format}; hdf5 is needed")
        try:
            self.storage = MinariStorage.read(folder)
        except Exception as error:  # Minari and gymnasium say nowhere what a space that is no space raises
            raise UserError(f"{folder}: no Minari data set, or a damaged one ({_line(error)})") from None
        self._check_spaces(frames, observation_shape, action_space)
        with self._open() as file:
            self.lengths = [self._length(file, number) for number in range(metadata.total_episodes)]
        if sum(self.lengths) != metadata.total_steps:
            raise UserError(f"{folder}: holds {sum(self.lengths)} of {metadata.total_steps} steps; it is damaged")
        self.ranges = _ranges(self.lengths, transitions)
        self.sizes = [sum(self.lengths[episode] for episode in part) for part in self.ranges]

    def _check_spaces(
        self, frames: np.ndarray, observation_shape: tuple[int, ...], action_space: spaces.Space[Any]
    ) -> None:
        found = self.storage.observation_space
        shapes = {frames.shape[1:], observation_shape}
        if found.shape not in shapes or found.dtype != frames.dtype:
            wanted = " or ".join(sorted(map(str, shapes), key=len))
            raise UserError(
                f"{self.folder}: observations are {found.dtype} of shape {found.shape}, and should be {frames.dtype}"
                f" of shape {wanted}"
            )
        if self.storage.action_space != action_space:
            raise UserError(
                f"{self.folder}: its actions are {self.storage.action_space}, the task's are {action_space}:"
                " is it another environment's?"
            )
        self.stacked = found.shape != frames.shape[1:]

    def _open(self) -> h5py.File:
        try:
            return h5py.File(self.folder / MAIN)
        except HDF5_ERRORS as error:
            raise self._damage(_line(error)) from None

    def _damage(self, what: str) -> UserError:
        return UserError(f"{self.folder}: no Minari data set, or a damaged one ({what})")

    def _arrays(self, file: h5py.File, number: int) -> dict[str, h5py.Dataset]:
        """Return the arrays of an episode that are learned from, none of which is read yet."""
        try:
            arrays = {name: file[f"episode_{number}"][name] for name in ARRAYS}
            wrong = [name for name, array in arrays.items() if not _is_array(array)]
        except HDF5_ERRORS as error:
            raise self._damage(f"episode {number}: {_line(error)}") from None
        if wrong:
            raise self._damage(f"{wrong[0]} of episode {number} are not numbers")
        return arrays

    def _length(self, file: h5py.File, number: int) -> int:
        """Return the number of steps of an episode, which all its arrays' sizes confirm before any is read."""
        arrays, packed = self._arrays(file, number), self._is_packed()
        steps = len(arrays["rewards"])
        if steps == 0:
            raise self._damage(f"episode {number} has no step")
        observation = arrays["observations"].shape[1:] if packed else self.storage.observation_space.shape or ()
        expected: dict[str, tuple[int, ...]] = dict.fromkeys(ARRAYS, (steps,))
        expected["actions"] = (steps, *(self.storage.action_space.shape or ()))
        expected["observations"] = (steps + 1, *observation)
        for name, shape in expected.items():
            if arrays[name].shape != shape:
                raise self._damage(f"{name} of episode {number} are {arrays[name].shape}, not {shape}")
        return steps

    def _is_packed(self) -> bool:
        """Return whether observations are JPEG files."""
        return bool(self.storage.jpeg_encoding and is_image_space(self.storage.observation_space))

    def read(self, number: int) -> Iterator[Episode]:
        """Read the episodes of a chunk, without the arrays that are not learned from: infos may have any size."""
        with self._open() as file:
            for episode in self.ranges[number]:
                yield self._episode(episode, self._arrays(file, episode), number)

    def _episode(self, episode: int, arrays: dict[str, h5py.Dataset], chunk: int) -> Episode:
        space = self.storage.observation_space
        try:
            data = {name: array[()] for name, array in arrays.items() if name != "observations"}
            packed = arrays["observations"]
            observations = unpacked(packed, space) if self._is_packed() else packed[()]
        except (*HDF5_ERRORS, *IMAGE_ERRORS) as error:
            raise UserError(f"{self.folder}: damaged in chunk {chunk} ({_line(error)})") from None
        ends = (data["terminations"] != 0) | (data["truncations"] != 0)
        if len(observations) != len(ends) + 1 or ends[:-1].any():
            raise UserError(f"{self.folder}: damaged in chunk {chunk} (episode {episode} continues after its end)")
        frames = observations[:, -1] if self.stacked else observations
        return Episode(frames, data["actions"], data["rewards"], bool(data["terminations"][-1]))


def _is_array(found: Any) -> bool:
    """Return whether an entry of a file is an array of numbers, or of JPEG files, which have different lengths."""
    if not isinstance(found, h5py.Dataset) or not found.shape:
        return False
    return (h5py.check_vlen_dtype(found.dtype) or found.dtype).kind in "biuf"


def unpacked(files: h5py.Dataset, space: spaces.Space[Any]) -> np.ndarray:
    """Decode frames that are JPEG files, after checking each file's size and shape against the space.

    Raises ValueError, and what h5py and PIL raise for what is damaged.
    """
    frames = np.empty((len(files), *(space.shape or ())), np.uint8)
    most = frames[0].nbytes + JPEG_HEADER
    for number in range(len(files)):
        file = files[number].tobytes()
        if len(file) > most:
            raise ValueError(f"frame {number} is a file of {len(file)} bytes, more than {most}")
        with Image.open(io.BytesIO(file), formats=["JPEG"]) as image:
            size = (image.height, image.width, *((3,) if image.mode == "RGB" else ()))
            if size != space.shape:
                raise ValueError(f"frame {number} is of shape {size}, not {space.shape}")
            frames[number] = np.asarray(image)
    return frames


def _ranges(lengths: Sequence[int], transitions: int) -> list[range]:
    """Return ranges of consecutive episodes with at least this number of transitions; the last may have fewer."""
    ranges, start, steps = [], 0, 0
    for number, length in enumerate(lengths):
        steps += length
        if steps >= transitions or number == len(lengths) - 1:
            ranges.append(range(start, number + 1))
            start, steps = number + 1, 0
    return ranges


class Recorder(gymnasium.Wrapper):
    """Record the finished episodes of an environment as a Minari data set, which `close` moves to its folder.

    Of a stack the newest frame is written, without loss; rewards are not clipped. Raises UserError if the folder exists
    or cannot be written.
    """

    def __init__(self, environment: gymnasium.Env, folder: Path, algorithm: str) -> None:
        super().__init__(environment)
        self.folder = folder.absolute()  # Minari 0.5.4 resolves a relative path inside its own folder
        self.partial = Path(f"{self.folder}.partial")
        self.stacked = is_stack(environment.observation_space)
        self.observations: list[np.ndarray] = []  # of the running episode
        self.steps: list[tuple[Any, float, bool, bool]] = []  # action, reward, terminated, truncated
        spec = environment.spec
        if spec and callable(spec.entry_point):  # of a class no file can hold it; the data set does without
            spec = None
        with writing(folder):
            if folder.exists():
                raise UserError(f"{folder}: exists already; --record needs the name of a new folder")
            shutil.rmtree(self.partial, ignore_errors=True)  # of a run that was interrupted
            self.partial.mkdir(parents=True)
            self.storage = MinariStorage.new(
                self.partial / "data",
                frame_space(environment.observation_space),
                environment.action_space,
                spec,
                jpeg_encoding=False,
            )
        name = re.sub(r"[^-\w]", "-", folder.name)
        self.storage.update_metadata(
            {
                "dataset_id": name if DATASET_ID_RE.fullmatch(name) and re.search(r"-v\d+$", name) else f"{name}-v0",
                "minari_version": minari.__version__,
                "algorithm_name": algorithm,
            }
        )

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; an unfinished one is not recorded."""
        observation, info = self.env.reset(**options)
        self.observations, self.steps = [self._frame(observation)], []
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Take a step; write the episode if it ends. Raises UserError if the folder cannot be written."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self.observations.append(self._frame(observation))
        self.steps.append((np.array(action), float(reward), terminated, truncated))
        if terminated or truncated:
            actions, rewards, terminations, truncations = (list(column) for column in zip(*self.steps, strict=True))
            episode = EpisodeBuffer(None, None, None, self.observations, actions, rewards, terminations, truncations)
            with writing(self.partial):
                self.storage.update_episodes([episode])
        return observation, reward, terminated, truncated, info

    def _frame(self, observation: np.ndarray) -> np.ndarray:
        return np.array(observation[-1] if self.stacked else observation)

    def close(self) -> None:
        """Close the environment, and move the data set to its folder."""
        super().close()
        if self.partial.exists():
            self.partial.rename(self.folder)


def frame_space(space: spaces.Space[Any]) -> spaces.Space[Any]:
    """Return the space of one frame of a stack; other spaces are returned as they are."""
    if isinstance(space, spaces.Box) and is_stack(space):
        return spaces.Box(space.low[-1], space.high[-1], space.shape[1:], space.dtype.type)
    return space


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
