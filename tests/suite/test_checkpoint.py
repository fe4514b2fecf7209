"""Checkpoints: what is read back is what was written, whatever became of the files in between."""

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file

from suite import checkpoint, files
from suite.checkpoint import Checkpoints, Segment, State, fill, leaves
from suite.errors import UserError

VERSIONS = {"numpy": "2"}


def store(folder: Path, run: str = "run", **options: Any) -> Checkpoints:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.jsonl").touch()
    return Checkpoints(folder / "checkpoints", folder / "metrics.jsonl", run, VERSIONS, **options)


def append(folder: Path, text: str) -> None:
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(text)


def constant(name: str, value: int) -> Segment:
    return Segment(name, lambda: {"rows": np.full(3, value, np.uint8)})


def state_of(number: int) -> State:
    """A small state that has a bit of everything."""
    return {
        "agent_step": number,
        "loss": number / 3,
        "nothing": None,
        "big": 2**127 + number,
        "list": [1, [2.5, "text"], {"deep": np.arange(number)}],
        "key": np.array([number, 7], np.uint32),
        "segments": [[0, constant("part-0", 1)], [1, constant(f"part-{number}", number)]],
    }


def plain(value: Any) -> Any:
    """A state that compares by ==."""
    if isinstance(value, Segment):
        return (value.name, plain(value.arrays()))
    if isinstance(value, np.ndarray):
        return (value.dtype.name, value.shape, value.tobytes())
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A run's folder with two checkpoints, of state_of(1) and state_of(2), and 20 and 40 bytes of metrics."""
    checkpoints = store(tmp_path / "run")
    for number in (1, 2):
        append(tmp_path / "run", "x" * 19 + "\n")
        checkpoints.save(state_of(number))
    return tmp_path / "run"


def found(folder: Path, run: str = "run") -> tuple[int, int] | None:
    """(agent step, bytes of metrics) of the newest checkpoint that is relied on, which must be whole."""
    newest = store(folder, run).newest()
    if newest is None:
        return None
    number = newest.state["agent_step"]
    assert plain(newest.state) == plain(state_of(number))
    return number, newest.metrics_bytes


def test_what_is_written_is_read(two: Path) -> None:
    assert found(two) == (2, 40)
    assert store(two).newest().versions == VERSIONS


leaf = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | hnp.arrays(
        st.sampled_from([np.bool_, np.uint8, np.int32, np.uint32, np.int64, np.float32, np.float64]),
        hnp.array_shapes(min_dims=0, min_side=0),
    )
)
states = st.dictionaries(
    st.text("ab/_", max_size=3), st.recursive(leaf, lambda inner: st.lists(inner, max_size=3), max_leaves=6), max_size=4
)


@settings(max_examples=60, deadline=None)
@given(states)
def test_any_state_survives(tmp_path_factory: pytest.TempPathFactory, state: State) -> None:
    folder = tmp_path_factory.mktemp("any")
    store(folder).save(state)
    assert plain(store(folder).newest().state) == plain(state)


def test_a_run_has_no_checkpoint_at_first(tmp_path: Path) -> None:
    assert store(tmp_path).newest() is None


def test_two_are_kept_and_nothing_else(two: Path) -> None:
    checkpoints = store(two)
    checkpoints.newest()
    (two / "checkpoints" / "left.tmp").touch()
    for number in (3, 4):
        checkpoints.save(state_of(number))
    names = {path.name for path in (two / "checkpoints").iterdir()}
    assert names == {
        *(f"{number:05}.{kind}" for number in (3, 4) for kind in ("json", "safetensors")),
        *(f"part-{number}.safetensors" for number in (0, 3, 4)),
    }
    checkpoints.clear()
    assert not (two / "checkpoints").exists()


def test_a_segment_is_written_once(two: Path) -> None:
    """Also by a process that has only read of it."""
    checkpoints = store(two)
    checkpoints.newest()
    before = (two / "checkpoints" / "part-0.safetensors").stat()
    again = {"agent_step": 3, "part": Segment("part-0", lambda: pytest.fail("asked for"))}
    checkpoints.save(again)
    checkpoints.save(again)
    assert (two / "checkpoints" / "part-0.safetensors").stat() == before


# Damage --------------------------------------------------------------------------------------------------------------


def every_damage(folder: Path, pattern: str) -> list[tuple[Path, bytes, bytes]]:
    """(file, what it holds, what it holds instead): cut at every byte, and with one bit of every byte turned."""
    damages = []
    for path in sorted(folder.glob(pattern)):
        whole = path.read_bytes()
        cut = [whole[:size] for size in range(len(whole))]
        turned = [whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :] for at in range(len(whole))]
        damages += [(path, whole, part) for part in [*cut, *turned, whole + b"\0"]]
    return damages


