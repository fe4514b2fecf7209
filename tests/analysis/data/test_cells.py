"""Which cells are expected, which are there, and which must not be compared."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.data import cells
from analysis.data.cells import Cell
from analysis.data.runs import Run, history
from analysis.data.sources import runfolder
from analysis.settings import Settings
from analysis.stats.comparison import compare, final_values
from analysis.stats.metrics import NOTHING
from suite.errors import UserError


def load(root):
    return runfolder.load(root)[0]


def test_without_a_sweep_what_is_seen_is_expected(grid, run):
    """Seeds are labels: methods with seeds of their own, and tasks that not all have, leave nothing missing."""
    run(task="atari/Amidar", method="gmp", seed=7)
    run(task="atari/Pong", method="static", seed=1000)
    found = cells.seen(load(grid))
    assert len(found.runs) == 8 + 2
    assert not found.gaps()
    assert found.tasks == ["atari/Amidar", "atari/Boxing", "atari/Pong"]  # though dense has not the first
    assert found.rows == ["dense", "gmp", "static"]
    assert [found.seeds(row, "atari/Pong") for row in found.rows] == [2, 2, 1]


def test_what_did_not_finish_is_a_gap_without_a_sweep_too(grid, run):
    run(task="atari/Qbert", status="failed")
    assert list(cells.seen(load(grid)).gaps()) == [Cell("dense", "atari/Qbert", 0)]


def test_each_kind_of_gap_is_named(tmp_path, run, sweep):
    run(status="failed")
    run(seed=1, status=None, returns=(1.0,))
    run(method="gmp", returns=(1.0, 2.0, None))
    gaps = cells.expected(load(tmp_path / "runs"), sweep()).gaps()
    assert gaps[Cell("dense", "atari/Pong", 0)].startswith("failed (all losses are NaN")
    assert gaps[Cell("dense", "atari/Pong", 1)] == "unfinished (last epoch at agent step 1,001 of 3,000)"
    assert gaps[Cell("gmp", "atari/Pong", 0)].startswith("without a number")
    assert gaps[Cell("gmp", "atari/Boxing", 1)].startswith("missing")
    assert len(gaps) == 8


def test_the_order_of_the_sweep_is_kept(grid, sweep):
    found = cells.expected(load(grid), sweep())
    assert found.rows == ["dense", "gmp"]
    assert found.tasks == ["atari/Pong", "atari/Boxing"]
    assert not found.gaps()


def test_swept_options_are_rows_of_their_own(tmp_path, run, sweep):
    for width in (32, 512):
        for method in ("dense", "gmp"):
            run(method=method, options={"agent.width": width}, folder=f"{method}{width}")
    file = sweep("  agent.width: {values: [32, 512]}\n")
    found = cells.expected(load(tmp_path / "runs"), file)
    assert found.rows == ["dense, width=32", "dense, width=512", "gmp, width=32", "gmp, width=512"]
    assert found.methods["gmp, width=32"] == "gmp"
    for cell, run_there in found.present():
        assert f"width={run_there.options['agent.width']}" in cell.row
    with pytest.raises(UserError, match=r"dense on atari/Pong: agent.width is 32 in dense32 but 512 in dense512"):
        cells.seen(load(tmp_path / "runs"))


def test_a_sweep_of_agents_holds_the_default_agent(tmp_path, run, sweep):
    """A record names its agent only if it is not the task's default."""
    for agent in (None, "td3"):
        folder = run(task="mujoco/Hopper", folder=str(agent))
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "agent": agent}))
    file = sweep()
    for agents, rows in (("[sac, td3]", ["dense, agent=sac", "dense, agent=td3"]), ("[td3]", ["dense"])):
        file.write_text(
            "parameters:\n  task: {value: mujoco/Hopper}\n  method: {value: dense}\n  seed: {value: 0}\n"
            f"  agent: {{values: {agents}}}\n"
        )
        found = cells.expected(load(tmp_path / "runs"), file)
        assert [cell.row for cell, _ in found.present()] == found.rows == rows
    (note,) = found.notes
    assert note.endswith("its agent is sac, the sweep has td3 (1).")


def test_runs_of_another_sweep_are_left_out_and_named(grid, run, sweep):
    run(method="rigl", folder="other")
    found = cells.expected(load(grid), sweep("  trainer.epochs: {value: 4}\n"))
    assert len(found.gaps()) == 8
    (note,) = found.notes
    assert note.startswith("9 runs left out, in no cell of ")
    assert note.endswith(
        "its trainer.epochs is 3, the sweep has 4 (8); its method is rigl, the sweep has dense, gmp (1)."
    )
    (other,) = [detail for detail in found.details if detail.row == "rigl"]
    assert other.why == "other: its method is rigl, the sweep has dense, gmp" and len(found.details) == 9


