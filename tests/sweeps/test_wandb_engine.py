"""W&B gives the cells of a grid out: its own `wandb sweep` and `wandb agent`, and our engine, against a stand-in."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from suite import records
from suite.errors import UserError
from sweeps import grid, launch
from sweeps.engines import wandb, workers
from sweeps.engines.cells import OK, Plan
from tests import toy_runs
from tests.wandb_server import Server

PARAMETERS = {
    "task": {"value": "mujoco/InvertedPendulum"},
    "method": {"values": ["dense", "gmp"]},
    "seed": {"values": [0, 1, 2]},
    "agent.critic_width": {"value": 8},
    "agent.actor_width": {"value": 8},
    "learner.target_update_period": {"value": 20},
    "replay.batch_size": {"value": 4},
    "replay.capacity": {"value": 100},
    "trainer.epochs": {"value": 1},
    "trainer.epoch_agent_steps": {"value": 100},
    "trainer.initial_samples": {"value": 50},
    "trainer.evaluation_episodes": {"value": 0},
}


def write(file: Path, folder: Path) -> Plan:
    document = {"program": grid.PROGRAM, "command": grid.command(folder), "name": "tiny", "project": "mine"}
    file.write_text(yaml.safe_dump(document | {"method": "grid", "parameters": PARAMETERS}))
    sweep = grid.Grid("tiny", grid.expand(PARAMETERS))
    return Plan(str(file), folder, launch.works_of(sweep, launch.resolve_all(sweep, str(file)), None), 2)


def test_each_cell_is_run_once_and_what_is_finished_is_sent_from_its_record(server: Server, tmp_path: Path) -> None:
    """Six cells for two agents. Five are finished in the folder; the sixth is trained."""
    plan = write(tmp_path / "tiny.yaml", tmp_path / "runs")
    new, *finished = [work.name for work in plan.works]
    for name in finished:
        toy_runs.whole(plan.folder / name, "disabled", name=name)
    before = {name: (plan.folder / name / records.METRICS).stat().st_mtime_ns for name in finished}
    told = subprocess.run(
        [sys.executable, "-m", "wandb", "sweep", plan.file], capture_output=True, text=True, check=True
    )
    found = re.search(r"wandb agent (\S+)", told.stdout + told.stderr)
    assert found
    assert wandb.engine(plan, sweep=found[1]) == OK
    (sweep,) = server.store.sweeps.values()
    given = [run for run, _ in sweep["given"]]
    assert len(given) == 6 and set(server.runs) == set(given)
    runs = {run["displayName"]: run for run in server.runs.values()}
    assert set(runs) == {new, *finished}
    for name, run in runs.items():
        rows = records.read_rows(plan.folder / name / records.METRICS)
        assert [row["_step"] for row in run["history"]] == list(range(len(rows)))
        assert (run["state"], run["sweep"], run["project"]) == ("finished", found[1].split("/")[-1], "mine")
    assert {name: (plan.folder / name / records.METRICS).stat().st_mtime_ns for name in finished} == before
    assert records.is_finished(plan.folder / new)


def test_a_registered_sweep_leads_to_the_folder(server: Server, tmp_path: Path) -> None:
    plan = write(tmp_path / "tiny.yaml", tmp_path / "elsewhere")
    path = wandb.register(plan._replace(folder=workers.ROOT / "runs" / "mine"))
    (name,) = server.store.sweeps
    assert path == f"local/mine/{name}"
    document = yaml.safe_load(server.store.sweeps[name]["config"])
    assert document["command"] == grid.command("runs/mine")
    assert document["parameters"] == PARAMETERS


def test_bad_input_is_one_line(
    server: Server, no_account: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = write(tmp_path / "tiny.yaml", tmp_path / "runs")
    with pytest.raises(UserError, match="no key for W&B is known here"):
        wandb.engine(plan)
    monkeypatch.setattr(wandb, "check_key", lambda: None)
    with pytest.raises(UserError, match="should be entity/project/id"):
        wandb.engine(plan, sweep="mine")