@pytest.mark.parametrize("pattern", ["checkpoints/00002.json", "checkpoints/00002.safetensors", "checkpoints/part-2.*"])
def test_a_damaged_newest_is_named_and_the_one_before_is_used(two: Path, pattern: str, caplog) -> None:
    damages = every_damage(two, pattern)
    assert len(damages) > 100
    for path, whole, damaged in damages:
        caplog.clear()
        path.write_bytes(damaged)
        assert found(two) == (1, 20), damaged
        assert "00002.json" in caplog.text
        path.write_bytes(whole)
    assert found(two) == (2, 40)


def test_without_a_segment_that_both_need_the_run_starts_over(two: Path, caplog) -> None:
    (two / "checkpoints" / "part-0.safetensors").unlink()
    assert found(two) is None
    assert "00001.json" in caplog.text and "00002.json" in caplog.text


def test_metrics_that_were_cut_or_changed_take_the_checkpoints_with_them(two: Path) -> None:
    """A checkpoint is used where the metrics reach it and are those that it was made with, and nowhere else."""
    whole = (two / "metrics.jsonl").read_bytes()
    for size in range(len(whole) + 1):
        (two / "metrics.jsonl").write_bytes(whole[:size])
        assert found(two) == ((2, 40) if size >= 40 else (1, 20) if size >= 20 else None)
    (two / "metrics.jsonl").write_bytes(whole + b'{"kind": "ep')  # a row that was being written
    assert found(two) == (2, 40)
    for at in range(len(whole)):
        (two / "metrics.jsonl").write_bytes(whole[:at] + b"?" + whole[at + 1 :])
        assert found(two) == ((1, 20) if at >= 20 else None)


def test_files_that_were_swapped_are_not_believed(two: Path) -> None:
    folder = two / "checkpoints"
    shutil.copy(folder / "00001.safetensors", folder / "00002.safetensors")
    assert found(two) == (1, 20)
    shutil.copy(folder / "part-2.safetensors", folder / "part-0.safetensors")
    assert found(two) is None


def test_manifests_that_were_swapped_are_not_believed(two: Path, caplog) -> None:
    first, second = (two / "checkpoints" / f"0000{number}.json" for number in (1, 2))
    texts = first.read_bytes(), second.read_bytes()
    first.write_bytes(texts[1])
    second.write_bytes(texts[0])
    assert found(two) is None
    assert caplog.text.count("has the name of another one") == 2


def test_a_folder_among_the_checkpoints_stays(two: Path) -> None:
    checkpoints = store(two)
    checkpoints.newest()
    notes = two / "checkpoints" / "notes"
    notes.mkdir()
    checkpoints.save(state_of(3))
    assert not (two / "checkpoints" / "00001.safetensors").exists()
    checkpoints.clear()
    assert [path.name for path in (two / "checkpoints").iterdir()] == ["notes"]


def test_the_checkpoint_of_another_run_is_not_used(two: Path, caplog) -> None:
    assert found(two, "another") is None
    assert "not of this run" in caplog.text


def forge(path: Path, **changes: Any) -> None:
    """A manifest with a right checksum that says something else."""
    manifest = json.loads(path.read_text()) | changes
    del manifest["sha256"]
    path.write_text(json.dumps({**manifest, "sha256": checkpoint._digest(manifest)}))


@pytest.mark.parametrize(
    "changes",
    [
        {"version": checkpoint.VERSION + 1},
        {"files": {"../metrics.jsonl": {"bytes": 40, "sha256": "0"}}},
        {"files": {"/etc/hostname": {"bytes": 1, "sha256": "0"}}},
        {"files": {"00002.safetensors": {"bytes": 2**62, "sha256": "0"}}},
        {"files": None},
        {"metrics": {"bytes": "many"}},
    ],
)
def test_a_manifest_that_asks_for_too_much_is_damaged(two: Path, changes: dict[str, Any]) -> None:
    forge(two / "checkpoints" / "00002.json", **changes)
    assert found(two) == (1, 20)


@pytest.mark.parametrize("text", ["", "[]", "1", "{}", "null", "[" * 100_000, '{"sha256": 1}'])
def test_what_is_no_manifest_is_damaged(two: Path, text: str) -> None:
    (two / "checkpoints" / "00003.json").write_text(text)
    assert found(two) == (2, 40)


def test_a_run_goes_on_after_a_damaged_newest(two: Path) -> None:
    (two / "checkpoints" / "00002.safetensors").write_bytes(b"")
    checkpoints = store(two)
    assert checkpoints.newest().state["agent_step"] == 1
    checkpoints.save(state_of(5))
    assert found(two) == (5, 40)


# A process or a disk that gives up ---------------------------------------------------------------------------------


class Killed(BaseException):
    """Ends a process in the middle of a checkpoint."""


