"""W&B assigns cells to agents: its own `wandb sweep` and `wandb agent`, and our engine, against a stand-in."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from suite.errors import Busy, UserError
from suite.program import extensions
from suite.record import lock, reader, schema
from sweeps import grid
from sweeps.engines import wandb, workers
from sweeps.engines.base import INTERRUPTED, OK, SOME_FAILED, Plan
from sweeps.engines.cellstate import FINISHED
from sweeps.plan import resolve_all, works_of
from tests.support import toy_runs
from tests.support.chaos_grid import holder, learns
from tests.support.sweeps import TINY_SAC
from tests.support.wandb_server import Server

PARAMETERS = {key: {"value": value} for key, value in TINY_SAC.items()}
PARAMETERS |= {"method": {"values": ["dense", "gmp"]}, "seed": {"values": [0, 1, 2]}}


#: Prints what it was given, and waits until another one does: a single agent cannot have run both.
WAITS_FOR_ANOTHER = """
import os, pathlib, time
given = [os.environ[name] for name in {names}]
print("told", *given)
folder, deadline = pathlib.Path({folder!r}), time.monotonic() + 300
(folder / f"given-{{given[0]}}").touch()
while len(list(folder.glob("given-*"))) < 2 and time.monotonic() < deadline:
    time.sleep(0.1)
"""


def write(file: Path, folder: Path, more: dict | None = None) -> Plan:
    document = {"program": grid.PROGRAM, "command": grid.command(folder), "name": "tiny", "project": "mine"}
    parameters = PARAMETERS | (more or {})
    file.write_text(yaml.safe_dump(document | {"method": "grid", "parameters": parameters}))
    sweep = grid.Sweep("tiny", grid.expand(parameters))
    return Plan(str(file), folder, works_of(sweep, resolve_all(sweep, str(file)), None), 2)


def start(plan: Plan, sweep: str | None = None) -> int:
    """Check the options, start the plan and wait, as a launch does; -> exit code."""
    options = wandb.WandbOptions(sweep=sweep)
    wandb.check(options)
    return wandb.start(plan, options).wait()


def test_each_cell_is_run_once_and_what_is_finished_is_sent_from_its_record(server: Server, tmp_path: Path) -> None:
    """Six cells for two agents. Five are finished in the folder; the sixth is trained."""
    plan = write(tmp_path / "tiny.yaml", tmp_path / "runs")
    new, *finished = [work.name for work in plan.works]
    for name in finished:
        toy_runs.whole(plan.folder / name, "disabled", name=name)
    before = {name: (plan.folder / name / schema.METRICS).stat().st_mtime_ns for name in finished}
    told = subprocess.run(
        [sys.executable, "-m", "wandb", "sweep", plan.file], capture_output=True, text=True, check=True
    )
    found = re.search(r"wandb agent (\S+)", told.stdout + told.stderr)
    assert found
    assert start(plan, sweep=found[1]) == OK
    (sweep,) = server.store.sweeps.values()
    given = [run for run, _ in sweep["given"]]
    assert len(given) == 6 and set(server.runs) == set(given)
    runs = {run["displayName"]: run for run in server.runs.values()}
    assert set(runs) == {new, *finished}
    for name, run in runs.items():
        rows = schema.read_rows(plan.folder / name / schema.METRICS)
        assert [row["_step"] for row in run["history"]] == list(range(len(rows)))
        assert (run["state"], run["sweep"], run["project"]) == ("finished", found[1].split("/")[-1], "mine")
    assert {name: (plan.folder / name / schema.METRICS).stat().st_mtime_ns for name in finished} == before
    assert reader.is_finished(plan.folder / new)


def test_an_interrupted_sweep_goes_on_and_each_run_is_on_w_and_b_once(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = {"method": {"value": "dense"}, "seed": {"values": [0, 1]}, "trainer.epoch_agent_steps": {"value": 20_000}}
    plan = write(tmp_path / "tiny.yaml", tmp_path / "runs", few)._replace(jobs=1)

    threading.Thread(target=interrupt, args=(plan.folder,), daemon=True).start()
    assert start(plan) == INTERRUPTED
    assert "elsewhere" not in capsys.readouterr().out  # its agents' runs are its own
    (run,) = server.runs.values()
    assert run["state"] == "preempted"
    assert start(plan) == OK
    (name,) = server.store.sweeps
    assert f"resuming the sweep local/mine/{name}\n" in capsys.readouterr().out
    assert sorted(run["displayName"] for run in server.runs.values()) == sorted(work.name for work in plan.works)
    assert {run["state"] for run in server.runs.values()} == {FINISHED}


def interrupt(runs: Path) -> None:
    """Interrupt us once a run learns. It stands still until the signal has come to it, so that it cannot end before."""
    while not (pids := [holder(run) for run in runs.glob("*") if learns(run, 1)]) or pids[0] is None:
        time.sleep(0.05)
    os.kill(pids[0], signal.SIGSTOP)
    os.kill(os.getpid(), signal.SIGINT)
    while not pending(pids[0]):
        time.sleep(0.05)
    os.kill(pids[0], signal.SIGCONT)


def pending(pid: int) -> bool:
    """Whether a process that stands still has been sent a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    return any(int(mask, 16) for mask in re.findall(r"^(?:Sig|Shd)Pnd:\s*(\w+)", status, re.M))


