"""A sweep file -> runs -> records, W&B's files and policies -> a table in LaTeX. Nothing here is a stand-in.

One tiny sweep is launched for all tests of this file: three methods, two seeds, 400 agent steps of Pong each.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from safetensors.numpy import load_file

from suite.publish.upload import wandb_metrics
from suite.record import schema
from sweeps import grid
from sweeps.plan import resolve_all
from tests.support.methods import NETWORKS
from tests.support.sweeps import sweep_file

ROOT = Path(__file__).resolve().parents[2]
METHODS, SEEDS = ("dense", "gmp", "eaudeqn"), (0, 1)
SWEEP = sweep_file(
    {
        "task": "atari/Pong",
        "method": [*METHODS],
        "seed": [*SEEDS],
        "agent.network": "small",
        "agent.width": 16,
        "environment.screen_size": 42,
        "environment.max_episode_agent_steps": 100,
        "learner.target_update_period": 5,
        "replay.batch_size": 4,
        "replay.capacity": 300,
        "trainer.epochs": 2,
        "trainer.epoch_agent_steps": 200,
        "trainer.initial_samples": 50,
        "trainer.evaluation_episodes": 1,
    }
)
EPOCHS, AGENT_STEPS, PERIOD = 2, 400, 5
GRADIENT_STEPS = (AGENT_STEPS - 1 - 50) // 4


def launch(file: Path, folder: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """In a home without a W&B account."""
    private = ("WANDB_", "NETRC")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(private)}
    environment |= {"HOME": str(home), "JAX_PLATFORMS": "cpu", "COLUMNS": "200", "EAUDEQN_WANDB_WAIT": "300"}
    command = [sys.executable, "-m", "sweeps.launch", str(file), "--folder", str(folder), "--jobs", "2"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=3600)


class Swept(NamedTuple):
    file: Path
    folder: Path
    home: Path
    first: subprocess.CompletedProcess[str]
    runs: dict[tuple[str, int], Path]  # (method, seed) -> folder

    def rows(self, method: str, seed: int, kind: str) -> list[dict[str, Any]]:
        rows = schema.read_rows(self.runs[method, seed] / schema.METRICS)
        return [row for row in rows if row["kind"] == kind]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    place = tmp_path_factory.mktemp("sweep")
    file, folder, home = place / "tiny.yaml", place / "runs", place / "home"
    file.write_text(SWEEP)
    home.mkdir()
    first = launch(file, folder, home)
    assert first.returncode == 0, first.stdout + first.stderr
    runs = {(run.method, run.seed): folder / run.name for run in resolve_all(grid.read(file), str(file))}
    return Swept(file, folder, home, first, runs)


CELLS = [(method, seed) for method in METHODS for seed in SEEDS]
cells = pytest.mark.parametrize("method, seed", CELLS, ids=[f"{method}-{seed}" for method, seed in CELLS])


def test_every_cell_is_finished(swept: Swept) -> None:
    assert set(swept.runs) == set(CELLS)
    for folder in swept.runs.values():
        status = schema.read_json(folder / schema.STATUS)
        assert (status["status"], status["error"], status["agent_step"]) == ("finished", None, AGENT_STEPS)
        assert (folder / "log.txt").exists()
        assert not list(folder.glob("*.tmp"))


@cells
def test_the_config_says_what_was_run(swept: Swept, method: str, seed: int) -> None:
    folder = swept.runs[method, seed]
    config = schema.read_json(folder / schema.CONFIG)
    assert (config["schema"], config["name"]) == (schema.SCHEMA, folder.name)
    assert (config["task"], config["method"], config["seed"]) == ("atari/Pong", method, seed)
    assert config["options"]["agent"]["width"] == 16
    assert config["options"]["environment"]["sticky_actions"] == 0.25  # also what was left at its default
    assert config["total_agent_steps"] == AGENT_STEPS
    assert {"python", "jax", "numpy", "ale-py", "mujoco", "wandb", "project"} <= set(config["versions"])
    progress = schema.read_json(folder / schema.PROGRESS)
    assert progress["agent_step"] == progress["total_agent_steps"] == AGENT_STEPS


@cells
def test_the_rows_are_complete(swept: Swept, method: str, seed: int) -> None:
    epochs = swept.rows(method, seed, "epoch")
    assert [row["agent_step"] for row in epochs] == [200, 400]
    assert [row["frame"] for row in epochs] == [800, 1600]
    assert epochs[-1]["gradient_step"] == GRADIENT_STEPS
    for row in epochs:
        assert row["episode_lengths"] == [100, 100]
        assert row["return"] == pytest.approx(sum(row["episode_returns"]) / 2)
        assert row["loss"] > 0
    updates = swept.rows(method, seed, "target_update")
    assert [row["gradient_step"] for row in updates] == list(range(PERIOD, GRADIENT_STEPS + 1, PERIOD))
    count = NETWORKS.get(method, 1)
    for row in updates:
        assert len(row["losses"]) == len(row["sparsities"]) == len(row["reset"]) == count
        assert 0 <= row["elected"] < count
        assert row["sparsities"][0] == row["sparsities_before"][row["elected"]]
    evaluations = swept.rows(method, seed, "evaluation")
    assert [(row["epoch"], row["episodes"], row["agent_step"]) for row in evaluations] == [(1, 1, 200), (2, 1, 400)]


@pytest.mark.parametrize("seed", SEEDS)
def test_sparsity_grows_in_gmp_and_never_falls_in_eaudeqn(swept: Swept, seed: int) -> None:
    assert swept.rows("gmp", seed, "epoch")[-1]["sparsity"] == pytest.approx(0.95, abs=0.01)
    updates = swept.rows("eaudeqn", seed, "target_update")
    elected = [row["sparsities"][0] for row in updates]
    assert elected == sorted(elected)
    assert elected[-1] > 0
    for row in updates:
        assert min(row["sparsities"]) == row["sparsities"][0]
        assert row["reset"] == [False, True, True, True, True]
    assert swept.rows("dense", seed, "epoch")[-1]["sparsity"] == 0


@cells
def test_the_policy_is_as_sparse_as_its_card_says(swept: Swept, method: str, seed: int) -> None:
    """Every pruned weight is exactly zero in the file, and nothing else of a kernel is."""
    folder = swept.runs[method, seed]
    card, arrays = schema.read_json(folder / schema.POLICY_CARD), load_file(folder / schema.POLICY)
    assert {path: list(array.shape) for path, array in arrays.items()} == {
        path: entry["shape"] for path, entry in card["arrays"].items()
    }
    kernels = {path: array for path, array in arrays.items() if path.endswith("/kernel")}
    assert len(kernels) == 4
    zeros, size = sum((k == 0).sum() for k in kernels.values()), sum(k.size for k in kernels.values())
    assert zeros / size == pytest.approx(card["sparsity"], abs=1e-6)
    assert card["sparsity"] == pytest.approx(swept.rows(method, seed, "epoch")[-1]["sparsity"], abs=1e-6)
    for path, level in card["layer_sparsity"].items():
        assert (kernels[path] == 0).mean() == pytest.approx(level, abs=1e-6)
    assert set(card["layer_sparsity"]) == set(kernels)
    assert (card["task"], card["method"], card["seed"]) == ("atari/Pong", method, seed)


def wandb_rows(folder: Path, home: Path) -> list[dict[str, Any]]:
    """What W&B's own reader finds in the offline file of a run."""
    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
    environment = {**os.environ, "HOME": str(home)}
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300).stdout
    rows = []
    for line in out.splitlines():
        record = json.loads(line)
        if record["type"] == "history":
            items = record["history"]["item"]
            rows.append({key: value for key, value in items.items() if not key.startswith("_")})
    return rows


