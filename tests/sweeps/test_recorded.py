"""Runs of records: resumed with the options that they were started with, also those of version 0.1."""

import json
import shutil
from pathlib import Path
from typing import Any

import jax
import pytest

from suite.record import reader, schema
from sweeps import recorded
from sweeps import run as entry
from tests.support.damage import refused

OLD = Path(__file__).resolve().parents[1] / "data/version-0.1"


def rows(path: Path) -> list[dict]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in schema.read_rows(path)]


def close(ours: Any, theirs: Any) -> bool:
    """Whether two values of rows are the same but for the rounding of another processor or compiler."""
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(close(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(close, ours, theirs))
    return ours == (pytest.approx(theirs, rel=1e-3, abs=1e-6) if isinstance(theirs, float) else theirs)


@pytest.mark.parametrize("method, has_a_schedule", [("gmp", True), ("eaudeqn", False)])
def test_a_run_of_version_0_1_ends_as_it_would_have(method: str, has_a_schedule: bool, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(OLD / method, folder)
    begun = schema.read_json(folder / schema.CONFIG)
    assert entry.main([f"--resume={folder}", "--wandb=disabled"]) == 0
    found, expected = rows(folder / schema.METRICS), rows(OLD / "finished" / method / schema.METRICS)
    for ours, theirs in zip(found, expected, strict=True):
        if begun["versions"]["jax"] == jax.__version__:
            assert close(ours, theirs), (ours, theirs)
        elif has_a_schedule and ours["kind"] == "epoch":
            assert ours["layer_sparsity"] == theirs["layer_sparsity"]
    config = schema.read_json(folder / schema.CONFIG)
    assert config["name"] == begun["name"]
    assert config["options"]["pruning"]["distribution"] == "uniform"
    assert reader.is_finished(folder)
    assert entry.main([f"--resume={folder}", "--wandb=disabled"]) == 0  # nothing is left to do


SET = {"sparsity": 0.95, "drop_fraction": 0.3, "decay": "constant", "delay": 0.0, "end": 1.0, "period": None}


def a_record(folder: Path, **changes) -> Path:
    config = schema.read_json(OLD / "gmp/config.json") | changes
    folder.mkdir(parents=True)
    (folder / schema.CONFIG).write_text(json.dumps(config))
    return folder


def test_what_version_0_1_derived_is_stated(tmp_path: Path) -> None:
    """400 gradient steps, 20 to an election: 12.5 / 20 is the largest step, and masks are updated every 4."""
    options = recorded.read(OLD / "eaudeqn").options
    assert options.method.cap == "clip"
    assert options.method.max_speed == pytest.approx(12.5 / 20)
    assert recorded.read(OLD / "gmp").options.method.period == 4
    groups = schema.read_json(OLD / "gmp/config.json")["options"]
    sparse = recorded.read(a_record(tmp_path / "set", method="set", options={**groups, "method": SET})).options
    assert sparse.pruning.distribution == "erk"
    assert (sparse.method.decay, sparse.method.end, sparse.method.period) == ("constant", 1.0, 4)


def test_half_of_the_squared_error_keeps_its_meaning(tmp_path: Path) -> None:
    options = {"agent": {"loss": "squared"}, "pruning": {"distribution": "erk"}, "method": {}}
    folder = a_record(tmp_path / "dqn", task="atari/Pong", method="dense", options=options)
    assert recorded.read(folder).options.agent.loss == "half_mse"


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"options": None}, "options"),
        ({"options": {"agent": 3}}, "options"),
        ({"options": {"pruning": {"distribution": None}}}, "epochs"),
        ({"method": "gmpp"}, "gmpp"),
        ({"task": 7}, "7"),
        ({"seed": -1}, "seed"),
    ],
)
def test_a_damaged_record_is_one_line(changes: dict, words: str, tmp_path: Path, capsys) -> None:
    folder = a_record(tmp_path / "run", **changes)
    assert words in refused(capsys, entry.main([f"--resume={folder}", "--wandb=disabled"]))


@pytest.mark.parametrize("flags", [["--seed=0"], ["--task=atari/Pong", "--method=dense"], ["--trainer.epochs=3"]])
def test_resume_takes_no_options_of_a_run(flags: list[str], capsys) -> None:
    assert "leave out --" in refused(capsys, entry.main([f"--resume={OLD / 'gmp'}", *flags]))


def test_no_record_is_one_line(tmp_path: Path, capsys) -> None:
    assert schema.CONFIG in refused(capsys, entry.main([f"--resume={tmp_path}"]))
