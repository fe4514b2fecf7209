"""What the local engine shows of its cells."""

import json
from pathlib import Path

import pytest
from rich.console import Console

from suite.program.terminal import duration
from sweeps.engines.base import Work
from sweeps.engines.cellstate import FAILED, FINISHED, RUNNING, WAITING, CellState
from sweeps.engines.watch import Display, choose


def test_the_table_on_a_terminal_shows_every_cell(launch):
    code, said = launch(1, "crash:3", "sleep:4", "ok", terminal=True)
    assert code == 1
    shown = ["run0", "run1", "run2", "waiting", "running", "failed", "40%", "50", "1.25", "0.5"]
    for text in (*shown, "1 running, 1 waiting, 1 failed"):
        assert text in said, text


def test_what_is_shown_where_not_all_fit():
    states = [FINISHED, FINISHED, RUNNING, WAITING, WAITING, FAILED]
    cells = [CellState(Work(f"run{i}", [], 1, 1.0), Path(), state) for i, state in enumerate(states)]
    names = [[cell.work.name for cell in choose(cells, room)] for room in (2, 4, 5, 9)]
    assert names[0] == ["run2", "run5"]
    assert names[1] == ["run2", "run3", "run4", "run5"]
    assert names[2] == ["run1", "run2", "run3", "run4", "run5"]
    assert names[3] == [f"run{i}" for i in range(6)]


def report(folder: Path, agent_step: int) -> None:
    clocks = {"agent_step": agent_step, "total_agent_steps": 100, "rate": 5.0, "time": 1000.0}
    (folder / "progress.json").write_text(json.dumps({**clocks, "return": None, "sparsity": None}))


def test_the_time_left_follows_from_what_is_done_here_and_not_before(tmp_path):
    cells = [CellState(Work(name, [], 100, 1.0), tmp_path, RUNNING) for name in ("resumed", "waiting")]
    cells[1].state = WAITING
    display = Display(cells, Console(quiet=True), None)
    display.began -= 100
    report(tmp_path, 60)
    cells[0].refresh()
    assert display.seconds_left() is None
    report(tmp_path, 80)
    cells[0].refresh()
    assert display.seconds_left() == pytest.approx(100 * 1.2 / 0.2, rel=0.1)


def test_progress_of_an_earlier_attempt_does_not_count(tmp_path):
    report(tmp_path, 40)
    cell = CellState(Work("a", [], 100, 1.0), tmp_path, RUNNING, started=2000.0)
    cell.refresh()
    assert cell.fraction == 0
    cell.started = 900.0
    cell.refresh()
    assert cell.fraction == 0.4


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59, "59 s"), (60, "1 min"), (1000, "17 min"), (3 * 3600, "3.0 h"), (40 * 86400, "40 days")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
