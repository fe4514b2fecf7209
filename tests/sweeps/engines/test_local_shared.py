"""Runs of the local engine that die, and engines that share a folder."""

import pytest

from sweeps.engines import local
from sweeps.engines.cellstate import ELSEWHERE
from tests.support.chaos_grid import holder
from tests.support.local import LONG, start_launcher, starts, until


def test_a_run_that_dies_is_tried_again_after_longer_and_longer_pauses(launch, tmp_path, monkeypatch):
    monkeypatch.setattr(local, "PAUSE", 0.4)
    code, said = launch(2, "kill-times:2", "ok", tries=3)
    assert code == 0
    times = [float(line) for line in (tmp_path / "runs" / "run0" / "times").read_text().split()]
    assert len(times) == 3
    assert times[1] - times[0] >= 0.4 and times[2] - times[1] >= 0.8
    assert said.count("interrupted run0: killed by SIGKILL") == 2


def test_a_run_that_dies_again_and_again_is_reported_with_the_end_of_its_log(launch, tmp_path):
    code, said = launch(1, "crash:3", "ok", tries=3)
    assert code == 1
    assert len(starts(tmp_path, "run0")) == 3
    assert "FAILED run0: exit code 3, after 3 tries" in said and "vacuum" in said
    assert len(starts(tmp_path, "run1")) == 1  # it did not wait for its turn behind run0


@pytest.mark.parametrize("do", ["crash:2", "diverge"])
def test_what_would_end_so_again_is_not_tried_again(launch, tmp_path, do):
    code, said = launch(1, do, tries=3)
    assert code == 1 and "tries" not in said
    assert len(starts(tmp_path, "run0")) == 1


@pytest.fixture
def on_elsewhere(monkeypatch):
    """on_elsewhere(do): what is done as soon as our engine has seen that another one has a run."""
    look = local.refresh

    def on_elsewhere(do) -> None:
        def watched(cell, display, *held) -> None:
            look(cell, display, *held)
            if cell.state == ELSEWHERE:
                do()

        monkeypatch.setattr(local, "refresh", watched)

    monkeypatch.setattr(local, "LOOK", 0.1)
    return on_elsewhere


def test_two_engines_share_a_folder(launch, script, tmp_path):
    """The second takes what the first does not work on, and waits for the rest: each cell is run once."""
    held = "locked:run2/status.json"
    launcher = start_launcher(script, tmp_path, 1, held, "ok", "ok")
    until(lambda: holder(tmp_path / "runs" / "run0"))  # its lock names it
    code, said = launch(1, held, "ok", "ok")
    launcher.communicate(timeout=LONG)
    assert (code, launcher.returncode) == (0, 0)
    assert "finished run0" in said
    assert [len(starts(tmp_path, f"run{i}")) for i in range(3)] == [1, 1, 1]


def test_a_run_that_fails_elsewhere_has_failed(launch, script, tmp_path, on_elsewhere):
    launcher = start_launcher(script, tmp_path, 1, "locked-diverge:seen")
    until(lambda: holder(tmp_path / "runs" / "run0"))  # its lock names it
    on_elsewhere((tmp_path / "runs" / "seen").touch)
    code, said = launch(1, "locked-diverge:seen")
    launcher.communicate(timeout=LONG)
    assert (code, launcher.returncode) == (1, 1)
    assert "FAILED run0: no finite loss" in said
    assert len(starts(tmp_path, "run0")) == 1


def test_a_run_whose_process_dies_elsewhere_is_taken_over(launch, script, tmp_path, on_elsewhere):
    launcher = start_launcher(script, tmp_path, 1, "locked:never")
    until(lambda: holder(tmp_path / "runs" / "run0"))  # its lock names it
    on_elsewhere(launcher.kill)  # and its worker with it
    code, _ = launch(1, "ok")
    launcher.communicate(timeout=LONG)
    assert code == 0
    assert len(starts(tmp_path, "run0")) == 2
