"""`make status`: what it makes of records, locks and SLURM's queue."""

import sys
import time

import pytest

from suite.errors import UserError
from suite.record import lock, schema
from sweeps import grid, status
from sweeps.engines import local, slurm
from sweeps.engines.base import Work
from sweeps.engines.cellstate import QUEUED
from sweeps.plan import resolve_all
from tests.support.damage import refused
from tests.support.sweeps import sweep_file

SWEEP = sweep_file({"task": "mujoco/Hopper", "method": "dense", "seed": [0, 1, 2, 3, 4, 5]})


@pytest.fixture
def sweep(tmp_path):
    """The sweep file, and the folders of its runs."""
    file = tmp_path / "tiny.yaml"
    file.write_text(SWEEP)
    runs = resolve_all(grid.read(file), str(file))
    return file, [tmp_path / "runs" / run.name for run in runs]


def progress(folder, agent_step, **more) -> None:
    folder.mkdir(parents=True)
    line = {"agent_step": agent_step, "total_agent_steps": 1000, "rate": 50.0, "return": 12.5, "sparsity": 0.25}
    schema.write_json(folder / schema.PROGRESS, {**line, "time": time.time(), **more})


def test_every_state(sweep, monkeypatch, capsys):
    file, (finished, failed, running, stopped, queued, new) = sweep
    for folder, steps in ((finished, 1000), (failed, 300), (running, 500), (stopped, 250)):
        progress(folder, steps)
    schema.write_json(finished / schema.STATUS, {"status": "finished", "error": None})
    schema.write_json(failed / schema.STATUS, {"status": "failed", "error": "the disk is full"})
    monkeypatch.setattr(slurm, "states", lambda root: {queued.name: QUEUED})
    with lock.hold(running):
        assert status.main([str(file), "--folder", str(finished.parent)]) == 0
    said = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1:] for line in said.splitlines() if line.startswith("mujoco-Hopper")}
    assert rows[finished.name] == ["finished", "100%", "12.5", "0.25"]
    assert rows[running.name][:3] == ["running", "50%", "50"]
    assert rows[running.name][-2:] == ["12.5", "0.25"]
    assert rows[failed.name] == ["failed", "30%", "12.5", "0.25"]
    assert rows[stopped.name] == ["waiting", "25%", "12.5", "0.25"]
    assert rows[queued.name] == ["queued"]
    assert rows[new.name] == ["waiting"]
    assert f"FAILED {failed.name}: the disk is full" in said
    assert "1 finished, 1 running, 1 queued, 2 waiting, 1 failed; 34% done, 50 agent steps a second" in said


def test_a_run_that_failed_before_its_record_began_has_failed(sweep, capsys):
    file, (folder, *_) = sweep
    command = [sys.executable, "-c", "import sys; sys.exit('error: no data set')"]
    local.run([Work(folder.name, [], 100, 1.0)], folder.parent, 1, tries=1, command=command)
    capsys.readouterr()
    assert status.main([str(file), "--folder", str(folder.parent)]) == 0
    said = capsys.readouterr().out
    assert f"FAILED {folder.name}: " in said and "error: no data set" in said and "5 waiting, 1 failed" in said


def test_without_any_run(sweep, capsys):
    file, folders = sweep
    assert status.main([str(file), "--folder", str(folders[0].parent)]) == 0
    assert "6 waiting; 0% done" in capsys.readouterr().out
    assert not folders[0].parent.exists()


def test_a_queue_that_does_not_answer_is_said(sweep, monkeypatch, capsys):
    def queue(root):
        raise UserError("squeue does not tell")

    monkeypatch.setattr(slurm, "states", queue)
    assert status.main([str(sweep[0]), "--folder", "nowhere"]) == 0
    said = capsys.readouterr()
    assert said.err == "note: squeue does not tell\n"
    assert "6 waiting" in said.out


def test_a_folder_that_cannot_be_looked_into_is_one_line(sweep, capsys):
    assert "File name too long" in refused(capsys, status.main([str(sweep[0]), "--folder", "a" * 300]))


@pytest.mark.parametrize(("arguments", "says"), [([], "required: file"), (["none.yaml"], "no such sweep file")])
def test_bad_input_is_one_line_and_code_2(arguments, says, capsys):
    assert says in refused(capsys, status.main(arguments))


def test_runs_that_differ_in_options_are_called_by_them(sweep, capsys):
    file, folders = sweep
    file.write_text(file.read_text() + "  agent.critic_width: {values: [8, 16]}\n")
    assert status.main([str(file), "--folder", str(folders[0].parent)]) == 0
    said = capsys.readouterr().out
    assert said.count("mujoco-Hopper.dense.seed0 critic_width=8 ") == 1
    assert said.count("mujoco-Hopper.dense.seed0 critic_width=16 ") == 1
