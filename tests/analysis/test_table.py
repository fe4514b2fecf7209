"""The command, from run folders to files, and its exit codes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import pytest

from analysis import table

ROOT = Path(__file__).parents[2]
FILES = {"comparison.md", "comparison.tex", "comparison.csv", "curves.png", "curves.pdf", "curves.csv", "costs.csv"}


def call(*arguments):
    return table.main([str(a) for a in (*arguments, "--repetitions", 50)])


def python(*arguments, cwd=ROOT):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )


def test_end_to_end_in_a_process_of_its_own(grid, sweep, tmp_path):
    arguments = (
        "-m",
        "analysis.table",
        "--runs",
        grid,
        "--sweep",
        sweep(),
        "--out",
        tmp_path / "out",
        "--repetitions",
        50,
    )
    done = python(*arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert (tmp_path / "out" / "comparison.md").read_text() in done.stdout
    assert f"--runs {grid}" in done.stdout
    height, width = matplotlib.image.imread(tmp_path / "out" / "curves.png").shape[:2]
    assert width == 2100 and height > 900  # 7 inches at 300 dots
    assert (tmp_path / "out" / "curves.pdf").read_bytes().startswith(b"%PDF")


def test_jax_is_not_imported():
    done = python("-c", "import sys, analysis.table; print(sorted({'jax', 'flax', 'wandb'} & set(sys.modules)))")
    assert done.stdout.strip() == "[]", done.stderr


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
    assert "8 of 8" in output and "no aggregate: no finished run on atari/Pong, atari/Boxing" in output
    assert (tmp_path / "runs" / "report" / "curves.png").exists()


@pytest.mark.parametrize("seeds", [1, 3])
def test_one_seed_and_ragged_tasks_are_said(tmp_path, run, seeds, capsys):
    for seed in range(seeds):
        run(seed=seed)
    run(task="atari/Boxing")
    assert call("--runs", tmp_path / "runs", "--allow-missing") == 0
    output = capsys.readouterr().out
    assert "one seed: no interval over seeds exists" in output
    assert ("ragged seeds: atari/Boxing has 1" in output) == (seeds == 3)


def test_the_same_seed_gives_the_same_files(grid, tmp_path):
    for out in ("a", "b"):
        table.report(grid, None, tmp_path / out, "the command", seed=3, repetitions=50)
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


@pytest.mark.parametrize("arguments", [("--runs", "nowhere"), ("--runs", "{grid}", "--sweep", "nowhere.yaml")])
def test_bad_input_is_one_line_and_exit_code_2(grid, arguments, capsys):
    assert call(*(a.format(grid=grid) for a in arguments)) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("error: ") and output.err.count("\n") == 1
    assert not (grid / "report").exists()


def test_options_reach_the_table(mujoco, capsys):
    assert call("--runs", mujoco, "--return", "evaluation", "--raw") == 0
    output = capsys.readouterr().out
    assert "the last evaluation" in output and "Returns are not normalised" in output and "50.5 [50.0, 51.0]" in output
    assert "--return evaluation --raw" in output  # the command, to be repeated
    assert "50.0" in (mujoco / "report" / "curves.csv").read_text().splitlines()[3]


def test_missing_evaluations_are_one_line_and_exit_code_2(grid, capsys):
    assert call("--runs", grid, "--return", "evaluation") == 2
    output = capsys.readouterr().err
    assert "holds no evaluation" in output and output.count("\n") == 1
    assert not (grid / "report").exists()


def test_an_unknown_task_is_named(tmp_path, run, capsys):
    run(task="atari/Pang")
    assert call("--runs", tmp_path / "runs") == 2
    assert "'atari/Pang'" in capsys.readouterr().err


def test_an_output_that_cannot_be_written(grid, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert call("--runs", grid, "--out", tmp_path / "file") == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--repetitions", "0"], ["--seed", "-1"], ["--seed", "x"], ["--nonsense"], ["--return", "best"]]
)
def test_wrong_values_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        table.main(["--runs", "x", *arguments])
    assert caught.value.code == 2
    assert "Traceback" not in capsys.readouterr().err
