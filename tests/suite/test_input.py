"""Data sets and checkpoints that are damaged or made up: read, or one line, and no memory for what is only claimed."""

import gzip
import json
import shutil
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import example, given, settings
from hypothesis import strategies as st

from suite.deploy import compact
from suite.errors import UserError
from suite.experience.chunks import Episode
from suite.experience.dataset import Dataset
from suite.experience.online import Online
from suite.options import TrainerOptions
from suite.tracking import checkpoint
from suite.trainer import Parts, Trainer
from tests.support import checkpoints as states
from tests.support.damage import FUZZ, damaged, mutated, one_line_or_fine, replaced
from tests.support.datasets import chunk, dataset, loaded, record, replay, write_chunk
from tests.support.probes import Sign
from tests.support.trainer import Learned

OPTIONS = {"chunks": 1, "chunk_transitions": 20}
PARTS = ("observation", "action", "reward", "terminal")
MEMORY = 64 * 2**20  # bytes that reading a file of some kB may take


def peak(read: Any) -> int:
    """Bytes of memory at the most, while something is read or refused."""
    tracemalloc.start()
    try:
        one_line_or_fine(read)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# DQN Replay ----------------------------------------------------------------------------------------------------------


def header(text: str, version: tuple[int, int] = (1, 0)) -> bytes:
    size = struct.pack("<H" if version == (1, 0) else "<I", len(text.encode()))
    return b"\x93NUMPY" + bytes(version) + size + text.encode()


descriptions = st.one_of(
    st.sampled_from(
        ["|u1", "<i4", "<f4", "|O", "<f2", "<c8", "|V8", "<U9", "<M8[s]", "[('a', '<i4')]", "x", "", ">f8", "|b1"]
    ),
    st.text(max_size=4),
).map(repr)
shapes = st.sampled_from(
    ["(20,)", "(20, 2, 2)", "()", "(-1,)", "(True,)", "(20.0,)", "(10**9,)", "(99999999999999999999,)", "20", "'x'"]
)
headers = st.one_of(
    st.builds(
        "{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}\n".format,
        descriptions,
        st.sampled_from(["True", "False", "0"]),
        shapes,
    ),
    st.text(max_size=20),
    st.sampled_from(
        ["(" * 5_000, "[" * 9_000, "{" * 200, "-" * 9_000 + "1", "'''", "1L", "\\\n ", "  x\n y", "{'descr':"]
    ),
)


@settings(FUZZ, max_examples=150)
@given(st.sampled_from(PARTS), headers, st.binary(max_size=90))
@example("action", "{'descr': '<i4', 'fortran_order': False, 'shape': (20, ), }\n", b"\1" * 80)
def test_any_numpy_header_is_an_array_or_one_line(tmp_path_factory, part: str, text: str, rest: bytes) -> None:
    folder = tmp_path_factory.mktemp("replay")
    write_chunk(folder, 0, **chunk([0] * 20))
    (folder / f"$store$_{part}_ckpt.0.gz").write_bytes(gzip.compress(header(text) + rest))
    one_line_or_fine(lambda: loaded(folder, **OPTIONS))


@FUZZ
@given(st.data(), st.sampled_from(PARTS))
def test_a_damaged_chunk_is_one_line(tmp_path_factory, data: st.DataObject, part: str) -> None:
    folder = tmp_path_factory.mktemp("replay")
    write_chunk(folder, 0, **chunk([0, 0, 0, 1] * 5))
    path = folder / f"$store$_{part}_ckpt.0.gz"
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    one_line_or_fine(lambda: loaded(folder, **OPTIONS))


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_a_bomb_is_not_unpacked(version: tuple[int, int], tmp_path: Path) -> None:
    """A header that says it has 4 GB, or an array behind which there are 100 MB of zeros, in a file of 500 kB."""
    write_chunk(tmp_path, 0, **chunk([0] * 20))
    text = "{'descr': '<i4', 'fortran_order': False, 'shape': (20, ), }\n"
    content = (
        header(text, version) if version == (1, 0) else b"\x93NUMPY" + bytes(version) + struct.pack("<I", 2**32 - 1)
    )
    path = tmp_path / "$store$_action_ckpt.0.gz"
    path.write_bytes(gzip.compress(content + bytes(100 * 2**20), compresslevel=1))
    assert path.stat().st_size < 2 * 2**20
    assert peak(lambda: loaded(tmp_path, **OPTIONS)) < MEMORY


def test_a_path_that_is_a_folder_or_unreadable_is_one_line(tmp_path: Path) -> None:
    write_chunk(tmp_path, 0, **chunk([0] * 20))
    path = tmp_path / "$store$_reward_ckpt.0.gz"
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match="reward_ckpt"):
        dataset(tmp_path, **OPTIONS)