@pytest.mark.parametrize("method", ["dense", "eaudeqn"])
def test_wandb_has_the_same_rows(swept: Swept, method: str) -> None:
    folder = swept.runs[method, 0]
    rows = schema.read_rows(folder / schema.METRICS)
    expected = [wandb_metrics(row) for row in rows]
    found = wandb_rows(folder, swept.home)
    assert len(found) == len(expected) > 10
    for row, ours, theirs in zip(rows, expected, found, strict=True):
        if row["kind"] == "weights":
            for path, layer in row["layers"].items():  # a histogram comes back in its parts
                assert list(theirs[f"weights/{path}.values"]) == layer["counts"]
                ends = [theirs[f"weights/{path}.bins"][end] for end in (0, -1)]
                assert ends == pytest.approx([layer["low"], layer["high"]])
        else:
            assert theirs == pytest.approx(ours)


def test_a_run_does_not_speak_of_wandb_to_somebody_without_an_account(swept: Swept) -> None:
    log = (swept.runs["dense", 0] / "log.txt").read_text()
    assert "W&B is left out" not in log
    assert "Traceback" not in log


def test_the_table_is_there(swept: Swept) -> None:
    report = swept.folder / "report"
    latex = (report / "comparison.tex").read_text()
    assert "\\toprule" in latex and "\\end{document}" in latex
    for word in (*METHODS, "Pong"):
        assert word in latex
    assert "without a result" not in latex
    assert (report / "comparison.csv").read_text().count("\n") > 10
    assert (report / "curves.png").stat().st_size > 10_000
    assert "eaudeqn" in swept.first.stdout  # printed as well


def test_the_second_launch_runs_nothing_and_makes_the_same_table(swept: Swept) -> None:
    numbers = (swept.folder / "report" / "comparison.csv").read_text()
    times = {path: path.stat().st_mtime_ns for path in swept.folder.glob(f"*/{schema.METRICS}")}
    assert len(times) == len(CELLS)
    second = launch(swept.file, swept.folder, swept.home)
    assert second.returncode == 0, second.stdout + second.stderr
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert (swept.folder / "report" / "comparison.csv").read_text() == numbers


def test_a_finished_run_returns_at_once(swept: Swept) -> None:
    """`sweeps.run` alone, by the arguments of a cell."""
    (run,) = [r for r in resolve_all(grid.read(swept.file), "") if (r.method, r.seed) == ("gmp", 1)]
    flags = [f"--{key}={value}" for key, value in run.arguments().items()]
    command = [sys.executable, "-m", "sweeps.run", *flags, f"--folder={swept.folder}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{run.name} is finished" in done.stdout
