"""Runs on W&B: a project behind its public API (a stand-in), and offline files (W&B's own, written and read here)."""

import inspect
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
import wandb as package

from analysis.data.sources import runfolder, wandb
from suite.errors import UserError
from suite.publish.upload import wandb_metrics
from suite.record.schema import read_json, read_rows


def as_wandb_has_it(folder, state="finished", lost=0):
    """The run of a folder on W&B, without its last `lost` rows."""
    rows = [wandb_metrics(row) for row in read_rows(folder / "metrics.jsonl")]
    history = [{"_step": i, "_runtime": 1.5, **row} for i, row in enumerate(rows[: len(rows) - lost])]
    config = read_json(folder / "config.json")
    run = SimpleNamespace(id="abc", name=folder.name, state=state, config=config)
    run.scan_history = lambda: iter(history)
    return run


@pytest.fixture
def project(monkeypatch):
    """Puts runs on W&B, in the project me/mine."""

    def put(*runs):
        def found(path):
            assert path == "me/mine"
            return list(runs)

        monkeypatch.setattr(package, "Api", lambda: SimpleNamespace(runs=found))

    return put


def test_the_api_is_as_the_stand_in_has_it():
    assert "path" in inspect.signature(package.Api.runs).parameters
    public = package.apis.public.Run
    assert all(hasattr(public, name) for name in ("scan_history", "state", "id", "name", "config"))


def test_a_run_is_the_same_from_wandb_and_from_its_record(run, project):
    folder = run(task="mujoco/Ant", sparsity=0.9, actor_sparsity=0.6, evaluations=(7.0, None, 9.0))
    project(as_wandb_has_it(folder))
    (found,), notes = wandb.project("wandb:me/mine")
    own = runfolder.read(folder)
    assert found.history.equals(own.history)
    for name in ("name", "task", "method", "seed", "options", "versions", "status", "protocol", "agent_steps"):
        assert getattr(found, name) == getattr(own, name), name
    assert (found.source, notes) == ("wandb", [])


def test_a_return_of_null_stays_a_gap(run, project):
    project(as_wandb_has_it(run(returns=(1.0, None, 3.0))))
    assert wandb.project("wandb:me/mine")[0][0].history["return"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("state", "lost", "status", "reason"),
    [
        ("finished", 1, "unfinished", "W&B holds 2 of 3 epochs"),
        ("running", 1, "unfinished", "last epoch at agent step 2,000 of 3,000"),
        ("preempted", 1, "unfinished", "last epoch at agent step 2,000 of 3,000"),
        ("crashed", 1, "failed", "W&B calls it crashed"),
        ("failed", 0, "failed", "W&B calls it failed"),
    ],
)
def test_what_is_not_finished_says_why(run, project, state, lost, status, reason):
    project(as_wandb_has_it(run(), state, lost))
    ((found,), _) = wandb.project("wandb:me/mine")
    assert (found.status, found.reason) == (status, reason)


def test_runs_of_other_programs_are_named(run, project):
    other = SimpleNamespace(id="x", name="other", state="finished", config={"lr": 1})
    project(as_wandb_has_it(run()), other)
    found, notes = wandb.project("wandb:me/mine")
    assert len(found) == 1 and notes == ["The run other of wandb:me/mine was left out: this benchmark did not make it."]
    project(other)
    with pytest.raises(UserError, match="holds no run of this benchmark"):
        wandb.project("wandb:me/mine")


def test_another_schema_is_one_line(run, project):
    there = as_wandb_has_it(run())
    there.config["schema"] = 1
    project(there)
    with pytest.raises(UserError, match="wandb:me/mine/abc: schema: version 1, but this program reads version 2"):
        wandb.project("wandb:me/mine")


def test_a_run_that_is_there_twice_is_taken_once(run, project):
    folder = run()
    project(as_wandb_has_it(folder, "running", lost=1), as_wandb_has_it(folder))
    (found,), notes = wandb.project("wandb:me/mine")
    assert found.status == "finished" and len(found.history) == 3
    assert len(notes) == 1 and "more than once" in notes[0]


