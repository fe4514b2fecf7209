"""What a Minari data set may make us read: nothing that is not learned from, and no frame of another size."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import h5py
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import FrameStackObservation
from minari.dataset.minari_storage import MinariStorage
from PIL import Image

from suite.errors import UserError
from suite.experience.dataset import Dataset
from suite.experience.minari import Recorder
from suite.experience.replay import Replay
from suite.options import DatasetOptions, ReplayOptions
from suite.types import stack_frames

SIDE, STACK, STEPS = 40, 4, 6
ACTIONS = spaces.Discrete(3)


class Film(gymnasium.Env):
    """Frames that grow brighter, so that JPEG keeps them about as they are."""

    observation_space, action_space = spaces.Box(0, 255, (SIDE, SIDE), np.uint8), ACTIONS

    def reset(self, *, seed=None, options=None):
        self.taken = 0
        return self.frame(), {}

    def step(self, action):
        self.taken += 1
        return self.frame(), 1.0, self.taken == STEPS, False, {}

    def frame(self) -> np.ndarray:
        return np.full((SIDE, SIDE), 30 * self.taken, np.uint8)


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three episodes of JPEG files."""
    real = MinariStorage.new

    def packed(*arguments: Any, **options: Any) -> MinariStorage:
        return real(*arguments, **{**options, "jpeg_encoding": True})

    monkeypatch.setattr(MinariStorage, "new", packed)
    environment = Recorder(FrameStackObservation(Film(), STACK), tmp_path / "film", "chance")
    for _ in range(3):
        environment.reset()
        for _ in range(STEPS):
            environment.step(np.int32(1))
    environment.close()
    return tmp_path / "film"


def load(folder: Path) -> Replay:
    space = spaces.Box(0, 255, (STACK, SIDE, SIDE), np.uint8)
    ring = Replay(space, ACTIONS, ReplayOptions(capacity=100, batch_size=50, n_step=1, discount=0.9, reward_clip=None))
    data = Dataset(ACTIONS, ring, DatasetOptions(path=str(folder)))
    data.start(0)
    data.begin_epoch(1)
    return ring


def changed(folder: Path, frame: int, file: bytes) -> None:
    """One frame of episode 1 is this file."""
    with h5py.File(folder / "data" / "main_data.hdf5", "a") as data:
        group = data["episode_1"]
        files = [bytes(bytearray(np.asarray(one))) for one in group["observations"]]
        files[frame] = file
        del group["observations"]
        stored = group.create_dataset("observations", (len(files),), h5py.vlen_dtype(np.uint8))
        for number, one in enumerate(files):
            stored[number] = np.frombuffer(one, np.uint8)


def picture(kind: str = "JPEG", size: tuple[int, int] = (SIDE, SIDE), mode: str = "L") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, format=kind)
    return file.getvalue()


def test_frames_that_are_jpeg_files_are_read(film: Path) -> None:
    ring = load(film)
    assert len(ring) == 3 * STEPS
    batch = stack_frames(ring.sample(np.random.default_rng(0)))
    brightness = np.asarray(batch.observation)[:, -1].reshape(50, -1).mean(1)
    assert set(np.round(brightness / 30).astype(int)) <= set(range(STEPS))


def test_files_of_different_lengths_too(film: Path) -> None:
    changed(film, 1, picture())
    assert len(load(film)) == 3 * STEPS


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (lambda: picture(size=(1_500, 1_500)), "1500"),
        (lambda: picture(size=(SIDE, SIDE + 1)), str(SIDE + 1)),
        (lambda: picture(mode="RGB"), "shape"),
        (lambda: picture("PNG"), "identify"),
        (lambda: picture() + bytes(10**6), "bytes, more than"),
        (lambda: picture()[:100], "chunk"),
    ],
    ids=["a bomb", "a row too many", "colour", "another format", "a long file", "cut"],
)
@pytest.mark.parametrize("frame", [0, 3])
def test_a_frame_of_another_size_is_not_unpacked(
    film: Path, file: Callable[[], bytes], words: str, frame: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed(film, frame, file())
    loaded: list[tuple[int, int]] = []
    real = Image.Image.load

    def watched(self: Image.Image) -> Any:
        loaded.append(self.size)
        return real(self)

    monkeypatch.setattr(Image.Image, "load", watched)
    with pytest.raises(UserError, match=words) as raised:
        load(film)
    assert "damaged" in str(raised.value)
    assert set(loaded) <= {(SIDE, SIDE)}


@pytest.mark.parametrize("nested", [False, True])
def test_infos_are_not_read(film: Path, nested: bool) -> None:
    """Two terabytes of which nothing is stored."""
    with h5py.File(film / "data" / "main_data.hdf5", "a") as data:
        infos = data["episode_1"].create_group("infos")
        group = infos.create_group("more") if nested else infos
        group.create_dataset("ram", (10**12,), np.uint16, chunks=True)
    assert len(load(film)) == 3 * STEPS
