"""Checkpoints: what is read back is what was written, when they are due, and a process or a disk that gives up."""

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

from suite.errors import UserError
from suite.record import files
from suite.tracking import checkpoint
from suite.tracking.checkpoint import Segment, State, fill, leaves
from tests.support.checkpoints import VERSIONS, found, plain, state_of, store


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
    (two / "checkpoints" / "00009.safetensors.tmp").touch()
    for number in (3, 4):
        checkpoints.save(state_of(number))
    names = {path.name for path in (two / "checkpoints").iterdir()}
    assert names == {
        *(f"{number:05}.{kind}" for number in (3, 4) for kind in ("json", "safetensors")),
        *(f"part-{number}.safetensors" for number in (0, 3, 4)),
    }
    checkpoints.clear()
    assert not (two / "checkpoints").exists()


def test_the_newest_is_the_one_of_the_highest_number(two: Path) -> None:
    """Also where the numbers become longer than their names are padded."""
    checkpoints = store(two)
    checkpoints.newest()
    checkpoints.number = 99_998
    for number in (3, 4):
        checkpoints.save(state_of(number))
    assert (two / "checkpoints" / "100000.json").exists()
    assert found(two)[0] == 4


def test_a_segment_is_written_once(two: Path) -> None:
    """Also by a process that has only read of it."""
    checkpoints = store(two)
    checkpoints.newest()
    before = (two / "checkpoints" / "part-0.safetensors").stat()
    again = {"agent_step": 3, "part": Segment("part-0", lambda: pytest.fail("asked for"))}
    checkpoints.save(again)
    checkpoints.save(again)
    assert (two / "checkpoints" / "part-0.safetensors").stat() == before


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

    written = []

    def full_after_one(file: int) -> None:
        written.append(file)
        if len(written) > 1:
            raise OSError(28, "No space left on device")

    before = set((two / "checkpoints").iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full_after_one)
        checkpoints.save(state_of(3))
    assert len(written) > 1 and "No space left on device" in caplog.text
    assert set((two / "checkpoints").iterdir()) <= before  # what is left of the disk is the record's
    assert found(two) == (2, 40)
    checkpoints.save(state_of(3))
    assert found(two) == (3, 40)


# When --------------------------------------------------------------------------------------------------------------


def test_when_a_checkpoint_is_due(tmp_path: Path, monkeypatch) -> None:
    now, asked = 0.0, False
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now)
    checkpoints = store(tmp_path, interval=600, asked=lambda: asked)
    now = 599.0
    assert not checkpoints.should_save()
    assert checkpoints.should_save(epoch_ended=True)
    now = 600.0
    assert checkpoints.should_save()
    checkpoints.saved, checkpoints.cost = 600.0, 2.0
    now = 799.0
    assert not checkpoints.should_save(epoch_ended=True)  # 2 seconds are more than a hundredth of 199
    now = 800.0
    assert checkpoints.should_save(epoch_ended=True)
    now, asked = 601.0, True
    assert checkpoints.should_save()


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
