"""Checkpoints that are damaged, swapped or forged: the one before is used, or none."""

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from suite.tracking import checkpoint
from tests.support.checkpoints import forge, found, state_of, store


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
    assert caplog.text.count("describes another checkpoint") == 2


def test_other_files_among_the_checkpoints_stay(two: Path) -> None:
    """Somebody else's record may have a link to a folder of ours in the place of its checkpoints."""
    others = [two / "checkpoints" / name for name in ("thesis.tex", "model.safetensors", "config.json", ".tmp")]
    for path in others:
        path.touch()
    store(two).clear()
    assert sorted((two / "checkpoints").iterdir()) == sorted(others)


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


def test_damage_is_told_without_a_logger_of_ones_own(two: Path, caplog) -> None:
    """Python's last resort prints warnings, so a user sees the line."""
    (two / "checkpoints" / "00002.json").write_text("")
    store(two).newest()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
