"""Records -> runs: what is read, and the one line that each damage gives."""

import json

import pytest

from analysis import runs
from analysis.scores import normalised, source
from suite.errors import UserError


def change(path, **values):
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **values}))


def test_a_finished_run_is_read(run):
    read = runs.read(run(task="atari/Boxing", method="gmp", seed=4, sparsity=0.9))
    assert (read.task, read.method, read.seed, read.status) == ("atari/Boxing", "gmp", 4, "finished")
    assert read.options["agent.width"] == 512
    assert read.final("return") == 0.0
    assert read.final("sparsity") == 0.9
    assert [epoch["epoch"] for epoch in read.epochs] == [1, 2, 3]


def test_failed_and_unfinished_runs_say_why(run):
    assert runs.read(run(status="failed")).reason.startswith("all losses are NaN")
    read = runs.read(run(seed=1, status=None, returns=(1.0, 2.0)))
    assert (read.status, read.reason) == ("unfinished", "last epoch at agent step 2,001 of 3,000")


def test_a_killed_run_may_end_in_half_a_line(run):
    folder = run(status=None, returns=(1.0,))
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "epoch", "epo')
    assert len(runs.read(folder).epochs) == 1
    (folder / "metrics.jsonl").unlink()  # killed before its first row
    assert runs.read(folder).epochs == ()


def damage_line(folder):
    path = folder / "metrics.jsonl"
    path.write_text(path.read_text().replace('"epoch": 2', '"epoch": ?'))


def cut_last_line(folder):
    path = folder / "metrics.jsonl"
    path.write_text(path.read_text()[:-10])


def repeat_epoch(folder):
    path = folder / "metrics.jsonl"
    path.write_text(path.read_text() + path.read_text())


def drop_epoch(folder):
    path = folder / "metrics.jsonl"
    path.write_text("\n".join(path.read_text().splitlines()[:-2]) + "\n")


def text_return(folder):
    path = folder / "metrics.jsonl"
    path.write_text(path.read_text().replace('"return": -10.0', '"return": "high"'))


DAMAGES = {
    "damaged": damage_line,
    "last line is cut": cut_last_line,
    "epochs should be numbered": repeat_epoch,
    "2 of 3 epochs": drop_epoch,
    "no valid 'return'": text_return,
    "schema version 2": lambda folder: change(folder / "config.json", schema=2),
    "'seed' should be of type int": lambda folder: change(folder / "config.json", seed="zero"),
    "not valid JSON": lambda folder: (folder / "config.json").write_text('{"schema": 1,'),
    "should be finished or failed": lambda folder: change(folder / "status.json", status="done"),
    "without its config.json": lambda folder: (folder / "config.json").unlink(),
}


@pytest.mark.parametrize("message", DAMAGES)
def test_damage_gives_one_clear_line(run, message):
    folder = run()
    DAMAGES[message](folder)
    with pytest.raises(UserError) as caught:
        runs.load(folder.parent)
    assert message in str(caught.value)
    assert folder.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_runs(tmp_path):
    with pytest.raises(UserError, match="holds no run"):
        runs.load(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        runs.load(tmp_path / "nowhere")


def test_other_folders_are_named_and_the_report_is_not(run):
    root = run().parent
    (root / "odd").mkdir()
    (root / "report").mkdir()
    found, notes = runs.load(root, root / "report")
    assert len(found) == 1
    assert len(notes) == 1 and "odd" in notes[0]


def test_tidy_frame(run):
    pairs = [("dense, width=512", runs.read(run(seed=1, returns=(1.0, None, 3.0))))]
    frame = runs.tidy(pairs)
    assert list(frame.columns) == list(runs.COLUMNS)
    assert frame["return"].isna().tolist() == [False, True, False]
    assert frame["agent_step"].tolist() == [1001, 2001, 3001]
    assert set(frame["row"]) == {"dense, width=512"} and set(frame["method"]) == {"dense"}
    assert runs.tidy([]).empty


def test_scores():
    assert normalised("atari/Pong", -20.7) == 0.0
    assert normalised("atari/Pong", 14.6) == pytest.approx(1.0)
    assert normalised("atari/VideoPinball", 16256.9) == 0.0
    assert normalised("atari/Pong", None) is None
    assert "16256.9" in source()
    with pytest.raises(UserError, match="'atari/Pang'"):
        normalised("atari/Pang", 1.0)