def test_two_runs_of_one_cell(grid, run):
    run(folder="again")
    with pytest.raises(UserError, match=r"dense, atari/Pong, seed 0: two runs hold this cell, .*/again and .*seed0"):
        cells.seen(load(grid))


def test_methods_may_differ_in_what_is_theirs(tmp_path, run):
    run(method="dense")
    run(method="gmp", options={"method.final_sparsity": 0.95, "agent.learning_rate": 1e-4})
    assert cells.seen(load(tmp_path / "runs")).rows == ["dense", "gmp"]


def test_a_label_with_options_at_their_default_is_found(tmp_path, run, sweep):
    own = {"method.final_sparsity": 0.95, "method.power": 3}
    run(method="gmp", options=own)
    run(method="gmp:final_sparsity=0.9", options={**own, "method.final_sparsity": 0.9})
    file = sweep()
    file.write_text(file.read_text().replace("[dense, gmp]", '["gmp:final_sparsity=0.950", "gmp:final_sparsity=.9"]'))
    found = cells.expected(load(tmp_path / "runs"), file)
    assert [cell.row for cell, _ in found.present()] == ["gmp:final_sparsity=0.950", "gmp:final_sparsity=.9"]
    assert not found.notes
    file.write_text(file.read_text().replace('["gmp:final_sparsity=0.950", "gmp:final_sparsity=.9"]', "[gmp]"))
    found = cells.expected(load(tmp_path / "runs"), file)
    assert [there.method for _, there in found.present()] == ["gmp"]
    assert len(found.notes) == len(found.details) == 1


def guest(method="SAC (Dopamine)", task="atari/Pong", seed=0, source="dopamine"):
    rows = [{"epoch": 1, "agent_step": 3000, "return": 5.0}]
    return Run(f"{method} {seed}", task, method, seed, {}, {}, "finished", "", source, "theirs", 3000, history(rows))


def test_published_results_are_on_our_tasks(grid, sweep):
    others = [guest(seed=seed) for seed in range(3)] + [guest(task="atari/Qbert")]
    for found in (cells.seen(load(grid) + others), cells.expected(load(grid) + others, sweep())):
        assert found.rows == ["dense", "gmp", "SAC (Dopamine)"]
        assert "atari/Qbert" not in found.tasks
        assert not found.gaps()  # nobody expects them on Boxing
        assert (found.seeds("dense"), found.seeds("SAC (Dopamine)")) == (2, 3)
        assert found.seeds("SAC (Dopamine)", "atari/Boxing") == 0
        assert found.notes == ["SAC (Dopamine): its results on 1 other tasks were left out."]


def test_a_guest_without_a_task_has_no_aggregate(grid):
    """It would be one over fewer tasks, beside those of the others."""
    found = cells.seen([*load(grid), guest()])
    values = final_values(found, "SAC (Dopamine)", found.tasks, [])
    assert values["score"]["atari/Boxing"] == {}
    comparison = compare(found, "", Settings(mix=True))
    assert comparison.overall["SAC (Dopamine)"]["IQM"] == NOTHING
    assert any("SAC (Dopamine) - no aggregate: no number on atari/Boxing" in note for note in comparison.notes)


def test_published_results_alone_are_a_grid_of_their_own():
    found = cells.seen([guest("A"), guest("B", task="atari/Qbert")])
    assert len(found.runs) == 2 and not found.gaps()


def test_a_file_may_add_seeds_to_a_method(grid):
    found = cells.seen([*load(grid), guest("dense", seed=7, source="csv")])
    assert found.seeds("dense", "atari/Pong") == 3
    other = replace(guest("dense", seed=1, source="csv"), file=Path("theirs/curves.csv"))
    with pytest.raises(UserError, match=r"two runs hold this cell, .*atari-Pong\.dense.* and theirs/curves\.csv;"):
        cells.seen([*load(grid), other])


def test_what_is_required_is_expected(grid):
    found = cells.seen(load(grid))
    cells.require(found, ["dense", "rigl"], ["atari/Pong", "atari/Qbert"], [0, 2])
    assert found.rows == ["dense", "gmp", "rigl"]
    assert len(found.required) == 8
    missing = {str(cell) for cell in found.gaps()}
    assert missing == {
        "dense, atari/Pong, seed 2",
        "dense, atari/Qbert, seed 0",
        "dense, atari/Qbert, seed 2",
        *(f"rigl, atari/{game}, seed {seed}" for game in ("Pong", "Qbert") for seed in (0, 2)),
    }
