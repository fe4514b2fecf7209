"""Sweep files: expansion by hand, bad files, and W&B's own schema."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from suite.errors import UserError
from sweeps import grid
from tests.support import sweeps

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "sweeps").glob("*/*.yaml"))
HEAD = sweeps.HEAD.removesuffix("parameters:\n")


def write(folder: Path, text: str) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(text)
    return path


def test_product_with_the_last_parameter_fastest_and_seed_slowest():
    parameters = {
        "task": {"values": ["a", "b"]},
        "seed": {"values": [0, 1]},
        "method": {"values": ["dense", "gmp"]},
        "trainer.epochs": {"value": 5},
    }
    cells = [(cell["seed"], cell["task"], cell["method"]) for cell in grid.expand(parameters)]
    assert cells == [
        (0, "a", "dense"),
        (0, "a", "gmp"),
        (0, "b", "dense"),
        (0, "b", "gmp"),
        (1, "a", "dense"),
        (1, "a", "gmp"),
        (1, "b", "dense"),
        (1, "b", "gmp"),
    ]
    assert all(cell["trainer.epochs"] == 5 for cell in grid.expand(parameters))


def test_values_keep_their_types(tmp_path):
    path = write(tmp_path, HEAD + "parameters: {a: {value: 1.5}, b: {values: [yes, x, 3]}}")
    read = grid.read(path)
    assert read.name == "tiny"
    assert read.cells == [{"a": 1.5, "b": True}, {"a": 1.5, "b": "x"}, {"a": 1.5, "b": 3}]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD + "parameters: {}", "at least one parameter"),
        (HEAD, "parameters is missing"),
        (HEAD + "parameters: [seed]", "at least one parameter"),
        (HEAD + "parameters: {seed: 0}", "{value: ...}"),
        (HEAD + "parameters: {seed: {values: 0}}", "must be a list"),
        (HEAD + "parameters: {seed: {values: []}}", "at least one value"),
        (HEAD + "parameters: {seed: {min: 0, max: 3}}", "either value or values, found min, max"),
        (HEAD + "parameters: {seed: {value: 0, values: [1]}}", "either value or values"),
        (HEAD + "parameters: {seed: {}}", "found nothing"),
        (HEAD + "parameters: {seed: {values: [0, 1, 0]}}", "duplicate"),
        (HEAD + "parameters: {seed: {values: [1, '1']}}", "duplicate"),
        (HEAD + "parameters: {3: {value: 0}}", "name"),
        (HEAD + "method: grid\nparameters: {seed: {value: 0}}", "duplicate key 'method'"),
        (HEAD + "run_cap: 3\nparameters: {seed: {value: 0}}", "unknown key 'run_cap'"),
        (HEAD.replace("tiny", "../x") + "parameters: {seed: {value: 0}}", "plain word"),
        (HEAD.replace("grid", "bayes") + "parameters: {seed: {value: 0}}", "method must be grid"),
        (HEAD.replace("sweeps/run.py", "train.py") + "parameters: {seed: {value: 0}}", "program must be"),
        (HEAD.replace('"-m", ', "") + "parameters: {seed: {value: 0}}", "command must be"),
        (HEAD.replace('"--folder=runs/tiny", ', "") + "parameters: {seed: {value: 0}}", "--folder=runs/tiny"),
        (HEAD.replace("runs/tiny", "runs/other") + "parameters: {seed: {value: 0}}", "--folder=runs/tiny"),
        ("just words", "must hold keys"),
        ("", "must hold keys"),
        ("\x00", "not a YAML file"),
    ],
)
def test_bad_files_get_one_line(tmp_path, text, says):
    path = write(tmp_path, text)
    with pytest.raises(UserError, match=f"^{path}: .*{re.escape(says)}"):
        grid.read(path)


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match="no such sweep file"):
        grid.read(tmp_path / "none.yaml")


def test_flags_are_those_of_a_wandb_agent():
    cell = {"task": "atari/Pong", "seed": 0, "agent.learning_rate": 6.25e-05, "environment.full": True}
    from_the_server = {"args": {name: {"value": value} for name, value in cell.items()}}
    assert grid.flags(cell) == create_sweep_command_args(from_the_server)["args"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_wandb_agents_runs_lie_where_ours_do(path):
    assert yaml.safe_load(path.read_text())["command"] == grid.command(f"runs/{grid.read(path).name}")


def wandb_schema() -> jsonschema.Draft7Validator:
    """W&B's own, of its package `sweeps`, whose name is ours."""
    return jsonschema.Draft7Validator(json.loads((ROOT / "tests/data/wandb/sweep-schema.json").read_text()))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_files_fit_wandbs_schema(path):
    wandb_schema().validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("change", [{"method": "all"}, {"parameters": {"seed": 0}}, {"colour": "red"}])
def test_wandbs_schema_refuses_what_is_wrong(change):
    document = yaml.safe_load(SHIPPED[0].read_text())
    with pytest.raises(jsonschema.ValidationError):
        wandb_schema().validate({**document, **change})


def test_shipped_grids_have_the_cells_they_promise():
    sizes = {path.stem: len(grid.read(path).cells) for path in SHIPPED if path.parent.name == "atari"}
    assert sizes["laptop"] == 2 * 3 * 2
    assert sizes["evening"] == 1 * 3 * 2
    assert sizes["paper"] == 10 * 3 * 5 * 3
