"""The parameters of a sweep file, as the engines and the analysis read them."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from analysis.data.sweepfile import read_sweep, same
from suite.errors import UserError
from suite.options import Options
from suite.record import sweepfile
from sweeps import command_line, grid
from sweeps.engines import wandb
from sweeps.engines.base import Plan
from sweeps.plan import labels, resolve_all, works_of
from tests.support.sweeps import sweep_file

GRID = sweep_file({"task": "mujoco/Hopper", "method": "dense", "seed": 0})
NESTED = {
    "one option": ("agent: {parameters: {critic_width: {value: 32}}}", "agent.critic_width: {value: 32}"),
    "two groups": (
        "agent: {parameters: {critic_width: {values: [8, 16]}, actor_width: {value: 8}}}\n"
        "  trainer: {parameters: {epochs: {value: 1}}}",
        "agent.critic_width: {values: [8, 16]}\n  agent.actor_width: {value: 8}\n  trainer.epochs: {value: 1}",
    ),
    "beside dotted names": (
        "agent.actor_width: {value: 8}\n  agent: {parameters: {critic_width: {values: [8, 16]}}}",
        "agent.actor_width: {value: 8}\n  agent.critic_width: {values: [8, 16]}",
    ),
}


def write(path: Path, parameters: str) -> Path:
    path.write_text(f"{GRID}  {parameters}\n")
    return path


def refusal(path: Path) -> str:
    """The one line of both readers, the same."""
    with pytest.raises(UserError) as ours:
        grid.read(path)
    with pytest.raises(UserError) as theirs:
        read_sweep(path)
    assert str(ours.value) == str(theirs.value)
    assert str(ours.value).startswith(f"{path}: ")
    return str(ours.value)


@pytest.mark.parametrize(("nested", "dotted"), NESTED.values(), ids=NESTED)
def test_nested_parameters_are_the_dotted_ones(tmp_path: Path, nested: str, dotted: str) -> None:
    one, other = write(tmp_path / "nested.yaml", nested), write(tmp_path / "dotted.yaml", dotted)
    assert grid.read(one) == grid.read(other)
    assert read_sweep(one) == read_sweep(other)
    runs = resolve_all(grid.read(one), str(one))
    assert runs == resolve_all(grid.read(other), str(other))
    parameters = yaml.safe_load(other.read_text())["parameters"]
    registered = wandb._document(Plan(str(one), tmp_path / "runs", [], 1))  # W&B's agents know no nested options
    assert sweepfile.choices(registered["parameters"]) == sweepfile.choices(parameters)
    assert all("parameters" not in entry for entry in registered["parameters"].values())


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ("agent: {parameters: {}}", "parameter agent: parameters must list"),
        ("agent: {parameters: {critic_width: 32}}", "parameter agent.critic_width"),
        ("agent: {parameters: {critic_width: {min: 0, max: 3}}}", "either value or values, found min, max"),
        ("agent: {value: 1, parameters: {critic_width: {value: 32}}}", "found value, parameters"),
        ("agent: {parameters: [critic_width]}", "parameter agent: parameters must list"),
        ("agent: {parameters: {3: {value: 1}}}", "name must be a word"),
        ("agent: &a {parameters: {deeper: *a}}", "levels deep"),
        ("agent: {parameters: {w: {value: 1}}}\n  agent.w: {value: 1}", "duplicate parameter agent.w"),
    ],
)
def test_bad_nested_parameters_get_one_line(tmp_path: Path, parameters: str, says: str) -> None:
    assert says in refusal(write(tmp_path / "bad.yaml", parameters))


def test_a_short_file_of_many_parameters_gets_one_line(tmp_path: Path) -> None:
    text = "a: &a {value: 1}"
    for last, name in itertools.pairwise("abcdef"):
        keys = ", ".join(f"p{i}: *{last}" for i in range(10))
        text += f"\n  {name}: &{name} {{parameters: {{{keys}}}}}"
    assert "at most 1,000 parameters" in refusal(write(tmp_path / "bad.yaml", text))


@pytest.mark.parametrize(
    "value",
    [
        {"critic_width": 8},
        {"critic_width": 8, "actor_width": 16},
        {"critic_width": None, "inner": {"deep": 1.5, "word": "it's = 1"}},
    ],
)
def test_a_wandb_agents_nested_options_are_the_dotted_ones(value: dict[str, Any]) -> None:
    words = create_sweep_command_args({"args": {"seed": {"value": 0}, "agent": {"value": value}}})["args"]
    dotted = [f"--agent.{key}={each}" for key, each in value.items() if not isinstance(each, dict)]
    dotted += [f"--agent.inner.{key}={each}" for key, each in value.get("inner", {}).items()]
    assert sweepfile.unnested(words) == ["--seed=0", *dotted]


@pytest.mark.parametrize("word", ["--agent={", "--agent={}", "--agent={1}", "--agent={a: b}", "--agent=" + "{" * 9999])
def test_an_argument_that_is_no_agents_stays(word: str) -> None:
    assert sweepfile.unnested([word]) == [word]


def test_a_run_takes_a_wandb_agents_nested_options() -> None:
    flags = ["--task=mujoco/Hopper", "--method=dense", "--seed=0", "--agent={'critic_width': 8}"]
    assert command_line.parse(flags)[1]["agent.critic_width"] == "8"


# None ----------


@pytest.mark.parametrize("option", ["learner.clip", "pruning.final", "agent.rate"])
@pytest.mark.parametrize("written", ["null", "~", "none", "None"])
def test_null_is_none(tmp_path: Path, option: str, written: str) -> None:
    path = write(tmp_path / "null.yaml", f"{option}: {{values: [{written}, 0.005]}}")
    ours, theirs = [cell[option] for cell in grid.read(path).cells], read_sweep(path)[option]
    assert [str(value).lower() for value in ours] == ["none", "0.005"]
    assert same(None, theirs[0]) and same(0.005, theirs[1])
    assert grid.flags(grid.read(path).cells[0])[-1].lower() == f"--{option}=none"


@pytest.mark.parametrize("name", ["task", "method", "seed"])
@pytest.mark.parametrize("none", [{"value": None}, {"values": [None]}])
def test_a_run_needs_what_names_it(tmp_path: Path, name: str, none: dict[str, Any]) -> None:
    path = tmp_path / "null.yaml"
    document: dict[str, Any] = yaml.safe_load(GRID)
    document["parameters"][name] = none
    path.write_text(yaml.safe_dump(document))
    assert f"a run needs a {name}" in refusal(path)


@pytest.mark.parametrize("value", ["[1]", "2024-01-01", "{a: 1}"])
def test_other_values_are_refused_and_none_is_named(tmp_path: Path, value: str) -> None:
    said = refusal(write(tmp_path / "bad.yaml", f"agent.critic_width: {{values: [{value}]}}"))
    assert "not a plain text, number, true/false or null (which means none)" in said


# The name ----------


@pytest.mark.parametrize("name", ["", "name:\n", "name: null\n"])
@pytest.mark.parametrize("command", ['"${args}"', '"--folder=runs/None", "${args}"', '"--folder=runs/x", "${args}"'])
def test_a_file_without_a_name_is_one_line(tmp_path: Path, name: str, command: str) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(GRID.replace("name: tiny\n", name).replace('"${args}"', command))
    with pytest.raises(UserError, match="name is missing") as caught:
        grid.read(path)
    assert "None" not in str(caught.value)


# What a table calls the runs ----------


@pytest.mark.parametrize(
    ("parameters", "labels"),
    [
        ("agent.critic_width: {values: [8, 16]}", [" critic_width=8", " critic_width=16"]),
        (
            "agent.critic_width: {values: [8, 16]}\n  trainer.epochs: {values: [1, 2]}",
            [f" critic_width={width} epochs={epochs}" for width in (8, 16) for epochs in (1, 2)],
        ),
        ("agent.critic_width: {values: [8]}", None),
        ("agent: {values: [sac, td3]}", [" agent=sac", " agent=td3"]),
        (
            "agent: {values: [td3, sac]}\n  agent.actor_width: {values: [8, 16]}",
            [f" agent={agent} actor_width={width}" for agent in ("td3", "sac") for width in (8, 16)],
        ),
    ],
)
def test_runs_are_called_by_the_options_in_which_they_differ(
    tmp_path: Path, parameters: str, labels: list[str] | None
) -> None:
    path = write(tmp_path / "tiny.yaml", parameters)
    sweep = grid.read(path)
    runs = resolve_all(sweep, str(path))
    called = {work.name: work.label for work in works_of(sweep, runs, None)}
    own = [f"mujoco-Hopper.dense.seed0{label}" for label in labels or []]
    assert [called[each.name] for each in runs] == (own or [each.name for each in runs])


class Either(Options):
    x: int


def test_options_of_one_name_are_told_apart(tmp_path: Path) -> None:
    path = write(tmp_path / "tiny.yaml", "agent.critic_width: {value: 8}")
    (one,) = resolve_all(grid.read(path), str(path))
    runs = [one._replace(options=replace(one.options, agent=Either(x=i), learner=Either(x=i))) for i in (1, 2)]
    assert labels(runs)[0].endswith(" agent.x=1 learner.x=1")