def test_a_sweep_is_joined_while_it_has_cells_left_and_the_file_is_the_same(server: Server, tmp_path: Path) -> None:
    plan = write(tmp_path / "tiny.yaml", tmp_path / "runs")
    first = wandb.own(plan)
    assert wandb.own(plan) == first
    write(Path(plan.file), plan.folder, {"seed": {"value": 7}})
    second = wandb.own(plan)
    assert second != first
    server.store.sweeps[second.split("/")[-1]]["waiting"].clear()
    third = wandb.own(plan)
    assert third not in (first, second)
    known = set(server.store.sweeps)
    with server.ill("gone"), pytest.raises(UserError, match=third):
        wandb.own(plan)
    assert set(server.store.sweeps) == known and wandb.own(plan) == third
    del server.store.sweeps[third.split("/")[-1]]  # by hand, on its page
    assert wandb.own(plan) not in (first, second, third)


def test_processes_that_start_together_register_one_sweep(server: Server, tmp_path: Path) -> None:
    plan = write(tmp_path / "tiny.yaml", tmp_path / "runs")
    with lock.hold(plan.folder / wandb.FOLDER), pytest.raises(Busy):
        wandb.own(plan)
    assert not server.store.sweeps
    assert wandb.own(plan) == wandb.own(plan)


def test_agents_share_gpus_and_cores_as_workers_do(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(workers.VISIBLE, "4,7")
    plan = write(tmp_path / "tiny.yaml", tmp_path / "runs", {"method": {"value": "dense"}, "seed": {"values": [0, 1]}})
    names = [workers.VISIBLE, workers.MEMORY]
    told = WAITS_FOR_ANOTHER.format(names=names, folder=str(tmp_path))
    document = yaml.safe_load(Path(plan.file).read_text()) | {"command": ["${env}", "python", "-c", told]}
    assert start(plan, sweep=wandb.register(plan.file, document)) == SOME_FAILED
    logs = "".join(path.read_text() for path in (plan.folder / wandb.FOLDER).glob("agent-*.log"))
    assert set(re.findall(r"^told .*", logs, re.M)) == {"told 4 0.900", "told 7 0.900"}


@pytest.mark.parametrize(("variables", "path"), [(("", ""), "local/mine"), (("team", "other"), "team/mine")])
def test_a_registered_sweep_leads_to_the_folder(
    variables: tuple[str, str], path: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_ENTITY", variables[0])  # both of which the client itself sets
    monkeypatch.setenv("WANDB_PROJECT", variables[1])
    plan = write(tmp_path / "tiny.yaml", tmp_path / "elsewhere")
    document = wandb._document(plan._replace(folder=workers.ROOT / "runs" / "mine"))
    registered = wandb.register(plan.file, document)
    (name,) = server.store.sweeps
    assert registered == f"{path}/{name}"
    document = yaml.safe_load(server.store.sweeps[name]["config"])
    assert document["command"] == grid.command("runs/mine")
    assert document["parameters"] == PARAMETERS


@pytest.mark.parametrize(("modules", "says"), [("", ": /"), ("mine,yours", ": EAUDEQN_IMPORT=mine,yours /")])
def test_another_machine_joins_with_the_same_modules(
    modules: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(extensions.VARIABLE, modules)
    wandb.start(Plan("tiny.yaml", tmp_path, [], 1), wandb.WandbOptions(sweep="team/mine/one"))
    said = capsys.readouterr().out
    assert f"to join from another machine{says}" in said and said.endswith("wandb agent team/mine/one\n")


def test_a_file_without_a_project_is_registered_in_wandbs_own(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "other")
    plan = write(tmp_path / "tiny.yaml", tmp_path / "runs")
    document = {key: value for key, value in wandb._document(plan).items() if key != "project"}
    assert wandb.register(plan.file, document).startswith("local/other/")


def test_bad_input_is_one_line(
    server: Server, no_account: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = write(tmp_path / "tiny.yaml", tmp_path / "runs")
    with pytest.raises(UserError, match="no key for W&B is known here"):
        start(plan)
    monkeypatch.setattr(wandb, "check_key", lambda: None)
    with pytest.raises(UserError, match="should be entity/project/id"):
        start(plan, sweep="mine")
