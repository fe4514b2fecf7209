"""The scripts in examples/ do what they say, on tiny runs of a real environment."""

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from examples import custom_figure
from suite.environments import environment_of
from suite.record import reader, schema
from suite.tracking.film import play
from sweeps import run
from sweeps.export.formats import FORMATS, card_of

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = {
    "task": "mujoco/InvertedPendulum",
    "seed": 0,
    "wandb": "disabled",
    "agent.critic_width": 8,
    "agent.actor_width": 8,
    "agent.random_steps": 50,
    "environment.max_episode_agent_steps": 30,
    "learner.target_update_period": 20,
    "replay.batch_size": 4,
    "replay.capacity": 400,
    "trainer.epochs": 3,
    "trainer.epoch_agent_steps": 150,
    "trainer.evaluation_episodes": 1,
    "trainer.initial_samples": 50,
}
TINY = [word for key, value in OPTIONS.items() for word in (f"--{key}", str(value))]
METHODS = ("dense", "gmp:final_sparsity=0.8")


def script(module: str, *arguments: str) -> str:
    """-> what `python -m` prints."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run of each of METHODS."""
    folder = tmp_path_factory.mktemp("runs")
    for method in METHODS:
        assert run.main(["--folder", str(folder), "--method", method, *TINY]) == 0
    return folder


def test_a_method_is_added_by_importing_a_module(tmp_path: Path) -> None:
    words = ["--import", "examples.add_a_method", "--method", "cyclical:cycles=3,final_sparsity=0.75,period=5"]
    script("sweeps.run", *words, "--folder", str(tmp_path), *TINY)
    (folder,) = tmp_path.iterdir()
    assert reader.is_finished(folder)
    updates = schema.read_rows(folder / schema.METRICS, ["target_update"])
    levels = [0.0] + [row["sparsities"][0] for row in updates]
    falls = [after for before, after in pairwise(levels) if after < before]
    assert len(falls) == 2, levels  # where the second and the third cycle begin
    (*_, last) = schema.read_rows(folder / schema.METRICS, ["epoch"])
    assert last["sparsity"] == pytest.approx(0.75, abs=0.01)


def test_an_environment_is_added_by_importing_a_module(tmp_path: Path) -> None:
    """DQN walks to the right, and the table shows returns without scores."""
    options = {
        "import": "examples.custom_environment",
        "task": "gym/Corridor-v0",
        "method": "gmp:final_sparsity=0.3",
        "seed": 0,
        "wandb": "disabled",
        "agent.width": 16,
        "agent.epsilon_decay": 500,
        "learner.target_update_period": 20,
        "replay.batch_size": 32,
        "trainer.epochs": 2,
        "trainer.epoch_agent_steps": 1000,
        "trainer.initial_samples": 100,
        "trainer.evaluation_episodes": 3,
    }
    script("sweeps.run", "--folder", str(tmp_path), *(f"--{key}={value}" for key, value in options.items()))
    (folder,) = tmp_path.iterdir()
    (*_, last) = schema.read_rows(folder / schema.METRICS, ["evaluation"])
    assert last["return"] > -10  # 9 cells at most; a random walk takes about 37 steps
    own = ("--import", "examples.custom_environment", str(folder))
    assert "compact.safetensors" in script("sweeps.export", *own, "--format=compact", "--calls=10")
    assert "return" in script("sweeps.export.play", *own, "--episodes=2")
    table = script("analysis.table", "--runs", str(tmp_path), "--repetitions", "10")
    assert "Corridor-v0" in table and "gymnasium" in table
    references = tmp_path / "references.csv"
    references.write_text("task,random,reference\ngym/Corridor-v0,-40,-4.5\n")
    scored = script("analysis.table", "--runs", str(tmp_path), "--repetitions", "10", "--references", str(references))
    assert "IQM" in scored and "IQM" not in table


def test_an_exported_policy_plays_without_jax_as_ours_does(runs: Path) -> None:
    (folder,) = runs.glob("*gmp*")
    printed = script("examples.run_exported_policy", str(folder), "--episodes", "2")
    assert printed.endswith("JAX was not imported\n")
    (returns,) = re.findall(r"^returns: (.+)$", printed, re.M)
    card = card_of(folder)
    act, environment = FORMATS["compact"](folder, card), environment_of(card)
    expected = [play(environment, act, seed, None)[0] for seed in range(2)]
    assert [float(value) for value in returns.split()] == pytest.approx(expected, abs=0.05)


def test_a_figure_of_ones_own_shows_the_records(runs: Path, tmp_path: Path) -> None:
    figure = custom_figure.draw(custom_figure.read(str(runs)))
    (axis,) = figure.axes
    assert axis.get_title() == "mujoco/InvertedPendulum"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(METHODS)
    drawn = [np.array(line.get_data()).T.tolist() for line in axis.lines]
    for folder in runs.iterdir():
        rows = schema.read_rows(folder / schema.METRICS, ["epoch"])
        points = [[row["sparsity"], row["return"]] for row in rows]
        assert points in drawn and [points[-1]] in drawn
    assert script("examples.custom_figure", str(runs), str(tmp_path / "figure.png")).startswith("written: ")
    assert (tmp_path / "figure.png").stat().st_size > 5_000


@pytest.mark.parametrize("words", [["custom_figure", "nowhere", "figure.png"], ["run_exported_policy", "nowhere"]])
def test_a_folder_without_runs_is_one_line(words: list[str]) -> None:
    command = [sys.executable, "-m", f"examples.{words[0]}", *words[1:]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=1800)
    assert done.returncode != 0 and done.stdout == ""
    assert re.fullmatch(r"error: .*nowhere.*\n", done.stderr), done.stderr