@pytest.mark.parametrize("what", ["observation", "action"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_vectors_that_are_no_numbers_are_refused(what: str, value: float) -> None:
    frames, actions = np.zeros((3, 2)), np.zeros((2, 1))
    (frames if what == "observation" else actions)[1, 0] = value
    ring = replay(space=spaces.Box(-np.inf, np.inf, (2,), np.float32))
    broken = Dataset.__new__(Dataset)
    broken.path, broken.replay, broken.action_space = Path("data"), ring, spaces.Box(-1, 1, (1,), np.float32)
    with pytest.raises(UserError, match=f"data, chunk 7: {what}s hold NaN or infinity"):
        broken._check(Episode(frames, actions, np.zeros(2), True), 7)


# Minari --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("minari") / "film"
    record(folder)
    return folder


@pytest.fixture
def copy(film: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(film, tmp_path / "film"))


@settings(FUZZ, max_examples=80)
@given(st.data())
def test_any_metadata_is_a_data_set_or_one_line(film: Path, tmp_path_factory, data: st.DataObject) -> None:
    folder = Path(shutil.copytree(film, tmp_path_factory.mktemp("metadata") / "film"))
    file = folder / "data" / "metadata.json"
    content = json.loads(file.read_text())
    if data.draw(st.booleans()):
        key = data.draw(st.sampled_from(["observation_space", "action_space"]))
        content = replaced(content, (key,), json.dumps(data.draw(mutated(json.loads(content[key])))))
    else:
        content = data.draw(mutated(content))
    file.write_text(json.dumps(content))
    one_line_or_fine(lambda: loaded(folder))


@FUZZ
@given(st.data(), st.sampled_from(["metadata.json", "main_data.hdf5"]))
def test_a_damaged_data_set_is_one_line(film: Path, tmp_path_factory, data: st.DataObject, name: str) -> None:
    folder = Path(shutil.copytree(film, tmp_path_factory.mktemp("damaged") / "film"))
    path = folder / "data" / name
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    one_line_or_fine(lambda: loaded(folder))


@pytest.mark.parametrize("name", ["observations", "actions", "rewards", "terminations", "truncations"])
@pytest.mark.parametrize("kind", ["text", "group", "gone", "huge", "complex", "scalar"])
def test_an_array_that_is_none_is_one_line(name: str, kind: str, copy: Path) -> None:
    with h5py.File(copy / "data" / "main_data.hdf5", "a") as file:
        group = file["episode_1"]
        shape = group[name].shape
        del group[name]
        if kind == "group":
            group.create_group(name)
        elif kind == "huge":  # 8 TB, of which nothing is stored
            group.create_dataset(name, (10**12, *shape[1:]), np.float64, chunks=(1024, *shape[1:]), fillvalue=1)
        elif kind != "gone":
            group[name] = {"text": np.full(shape, b"x"), "complex": np.zeros(shape, complex), "scalar": np.float64(1)}[
                kind
            ]
    with pytest.raises(UserError, match="damaged"):
        loaded(copy)


# Checkpoints ---------------------------------------------------------------------------------------------------------


@settings(FUZZ, max_examples=40)
@given(st.data())
def test_bits_that_were_turned_in_a_checkpoint_are_noticed(tmp_path_factory, data: st.DataObject) -> None:
    """Some bits in any of its files, and its metrics: the one before is used, or none; never what was changed."""
    folder = tmp_path_factory.mktemp("bits") / "run"
    checkpoints = states.store(folder)
    for number in (1, 2):
        states.append(folder, "x" * 19 + "\n")
        checkpoints.save(states.state_of(number))
    paths = [*sorted((folder / "checkpoints").iterdir()), folder / "metrics.jsonl"]
    for path in data.draw(st.lists(st.sampled_from(paths), min_size=1, max_size=2)):
        content = bytearray(path.read_bytes())
        for at in data.draw(st.lists(st.integers(0, 8 * len(content) - 1), min_size=1, max_size=3, unique=True)):
            content[at // 8] ^= 1 << at % 8
        path.write_bytes(content)
    assert states.found(folder) in (None, (1, 20), (2, 40))  # `found` looks whether all of it is what was saved


def test_arrays_that_claim_terabytes_take_no_memory(tmp_path: Path) -> None:
    text = json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    for claimed in (len(text), 2**40, 2**63):
        path = tmp_path / "policy.safetensors"
        path.write_bytes(struct.pack("<Q", claimed) + text)
        with pytest.raises(UserError, match="damaged"):
            compact.read_arrays(path)
        assert peak(lambda path=path: compact.read_arrays(path)) < MEMORY


@settings(FUZZ, max_examples=40)
@given(mutated({"epoch": 1, "stage": "train", "gradient_step": 0, "loss": None, "learner": {}, "experience": {}}))
def test_a_state_that_is_none_of_ours_is_one_line(saved: Any) -> None:
    class Nothing:
        target_update_period, agent, inspect = 10, None, None

    environment = Sign()
    parts = Parts(Online(environment, replay(space=environment.observation_space)), Sign, Nothing())
    trainer = Trainer(parts, None, TrainerOptions(), 0)
    trainer.state = Learned(None, online=())
    assert one_line_or_fine(lambda: trainer.restore(saved)) is None
    assert checkpoint.START_OVER
