"""The command, from run folders to files, and its exit codes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import pandas as pd
import pytest

from analysis import table
from tests.support.damage import edit, refused

ROOT = Path(__file__).parents[2]
FILES = {"comparison.md", "comparison.tex", "comparison.csv", "curves.png", "curves.pdf", "curves.csv"}
FILES |= {"efficiency.csv", "profiles.csv", "costs.csv", "details.csv", "pareto.png", "pareto.pdf", "pareto.svg"}


def call(*arguments):
    return table.main([str(a) for a in (*arguments, "--repetitions", 50)])


def test_end_to_end_in_a_process_of_its_own(grid, sweep, tmp_path):
    arguments = ("--runs", grid, "--sweep", sweep(), "--out", tmp_path / "out", "--repetitions", 50)
    command = [sys.executable, "-m", "analysis.table", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert (tmp_path / "out" / "comparison.md").read_text() in done.stdout
    assert f"--runs {grid}" in done.stdout
    height, width = matplotlib.image.imread(tmp_path / "out" / "curves.png").shape[:2]
    assert width == 2100 and height > 900  # 7 inches at 300 dots
    assert (tmp_path / "out" / "curves.pdf").read_bytes().startswith(b"%PDF")


def test_missing_cells_fail_after_the_files_are_written(grid, sweep, capsys):
    shutil.rmtree(grid / "atari-Pong.gmp.seed0.0a1b2c3d")
    assert call("--runs", grid, "--sweep", sweep()) == 1
    assert {path.name for path in (grid / "report").iterdir()} == FILES
    output = capsys.readouterr()
    assert "gmp, atari/Pong, seed 0: missing" in output.out
    assert "1 of 8 cells have no result" in output.err
    assert call("--runs", grid, "--sweep", sweep(), "--allow-missing") == 0  # the report among the runs is no run
    assert "no config.json" not in capsys.readouterr().out


def test_a_grid_without_any_result_is_still_told(tmp_path, run, sweep, capsys):
    run(status="failed")
    assert call("--runs", tmp_path / "runs", "--sweep", sweep()) == 1
    output = capsys.readouterr().out
    assert "8 of 8" in output and "no aggregate: no number on atari/Pong, atari/Boxing" in output
    assert (tmp_path / "runs" / "report" / "curves.png").exists()


@pytest.mark.parametrize("seeds", [1, 3])
def test_one_seed_and_ragged_tasks_are_said(tmp_path, run, seeds, capsys):
    for seed in range(seeds):
        run(seed=seed)
    run(task="atari/Boxing")
    assert call("--runs", tmp_path / "runs", "--allow-missing") == 0
    output = capsys.readouterr().out
    said = "one seed on atari/Boxing" if seeds == 3 else "one seed on atari/Boxing, atari/Pong"
    assert f"dense - {said}: no interval over seeds exists." in output
    assert ("unequal numbers of runs, 1 to 3: all are used" in output) == (seeds == 3)


def test_options_reach_the_table(mujoco, capsys):
    assert call("--runs", mujoco, "--return", "evaluation", "--raw") == 0
    output = capsys.readouterr().out
    assert "the last evaluation" in output and "Returns are not normalised" in output and "50.5 [50.0, 51.0]" in output
    assert "--return evaluation --raw" in output  # the command, to be repeated
    frame = pd.read_csv(mujoco / "report" / "curves.csv")
    assert frame["evaluation_return"].tolist()[:3] == [10.0, 20.0, 50.0]


def test_the_main_figure_is_named_only_if_it_is_written(grid, capsys):
    """That of an earlier comparison is removed, as it shows other numbers than the tables beside it."""
    assert call("--runs", grid) == 0
    assert "pareto.png, .pdf and .svg" in capsys.readouterr().out
    assert call("--runs", grid, "--raw") == 0
    assert "pareto" not in capsys.readouterr().out
    assert not list((grid / "report").glob("pareto.*"))


def test_missing_evaluations_are_one_line_and_exit_code_2(grid, capsys):
    assert "holds no evaluation return" in refused(capsys, call("--runs", grid, "--return", "evaluation"))
    assert not (grid / "report").exists()


def test_an_unknown_task_is_named(tmp_path, run, capsys):
    run(task="atari/Pang")
    assert "'atari/Pang'" in refused(capsys, call("--runs", tmp_path / "runs"))


def test_offline_runs_have_no_frames(tmp_path, run, capsys):
    run(task="offline/Pong")
    said = refused(capsys, call("--runs", tmp_path / "runs", "--x", "frame"))
    assert "--x frame" in said and "offline/Pong" in said


def test_a_published_baseline_beside_our_runs(grid, tmp_path, capsys):
    values = [(i, v) for seed in range(3) for i, v in ((0, -21.0), (1, -15.0 + seed))]
    rows = [
        {"Iteration": iteration, "Value": value, "Agent": agent}
        for agent in ("DQN", "C51")
        for iteration, value in values
    ]
    (tmp_path / "pong.json").write_text(json.dumps(rows))
    arguments = ("--runs", grid, "--runs", tmp_path / "pong.json", "--methods", "dense", "gmp", "DQN (Dopamine)")
    assert call(*arguments) == 0
    output = capsys.readouterr().out
    assert "(protocol A)" in output and "(protocol B)" in output
    assert "- Protocol B: DQN (Dopamine): Dopamine's Atari (gym NoFrameskip-v0), sticky_actions=0.25" in output
    assert "- Methods left out (--methods): C51 (Dopamine)." in output
    assert "-14.0 [" in output and "] (3) |" in output
    assert call(*arguments, "--mix") == 0
    output = capsys.readouterr().out
    assert "(protocol" not in output and "DIFFERENT PROTOCOLS are compared with each other (--mix)" in output
    frame = pd.read_csv(grid / "report" / "curves.csv")
    assert set(frame["source"].dropna()) == {"records", "dopamine"} and frame["protocol"].nunique() == 2


def test_runs_are_cut(grid, capsys):
    assert call("--runs", grid, "--agent-steps", 2000) == 0
    output = capsys.readouterr().out
    assert "-10.0 [-10.0, -10.0] (2)" in output and "2,000 agent steps" in output


def test_what_is_required_fails_in_spite_of_allow_missing(grid, capsys):
    assert call("--runs", grid, "--require", "dense gmp", "atari/Pong", "0-1") == 0
    assert call("--runs", grid, "--allow-missing", "--require", "dense", "atari/Pong atari/Qbert", "0 1") == 1
    error = capsys.readouterr().err
    assert "2 required cells have no result: dense, atari/Qbert, seed 0; dense, atari/Qbert, seed 1" in error
    assert call("--runs", grid, "--require", "dense", "atari/Pong", "zero") == 2


def test_statistics_are_written_for_figures(grid, capsys):
    assert call("--runs", grid) == 0
    profiles, efficiency = (pd.read_csv(grid / "report" / f"{name}.csv") for name in ("profiles", "efficiency"))
    assert profiles.columns.tolist() == ["row", "score", "fraction_above", "low", "high"]
    assert efficiency.columns.tolist() == ["row", "agent_step", "IQM", "low", "high"]
    assert efficiency["row"].tolist() == ["dense"] * 3 + ["gmp"] * 3
    assert profiles["fraction_above"].between(0, 1).all()


def test_a_last_return_that_is_null_is_none(tmp_path, run, capsys):
    run(seed=1)
    edit(run(returns=(1.0, 2.0, 7.25)), "metrics.jsonl", "7.25", "null")
    assert call("--runs", tmp_path / "runs") == 1
    output = capsys.readouterr()
    assert "dense, atari/Pong, seed 0: without a number (its last return is null or not finite)" in output.out
    assert (
        output.err
        == "1 of 2 cells have no result; run them, or accept it with --allow-missing (make: ARGS=--allow-missing)\n"
    )
