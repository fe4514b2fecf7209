"""A run of which no engine ever saw that it ran: it failed between two looks."""

import json
from pathlib import Path

import pytest

from suite.record import lock, schema
from sweeps.engines import local
from sweeps.engines.base import Work
from sweeps.engines.cellstate import FAILED, RUNNING, WAITING, CellState, read_states
from sweeps.engines.watch import Display


def fail(folder: Path, error: str | None = "no finite loss") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / schema.STATUS).unlink(missing_ok=True)
    (folder / schema.STATUS).write_text(json.dumps({"status": "failed", "error": error}))


@pytest.fixture
def cell(tmp_path: Path):
    def make() -> CellState:
        (made,) = read_states([Work("run", [], 100, 1.0)], tmp_path)
        return made

    return make


def test_a_run_that_fails_before_it_is_seen_has_failed(cell, tmp_path: Path) -> None:
    one = cell()
    one.read(RUNNING)
    assert one.state == WAITING
    fail(tmp_path / "run")
    one.read(RUNNING)
    assert (one.state, one.report) == (FAILED, "no finite loss")


def test_what_an_earlier_attempt_left_is_run_again(cell, tmp_path: Path) -> None:
    fail(tmp_path / "run")
    one = cell()
    one.read(RUNNING)
    assert one.state == WAITING


def test_one_that_failed_before_and_fails_again_has_failed(cell, tmp_path: Path, monkeypatch) -> None:
    fail(tmp_path / "run", "the first time")
    one = cell()
    with lock.hold(tmp_path / "run"):
        (tmp_path / "run" / schema.STATUS).unlink()
        fail(tmp_path / "run", "the second time")
    from rich.console import Console

    display = Display([one], Console(quiet=True), None)
    local.refresh(one, display, RUNNING)
    assert (one.state, one.report) == (FAILED, "the second time")
