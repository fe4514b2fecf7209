"""Records -> runs: what is read, and the one line that each damage gives."""

import re

import pandas as pd
import pytest

from analysis.data import sources
from analysis.data.sources import runfolder
from suite.errors import UserError
from tests.support.damage import edit


def test_a_finished_run_is_read(run):
    read = runfolder.read(run(task="atari/Boxing", method="gmp", seed=4, sparsity=0.9))
    assert (read.task, read.method, read.seed, read.status) == ("atari/Boxing", "gmp", 4, "finished")
    assert read.options["agent.width"] == 512
    assert read.final("return") == 0.0
    assert read.final("sparsity") == 0.9
    assert read.history["epoch"].tolist() == [1, 2, 3]


def test_the_folder_of_one_run_is_that_run(run):
    folder = run(seed=4)
    run(seed=5)
    found, notes = sources.load([str(folder)])
    assert ([one.name for one in found], notes) == ([folder.name], [])


def test_failed_and_unfinished_runs_say_why(run):
    assert runfolder.read(run(status="failed")).reason.startswith("all losses are NaN")
    read = runfolder.read(run(seed=1, status=None, returns=(1.0, 2.0)))
    assert (read.status, read.reason) == ("unfinished", "last epoch at agent step 2,001 of 3,000")


def test_a_killed_run_may_end_in_half_a_line(run):
    folder = run(status=None, returns=(1.0,))
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "epoch", "epo')
    assert len(runfolder.read(folder).history) == 1
    (folder / "metrics.jsonl").unlink()  # killed before its first row
    assert runfolder.read(folder).history.empty


def test_a_run_that_failed_before_its_record_began_is_noted(run):
    place = run().parent
    (place / "early").mkdir()
    (place / "early" / "status.json").write_text('{"status": "failed", "error": "exit code 2"}')
    runs, notes = runfolder.load(place)
    assert len(runs) == 1 and len(notes) == 1 and "early" in notes[0]


def test_two_processes_read_what_one_does(run, monkeypatch):
    monkeypatch.setattr(runfolder, "MANY", 2)
    folder = run(seed=0)
    for seed in (1, 2):
        run(seed=seed, status=None, returns=(1.0, 2.0))
    alone, _ = runfolder.load(folder.parent)
    together, _ = runfolder.load(folder.parent, processes=2)
    assert [run.name for run in together] == [run.name for run in alone]
    for one, other in zip(alone, together, strict=True):
        assert (one.status, one.reason, one.protocol) == (other.status, other.reason, other.protocol)
        pd.testing.assert_frame_equal(one.history, other.history)
    DAMAGES["damaged"](folder)
    with pytest.raises(UserError, match="the file is damaged"):
        runfolder.load(folder.parent, processes=2)


def rewrite(folder, changed):
    path = folder / "metrics.jsonl"
    path.write_text(changed(path.read_text()))


DAMAGES = {
    "damaged": lambda folder: edit(folder, "metrics.jsonl", '"epoch": 2', '"epoch": ?'),
    "last line is cut": lambda folder: rewrite(folder, lambda text: text[:-10]),
    "epochs should be numbered": lambda folder: rewrite(folder, lambda text: 2 * text),
    "2 of 3 epochs": lambda folder: rewrite(folder, lambda text: re.sub(r"(.*\n){2}\Z", "", text)),
    "one evaluation an epoch is expected, found those of [1, 1]": lambda folder: rewrite(
        folder, lambda text: re.sub(r'(.*"evaluation".*\n)', r"\1\1", text)
    ),
    "not valid JSON": lambda folder: (folder / "config.json").write_text('{"schema": 1,'),
    "status: should be 'finished' or": lambda folder: edit(folder, "status.json", '"finished"', '"done"'),
    "without its config.json": lambda folder: (folder / "config.json").unlink(),
}


@pytest.mark.parametrize("message", DAMAGES)
def test_damage_gives_one_clear_line(run, message):
    folder = run(evaluations=(7.5,))
    DAMAGES[message](folder)
    with pytest.raises(UserError, match=f"{folder.name}.*{re.escape(message)}"):
        runfolder.load(folder.parent)


def test_a_folder_without_runs(tmp_path):
    with pytest.raises(UserError, match="holds no run"):
        runfolder.load(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        runfolder.load(tmp_path / "nowhere")


def test_other_folders_are_named_and_the_report_is_not(run):
    root = run().parent
    (root / "odd").mkdir()
    (root / "report").mkdir()
    found, notes = runfolder.load(root, root / "report")
    assert len(found) == 1
    assert len(notes) == 1 and "odd" in notes[0]
