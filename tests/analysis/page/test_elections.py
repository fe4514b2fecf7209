"""The section on elections."""

from analysis.data import cells
from analysis.data.sources import runfolder
from analysis.page.elections import elections
from analysis.page.page import Picture
from suite.tasks import TASKS
from tests.support.synthetic import write_run


def test_runs_of_one_name_have_a_figure_each(tmp_path):
    """As in folders pong/0 and boxing/0."""
    runs = []
    for task in ("atari/Pong", "atari/Boxing"):
        write_run(tmp_path, TASKS[task], "eaudeqn", 0, 4, 30)
        folder = tmp_path / task / "0"
        folder.parent.mkdir(parents=True)
        (tmp_path / f"{task.replace('/', '-')}.eaudeqn.seed0").rename(folder)
        runs.append(runfolder.read(folder))
    grid = cells.seen(runs)
    found = elections(grid, {cell: run.folder for cell, run in grid.present()}, [])
    pictures = [part for part in found.parts if isinstance(part, Picture)]
    assert [picture.name for picture in pictures] == ["elections-0", "elections-0-2"]
    assert [picture.caption.split(",")[1].strip() for picture in pictures] == ["atari/Boxing", "atari/Pong"]