def test_the_real_api_gives_the_record_back(run, server):
    """Sent by `make sync`, read by W&B's own client: a complete history, gaps and all."""
    folder = run(task="mujoco/Ant", returns=(1.0, None, 3.0), sparsity=0.9, actor_sparsity=0.6)
    config = read_json(folder / "config.json")
    config |= {"name": folder.name, "group": "g"}
    (folder / "config.json").write_text(json.dumps(config))
    subprocess.run([sys.executable, "-m", "suite.publish.sync", str(folder)], check=True, capture_output=True)
    (found,), notes = wandb.project("wandb:local/eaudeqn")
    own = runfolder.read(folder)
    assert found.history.equals(own.history) and notes == []
    for name in ("name", "task", "method", "seed", "options", "versions", "status", "protocol", "agent_steps"):
        assert getattr(found, name) == getattr(own, name), name


def test_trouble_with_wandb_is_one_line(monkeypatch):
    def no_key():
        raise RuntimeError("api_key not configured\n(no-tty)")

    monkeypatch.setattr(package, "Api", no_key)
    with pytest.raises(UserError) as caught:
        wandb.project("wandb:me/mine")
    assert str(caught.value) == "wandb:me/mine: cannot be read from W&B (api_key not configured (no-tty))"
    with pytest.raises(UserError, match="is named wandb:entity/project"):
        wandb.project("wandb:mine")


WRITE = """
import json, sys, wandb
folder, config, rows, code = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3]), int(sys.argv[4])
settings = wandb.Settings(console="off", silent=True, disable_git=True)
run = wandb.init(project="p", dir=folder, mode="offline", config=config, settings=settings)
for row in rows:
    run.log(row)
run.finish(exit_code=code)
"""


def write_offline(folder, config, rows, code=0):
    command = [sys.executable, "-c", WRITE, str(folder), json.dumps(config), json.dumps(rows), str(code)]
    subprocess.run(command, check=True, capture_output=True, timeout=600)


def test_offline_files_hold_the_same_runs(run, tmp_path):
    folder = run(sparsity=0.9, returns=(1.0, None, 3.0), evaluations=(4.0, 5.0, 6.0))
    rows = [wandb_metrics(row) for row in read_rows(folder / "metrics.jsonl")]
    write_offline(tmp_path, read_json(folder / "config.json"), rows)
    write_offline(tmp_path, {"lr": 1}, [{"loss": 1.0}])
    found, notes = wandb.offline(tmp_path / "wandb")
    own = runfolder.read(folder)
    assert len(found) == 1 and found[0].history.equals(own.history)
    assert (found[0].status, found[0].protocol, found[0].name) == ("finished", own.protocol, own.name)
    assert len(notes) == 1 and "holds no run of this benchmark" in notes[0]


def test_a_damaged_offline_file_is_one_line(tmp_path):
    (tmp_path / "run-1.wandb").write_text("this is none")
    with pytest.raises(UserError, match=r"run-1.wandb: W&B cannot read it|holds no run of this benchmark"):
        wandb.offline(tmp_path)


@pytest.mark.parametrize("line", ["", "3", "{}", '{"type": "history", "history": {}}', '{"type": "exit", "exit": 1}'])
def test_an_entry_in_another_layout_is_one_line(line, tmp_path, monkeypatch):
    (tmp_path / "run-1.wandb").write_text("")
    said = SimpleNamespace(returncode=0, stdout=f'{{"type": "header"}}\n{line}\n', stderr="")
    monkeypatch.setattr(wandb.subprocess, "run", lambda *_, **__: said)
    with pytest.raises(UserError, match=r"run-1\.wandb: W&B cannot read it"):
        wandb.offline(tmp_path)


def test_our_own_errors_are_not_blamed_on_wandb(run, project, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    project(as_wandb_has_it(run()))
    monkeypatch.setattr(wandb, "_run", broken)
    with pytest.raises(ZeroDivisionError):
        wandb.project("wandb:me/mine")
