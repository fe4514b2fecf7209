"""Dopamine's published baselines, from files in their layout (a few hand-made rows)."""

import json

import pytest

from analysis.data.sources import dopamine
from suite.errors import UserError


def rows(agent, *pairs):
    return [{"Iteration": iteration, "Value": value, "Agent": agent} for iteration, value in pairs]


@pytest.fixture
def folder(tmp_path):
    """Pong with seeds one after another, Hopper with those of an iteration together."""
    pong = rows("DQN", (0, -21.0), (1, -20.0), (0, -20.5), (1, 3.0)) + rows("C51", (0, -1.0), (1, 1.0))
    hopper = rows("SAC", (0, 18.0), (0, 19.0), (10, 300.0), (10, 400.0), (1000.0, 3000.0), (1000.0, 3500.0))
    (tmp_path / "pong.json").write_text(json.dumps(pong))
    (tmp_path / "hopper.json").write_text(json.dumps(hopper))
    return tmp_path


def test_seeds_and_clocks(folder):
    runs, notes = dopamine.load(folder)
    assert notes == []
    assert [(run.method, run.task, run.seed) for run in runs] == [
        ("SAC (Dopamine)", "mujoco/Hopper", 0),
        ("SAC (Dopamine)", "mujoco/Hopper", 1),
        ("DQN (Dopamine)", "atari/Pong", 0),
        ("DQN (Dopamine)", "atari/Pong", 1),
        ("C51 (Dopamine)", "atari/Pong", 0),
    ]
    returns = [[18.0, 300.0, 3000.0], [19.0, 400.0, 3500.0], [-21.0, -20.0], [-20.5, 3.0], [-1.0, 1.0]]
    assert [run.history["return"].tolist() for run in runs] == returns
    assert runs[0].history["agent_step"].tolist() == [0, 10_000, 1_000_000]
    assert runs[2].history["agent_step"].tolist() == [250_000, 500_000]
    assert runs[2].history["frame"].tolist() == [1_000_000, 2_000_000]
    assert (runs[0].agent_steps, runs[2].agent_steps) == (1_000_000, 500_000)
    assert {run.status for run in runs} == {"finished"}
    assert "gym v2" in runs[0].protocol and "sticky_actions=0.25" in runs[2].protocol
    assert runs[0].final("sparsity") is None


def test_a_seed_that_ends_early_is_unfinished(tmp_path):
    (tmp_path / "boxing.json").write_text(json.dumps(rows("DQN", (0, 1.0), (1, 2.0), (0, 3.0))))
    (tmp_path / "ant.json").write_text(json.dumps(rows("SAC", (0, 1.0), (0, 2.0), (5, 3.0))))
    runs, _ = dopamine.load(tmp_path)
    assert [run.status for run in runs] == ["finished", "unfinished"] * 2
    assert runs[3].reason == "last value at agent step 250,000 of 500,000"


def test_other_networks_other_tasks_and_plots_are_told_apart(folder):
    (folder / "pong_CNN.json").write_text(json.dumps(rows("DQN", (0, 1.0))))
    for other in ("airraid", "cartpole", "gym"):  # cartpole is a task of another family here, and gym a family
        (folder / f"{other}.json").write_text(json.dumps(rows("DQN", (0, 1.0))))
    (folder / "pong.vg.json").write_text("{}")
    runs, notes = dopamine.load(folder)
    assert "DQN CNN (Dopamine)" in {run.method for run in runs}
    assert any("left out: airraid.json, cartpole.json" in note for note in notes)
    assert any("1 plot (" in note for note in notes)
    assert len(dopamine.load(folder / "pong.json")[0]) == 3  # one file alone


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[{]", "not valid JSON"),
        ('{"Iteration": 0}', "expected a list"),
        ('[{"Iteration": 0, "Value": "high", "Agent": "DQN"}]', "entry 1 should have the numbers Iteration, Value"),
        ('[{"Iteration": 0, "Agent": "DQN"}]', "entry 1"),
        ("[]", "holds no baseline"),
    ],
)
def test_damage_gives_one_clear_line(tmp_path, text, message):
    (tmp_path / "pong.json").write_text(text)
    with pytest.raises(UserError, match=message):
        dopamine.load(tmp_path)