def until_the_end(function: Callable, calls: Iterator[int]) -> Callable:
    """The function, which kills instead of doing anything once `calls` are used up."""

    def call(*arguments: Any, **options: Any) -> Any:
        if next(calls, None) is None:
            raise Killed
        return function(*arguments, **options)

    return call


def test_a_kill_at_any_moment_leaves_the_old_checkpoint_or_the_new_one(tmp_path: Path, monkeypatch) -> None:
    """It comes before each of the calls that change the disk, one after the other."""
    store(tmp_path / "old").save(state_of(1))
    outcomes = []
    for limit in range(100):
        folder = tmp_path / f"after{limit}"
        shutil.copytree(tmp_path / "old", folder)
        checkpoints = store(folder)
        checkpoints.newest()
        calls = iter(range(limit))
        killed = False
        with monkeypatch.context() as patch:
            for owner, name in ((files.os, "fsync"), (Path, "replace"), (Path, "unlink")):
                patch.setattr(owner, name, until_the_end(getattr(owner, name), calls))
            try:
                checkpoints.save(state_of(2))
            except Killed:
                killed = True
        outcomes.append(found(folder)[0])
        if not killed:
            break
    assert outcomes == sorted(outcomes)  # the old one up to some call, then the new one
    assert set(outcomes) == {1, 2} and not killed and len(outcomes) > 8


def test_a_full_disk_is_told_and_training_goes_on(two: Path, monkeypatch, caplog) -> None:
    checkpoints = store(two)
    checkpoints.newest()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        checkpoints.save(state_of(3))
    assert "No space left on device" in caplog.text
    assert not list((two / "checkpoints").glob("*.tmp"))
    assert found(two) == (2, 40)
    checkpoints.save(state_of(3))
    assert found(two) == (3, 40)


# When --------------------------------------------------------------------------------------------------------------


def test_when_a_checkpoint_is_due(tmp_path: Path, monkeypatch) -> None:
    now, asked = 0.0, False
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now)
    checkpoints = store(tmp_path, interval=600, asked=lambda: asked)
    now = 599.0
    assert not checkpoints.due()
    assert checkpoints.due(epoch_ended=True)
    now = 600.0
    assert checkpoints.due()
    checkpoints.saved, checkpoints.cost = 600.0, 2.0
    now = 799.0
    assert not checkpoints.due(epoch_ended=True)  # 2 seconds are more than a hundredth of 199
    now = 800.0
    assert checkpoints.due(epoch_ended=True)
    now, asked = 601.0, True
    assert checkpoints.due()


# Trees of JAX arrays -----------------------------------------------------------------------------------------------


def tree(value: float = 1.5) -> Any:
    return {"a": (jnp.full(2, value), jnp.int32(3)), "b": [jax.random.key(4), jnp.array([True, False])]}


def test_a_tree_is_filled_with_its_leaves(tmp_path: Path) -> None:
    store(tmp_path).save({"tree": leaves(tree())})
    filled = fill(jax.tree.map(jnp.copy, tree(0.0)), store(tmp_path).newest().state["tree"])
    assert jax.tree.structure(filled) == jax.tree.structure(tree())
    for one, two in zip(jax.tree.leaves(filled), jax.tree.leaves(tree()), strict=True):
        assert (one.dtype, one.shape) == (two.dtype, two.shape)
        assert jnp.array_equal(one, two)
    assert not any(leaf.weak_type for leaf in (*filled["a"], filled["b"][1]))  # another type is another program


@pytest.mark.parametrize(
    "wrong, words",
    [
        ({"a/0": np.zeros(3, np.float32)}, r"float32\[3\] as a/0, where this version has float32\[2\]"),
        ({"a/0": np.zeros(2, np.float64)}, r"float64\[2\] as a/0"),
        ({"c": np.zeros(2)}, "as c, where this version has nothing"),
    ],
)
def test_a_tree_of_another_shape_is_refused(wrong: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(UserError, match=words):
        fill(tree(), leaves(tree()) | wrong)
    with pytest.raises(UserError, match="holds nothing as a/0"):
        fill(tree(), {name: array for name, array in leaves(tree()).items() if name != "a/0"})


def test_array_files_are_safetensors(tmp_path: Path) -> None:
    arrays = {"one": np.arange(6).reshape(2, 3)[:, ::2], "": np.float32(3)[None], "none": np.zeros((0, 4), bool)}
    written = files.write(tmp_path / "a.safetensors", files.safetensors(arrays))
    assert files.unchanged(tmp_path / "a.safetensors", written)
    assert plain(load_file(tmp_path / "a.safetensors")) == plain(arrays)


def test_damage_is_told_without_a_logger_of_ones_own(two: Path, caplog) -> None:
    """Python's last resort prints warnings, so a user sees the line."""
    (two / "checkpoints" / "00002.json").write_text("")
    store(two).newest()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
