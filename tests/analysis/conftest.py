"""Small synthetic run folders, written as the records are."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.tables import comparison_of

OPTIONS: dict[str, dict[str, Any]] = {
    "agent": {"network": "small", "width": 512, "learning_rate": 6.25e-5},
    "environment": {"sticky_actions": 0.25, "frame_skip": 4},
    "trainer": {"epochs": 3, "epoch_agent_steps": 1000},
    "method": {},
}
VERSIONS = {"python": "3.11.7", "jax": "0.10.2", "ale-py": "0.12.1", "project": "1f3a9c0b"}

WriteRun = Callable[..., Path]


def write_run(
    root: Path,
    task: str = "atari/Pong",
    method: str = "dense",
    seed: int = 0,
    returns: tuple[float | None, ...] = (-20.0, -10.0, 0.0),
    sparsity: float = 0.0,
    actor_sparsity: float | None = None,
    evaluations: tuple[float | None, ...] = (),
    status: str | None = "finished",
    options: dict[str, Any] | None = None,
    versions: dict[str, str] = VERSIONS,
    folder: str | None = None,
) -> Path:
    """One run folder; `options` are flat ("agent.width") and replace the defaults; status None is an unfinished run.

    `evaluations` are the returns of those after the first epochs; the sparsities rise evenly to what is given.
    """
    path = root / (folder or f"{task.replace('/', '-')}.{method}.seed{seed}.0a1b2c3d")
    path.mkdir(parents=True)
    nested = {group: dict(values) for group, values in OPTIONS.items()}
    for key, value in (options or {}).items():
        group, name = key.split(".")
        nested.setdefault(group, {})[name] = value
    config = {"schema": 2, "name": path.name, "task": task, "method": method, "seed": seed}
    config |= {"options": nested, "versions": versions, "total_agent_steps": 3000}
    (path / "config.json").write_text(json.dumps(config))
    with (path / "metrics.jsonl").open("w") as file:
        for epoch, value in enumerate(returns, start=1):
            clocks = {"agent_step": 1000 * epoch + seed, "frame": 4000 * epoch, "gradient_step": 250 * epoch}
            share = epoch / len(returns)
            acting = None if actor_sparsity is None else actor_sparsity * share
            update = {"kind": "target_update", **clocks, "losses": [None], "elected": 0, "actor_sparsity": acting}
            update |= {"sparsities_before": [sparsity * share], "sparsities": [sparsity * share], "reset": [False]}
            row = {"kind": "epoch", "epoch": epoch, **clocks, "return": value, "episodes": int(value is not None)}
            row |= {"loss": None, "sparsity": sparsity * share, "layer_sparsity": {}, "actor_sparsity": acting}
            row |= {"actor_layer_sparsity": None if acting is None else {}, "seconds": 1.5 * epoch}
            file.write(json.dumps(update) + "\n" + json.dumps(row) + "\n")
            if epoch <= len(evaluations):
                evaluation = {"kind": "evaluation", "epoch": epoch, **clocks, "return": evaluations[epoch - 1]}
                file.write(json.dumps({**evaluation, "episodes": 10}) + "\n")
    if status:
        error = "all losses are NaN at 50 % of gmp_1 & more" if status == "failed" else None
        (path / "status.json").write_text(json.dumps({"status": status, "error": error, "seconds": 4.5}))
    return path


def write_grid(root: Path, seeds: int = 2) -> Path:
    """dense and gmp on two tasks: returns differ by method, task and seed."""
    for i, task in enumerate(("atari/Pong", "atari/Boxing")):
        for method, sparsity, less in (("dense", 0.0, 0.0), ("gmp", 0.95, 2.0)):
            for seed in range(seeds):
                final = 5.0 * i + seed - less
                write_run(root, task, method, seed, (-20.0, -10.0, final), sparsity)
    return root


@pytest.fixture
def run(tmp_path: Path) -> WriteRun:
    """Writes a run into tmp_path/runs."""

    def write(**values: Any) -> Path:
        return write_run(tmp_path / "runs", **values)

    return write


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """2 tasks x 2 methods x 2 seeds, all finished."""
    return write_grid(tmp_path / "runs")


@pytest.fixture
def mujoco(tmp_path: Path) -> Path:
    """2 MuJoCo tasks x 2 methods x 2 seeds, all finished and evaluated: gmp's critics end at 0.9, its actor at 0.8."""
    for i, task in enumerate(("mujoco/Hopper", "mujoco/Reacher")):
        for method, sparsity, less in (("dense", 0.0, 0.0), ("gmp", 0.9, 20.0)):
            for seed in range(2):
                final = 100.0 * i + seed - less
                values = {"options": {"environment.frame_skip": 2}, "evaluations": (10.0, 20.0, final + 50)}
                actor = sparsity * 8 / 9
                write_run(tmp_path / "mujoco", task, method, seed, (1.0, 2.0, final), sparsity, actor, **values)
    return tmp_path / "mujoco"


@pytest.fixture
def sweep(tmp_path: Path) -> Callable[..., Path]:
    """Writes a sweep file for that grid; the text is further parameters."""

    def write(text: str = "") -> Path:
        path = tmp_path / "sweep.yaml"
        path.write_text(
            "program: sweeps/run.py\nmethod: grid\nparameters:\n"
            "  task: {values: [atari/Pong, atari/Boxing]}\n  method: {values: [dense, gmp]}\n"
            "  seed: {values: [0, 1]}\n  agent.network: {value: small}\n" + text
        )
        return path

    return write


@pytest.fixture
def holed(tmp_path, grid, run, sweep):
    """The grid with a failed and a missing cell, and a method whose name needs escapes."""
    shutil.rmtree(grid / "atari-Boxing.gmp.seed1.0a1b2c3d")
    shutil.rmtree(grid / "atari-Pong.gmp.seed0.0a1b2c3d")
    run(method="gmp", status="failed", returns=(1.0,))
    file = sweep()
    file.write_text(file.read_text().replace("[dense, gmp]", '[dense, gmp, "rigl:a_b=1"]'))
    for task in ("atari/Pong", "atari/Boxing"):
        run(task=task, method="rigl:a_b=1")
        run(task=task, method="rigl:a_b=1", seed=1, returns=(1.0, 2.0, 9.0))
    return comparison_of(grid, file)
