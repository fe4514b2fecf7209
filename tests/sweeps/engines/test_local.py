"""The local engine: what is run, reported and run again, by a small script in the place of a training run."""

import pytest

from suite.errors import UserError
from suite.record import lock, reader
from sweeps.engines import local
from sweeps.engines.base import Work
from sweeps.engines.cellstate import FAILED, CellState
from tests.support.local import starts


def test_all_finish(launch, tmp_path):
    code, said = launch(2, "ok", "ok", "ok")
    assert code == 0
    assert (tmp_path / "runs" / "run2" / "log.txt").read_text() == "done\n"
    assert "finished run1: return 1.25, sparsity 0.5" in said
    assert "3 finished; 100% done" in said.splitlines()[-1]


def test_finished_cells_are_skipped_and_failed_ones_run_again(launch, tmp_path):
    assert launch(1, "ok", "crash-once")[0] == 1
    assert launch(1, "ok", "crash-once")[0] == 0
    assert launch(1, "ok", "crash-once")[0] == 0
    assert len(starts(tmp_path, "run0")) == 1
    assert len(starts(tmp_path, "run1")) == 2


@pytest.mark.parametrize(
    ("do", "says"),
    [
        ("crash:3", ["FAILED run0: exit code 3", "about to divide", "ZeroDivisionError: a vacuum cleaner"]),
        ("kill", ["FAILED run0: killed by SIGKILL"]),
        ("no-status", ["FAILED run0: exit code 0, but its record is not that of a finished run"]),
    ],
)
def test_a_crash_is_reported_and_the_others_go_on(launch, tmp_path, do, says):
    code, said = launch(1, do, "ok")
    assert code == 1
    assert all(line in said for line in says), said
    failed, finished = (reader.status(tmp_path / "runs" / name) for name in ("run0", "run1"))
    assert failed and failed.status == "failed" and failed.error and failed.error in said.replace("\n    ", "\n")
    assert finished and finished.status == "finished"


def test_a_failure_is_not_noted_in_the_record_of_another_process(tmp_path):
    cell = CellState(Work("run0", [], 100, 1.0), tmp_path / "run0", report="exit code 2")
    with lock.hold(cell.folder):
        local._note_failure(cell)
        assert cell.ending() is None
    local._note_failure(cell)
    assert cell.ending() == FAILED


def test_a_log_is_kept_but_only_the_last_attempt_is_quoted(launch, tmp_path, script):
    launch(1, "crash:3")
    script.write_text("import sys; sys.exit('another reason')")
    _, said = launch(1, "crash:3")
    assert "another reason" in said
    assert "vacuum" not in said
    assert "vacuum" in (tmp_path / "runs" / "run0" / "log.txt").read_text()


def test_as_many_at_a_time_as_jobs(launch):
    assert launch(2, "meet:run1", "meet:run0")[0] == 0


def test_never_more_at_a_time_than_jobs(launch, tmp_path):
    assert launch(1, "sleep:0.1", "sleep:0.1")[0] == 0
    first, second = (tmp_path / "runs" / name for name in ("run0", "run1"))
    assert (first / "status.json").stat().st_mtime <= (second / "starts").stat().st_mtime


def test_a_place_that_cannot_be_written(launch, tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(UserError, match="cannot be written"):
        launch(1, "ok")
