"""Much is read as little is: work and memory grow with the rows, and no faster.

The whole, by hand: python tests/support/synthetic.py FOLDER; time python -m analysis.report --runs FOLDER
"""

import tracemalloc
from pathlib import Path

import pytest

from analysis import results
from analysis.data.runs import HISTORY
from analysis.data.sources import runfolder
from analysis.selection import Selection
from analysis.settings import Settings
from analysis.stats import election_log, metrics
from suite.record import schema
from tests.support.synthetic import write_runs

EPOCHS = 200
A_ROW = 8 * len(HISTORY)  # bytes


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_runs(folder, ["atari/Pong", "atari/Boxing"], ["dense", "eaudeqn"], seeds=4, epochs=EPOCHS, elections=50)
    return folder


def test_what_is_kept_of_a_run_is_its_numbers(root: Path) -> None:
    """And while a run is read, no other run's text is there."""
    runfolder.load(root)  # whatever is imported or cached once
    tracemalloc.start()
    try:
        found, _ = runfolder.load(root)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    text = max((folder / "metrics.jsonl").stat().st_size for folder in root.iterdir())
    assert kept / len(found) < 3 * EPOCHS * A_ROW  # as rows of text and lists, 30
    assert peak - kept < 12 * text


def test_every_row_is_parsed_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    original = schema.parse
    monkeypatch.setattr(schema, "parse", lambda text: parsed.append(text) or original(text))
    found, _ = runfolder.load(root)
    rows = len(found) * EPOCHS
    assert rows <= len(parsed) <= rows + 3 * len(found)  # with config, status
    parsed.clear()
    for run in found:
        assert run.folder and election_log.final_layers(run.folder)
    assert len(parsed) == len(found)


def test_the_bootstrap_is_run_once_a_row_and_measure(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not once a task: 60 tasks are as many calls as 2."""
    calls = []
    original = metrics._estimates
    monkeypatch.setattr(metrics, "_estimates", lambda *a: calls.append(a[1]) or original(*a))
    settings = Settings(repetitions=20)
    count = []
    for tasks in (1, 2):
        kept = {"atari-Pong": 1, "atari-Boxing": 2}
        places = root.parent / f"{root.name}-{tasks}"
        places.mkdir()
        for folder in root.iterdir():
            if folder.is_dir() and kept.get(folder.name.partition(".")[0], 9) <= tasks:
                (places / folder.name).symlink_to(folder)
        results.gather(Selection([str(places)]), places / "report", "a command", settings)
        count.append(len(calls))
        calls.clear()
    assert count[0] == count[1] > 0


def test_curves_that_are_drawn_meanwhile_are_the_same(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    for most in (results.MANY_EPOCHS, 1):
        monkeypatch.setattr(results, "MANY_EPOCHS", most)
        out = tmp_path / str(most)
        results.report(Selection([str(root)]), out, "a command", Settings(repetitions=20))
        written.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert written[0] == written[1] and {"curves.png", "curves.pdf"} <= written[0].keys()
