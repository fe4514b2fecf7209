"""Colours on W&B: a method's own, for each group of runs that differ in their seed alone."""

import json
from pathlib import Path

import pytest

from baselines.registry import METHODS
from suite.publish import colours, dashboard
from suite.record import schema
from tests.support import toy_runs
from tests.support.wandb_server import Server


def write(folder: Path, **config: str) -> Path:
    folder.mkdir(parents=True)
    whole = {"schema": schema.SCHEMA, "name": folder.name, "seed": 0, "options": {}, "versions": {}}
    schema.write_json(folder / schema.CONFIG, {**whole, "task": "atari/Pong", **config})
    return folder


def test_groups_have_their_methods_colours(tmp_path: Path) -> None:
    folders = [
        write(tmp_path / "0", method="gmp", group="a"),
        write(tmp_path / "1", method="gmp:final_sparsity=0.9", group="b"),
        write(tmp_path / "2", method="eaudeqn", group="c", task="atari/Boxing"),
        write(tmp_path / "3", method="of another project", group="d"),
        write(tmp_path / "4", method="dense"),
    ]
    assert colours.by_task(folders) == {
        "atari/Boxing": {"c": METHODS["eaudeqn"].colour},
        "atari/Pong": {"a": METHODS["gmp"].colour, "b": METHODS["gmp"].colour},
    }
    assert list(colours.by_task(folders)) == ["atari/Boxing", "atari/Pong"]


def test_a_workspace_has_them(server: Server, tmp_path: Path) -> None:
    toy_runs.begin(tmp_path / "runs" / "0", "disabled", task="atari/Pong")
    config = schema.read_json(tmp_path / "runs" / "0" / schema.CONFIG)
    assert dashboard.main([str(tmp_path / "runs")]) == 0
    (view,) = server.store.views.values()
    shown = json.loads(view["spec"])["section"]["customRunColors"]
    (key,) = (key for key in shown if key.startswith("run-color-group:"))
    assert config["group"].split()[0].replace("/", "%2F") in key
    assert shown[key] == METHODS[config["method"].partition(":")[0]].colour


@pytest.mark.parametrize("method", METHODS)
def test_colours_are_as_wandb_takes_them(method: str) -> None:
    assert len(METHODS[method].colour) == 7 and int(METHODS[method].colour[1:], 16) >= 0
