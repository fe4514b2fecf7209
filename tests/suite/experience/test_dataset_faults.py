"""One line for whatever is wrong with a data set."""

import gzip
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from suite.errors import UserError
from tests.support.datasets import chunk, dataset, loaded, record, replay, write_chunk


def saved(array: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return gzip.compress(buffer.getvalue())


def spoil(part: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def spoiled(folder: Path) -> None:
        path = folder / f"$store$_{part}_ckpt.1.gz"
        path.write_bytes(change(path.read_bytes()))

    return spoiled


HUGE = io.BytesIO()
np.lib.format.write_array_header_1_0(HUGE, {"shape": (10**13, 2, 2), "fortran_order": False, "descr": "|u1"})


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda folder: (folder / "$store$_reward_ckpt.1.gz").unlink(), ["reward_ckpt.1.gz", "missing"]),
        (lambda folder: shutil.rmtree(folder), ["no such folder", "dataset.path"]),
        (lambda folder: [path.unlink() for path in folder.iterdir()], ["holds no data set", "Minari"]),
        (spoil("observation", lambda data: data[:-30]), ["observation_ckpt.1.gz", "cut short or damaged"]),
        (spoil("action", lambda data: data[:-20]), ["action_ckpt.1.gz", "cut short or damaged"]),
        (spoil("action", lambda data: data[:4]), ["action_ckpt.1.gz", "damaged"]),
        (spoil("reward", lambda data: b"not gzip"), ["reward_ckpt.1.gz", "not a gzipped numpy array"]),
        (spoil("reward", lambda data: gzip.compress(b"text")), ["reward_ckpt.1.gz", "not a gzipped numpy array"]),
        (spoil("reward", lambda data: b""), ["reward_ckpt.1.gz", "damaged"]),
        (spoil("observation", lambda data: saved(np.zeros((20, 3, 3), np.uint8))), ["(N, 2, 2)", "(20, 3, 3)"]),
        (spoil("observation", lambda data: saved(np.zeros((20, 2, 2), np.float32))), ["observations", "float32"]),
        (spoil("action", lambda data: saved(np.zeros((20, 1), np.int32))), ["(N,)", "(20, 1)"]),
        (spoil("action", lambda data: saved(np.int32(3))), ["(N,)", "()"]),
        (spoil("action", lambda data: saved(np.array([{}] * 20), **{"allow_" + "pickle": True})), ["object"]),
        (spoil("terminal", lambda data: saved(np.zeros(19, np.uint8))), ["19 transitions", "chunk_transitions=20"]),
        (spoil("observation", lambda data: gzip.compress(HUGE.getvalue())), ["cut short"]),
        (spoil("action", lambda data: saved(np.full(20, 3, np.int32))), ["chunk 1", "actions from 3 to 3", "has 3"]),
        (spoil("action", lambda data: saved(np.full(20, -1, np.int32))), ["actions from -1"]),
        (spoil("reward", lambda data: saved(np.full(20, np.nan, np.float32))), ["rewards hold NaN"]),
    ],
)
def test_a_bad_dqn_replay_is_one_line(change: Callable[[Path], Any], words: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    for number in range(2):
        write_chunk(folder, number, **chunk([0] * 20))
    change(folder)
    with pytest.raises(UserError) as error:
        loaded(folder, chunks=2, chunk_transitions=20)
    assert len(str(error.value)) < 400 and all(word in str(error.value) for word in words), error.value


def metadata(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        file = folder / "data" / "metadata.json"
        content = {**json.loads(file.read_text()), **changes}
        file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))

    return change


def cut(folder: Path) -> None:
    file = folder / "data" / "main_data.hdf5"
    file.write_bytes(file.read_bytes()[:3000])


def replaced(name: str, array: np.ndarray) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
            del file["episode_2"][name]
            file["episode_2"][name] = array

    return change


def grow(folder: Path) -> None:
    """An array of 4 TB of which nothing is stored."""
    with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
        file["episode_2"]["observations"].resize(10**12, axis=0)


DISCRETE = '{"type": "Discrete", "dtype": "int64", "start": 0, "n": 18}'
BOX = '{"type": "Box", "dtype": "uint8", "shape": [1], "low": [0], "high": [255]}'


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda folder: (folder / "data" / "main_data.hdf5").unlink(), ["damaged"]),
        (lambda folder: (folder / "data" / "metadata.json").write_text("{"), ["damaged"]),
        (cut, ["damaged"]),
        (grow, ["damaged", "episode 2"]),
        (replaced("rewards", np.zeros(99)), ["damaged", "episode 2"]),
        (metadata(total_steps=1), ["1 steps", "damaged"]),
        (metadata(total_episodes=10**6), ["damaged"]),
        (metadata(data_format="arrow"), ["arrow", "hdf5"]),
        (metadata(data_format="pickled"), ["pickled", "hdf5"]),
        (metadata(observation_space=None), ["damaged", "observation_space"]),  # or the file's environment is made
        (metadata(action_space=None), ["damaged", "action_space"]),
        (metadata(action_space=DISCRETE), ["Discrete(18)", "Discrete(3)", "another environment"]),
        (metadata(observation_space=BOX), ["(1,)", "(2, 2)", "(4, 2, 2)"]),
    ],
)
def test_a_bad_minari_data_set_is_one_line(change: Callable[[Path], Any], words: list[str], tmp_path: Path) -> None:
    record(tmp_path / "film")
    change(tmp_path / "film")
    with pytest.raises(UserError) as error:
        loaded(tmp_path / "film")
    assert len(str(error.value)) < 500 and all(word in str(error.value) for word in words), error.value


def test_a_replay_that_is_too_small_is_one_line(tmp_path: Path) -> None:
    write_chunk(tmp_path, 0, **chunk([1] * 20))
    with pytest.raises(UserError, match=r"replay\.capacity=19"):
        dataset(tmp_path, replay(19), chunks=1, chunk_transitions=20)
    with pytest.raises(UserError, match=r"last frame of each episode.*replay\.capacity=30"):
        loaded(tmp_path, replay(30), chunks=1, chunk_transitions=20)
