"""Record folders of any size, made up: to see a report of everything, and how it copes with much.

python tests/support/synthetic.py FOLDER --tasks 60 --seeds 10 --epochs 200
time python -m analysis.report --runs FOLDER
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # also as a program

from suite.record import schema
from suite.tasks import TASKS, Task

LAYERS = ("Conv_0/kernel", "Conv_1/kernel", "Conv_2/kernel", "Dense_0/kernel", "Dense_1/kernel")
#: label -> (final sparsity; None: by elections, share of the dense score that it keeps)
METHODS: dict[str, tuple[float | None, float]] = {
    "dense": (0.0, 1.0),
    "gmp:final_sparsity=0.5": (0.5, 0.99),
    "gmp:final_sparsity=0.8": (0.8, 0.94),
    "gmp": (0.95, 0.8),
    "gmp:final_sparsity=0.98": (0.98, 0.6),
    "distill": (0.95, 0.85),
    "eaudeqn": (None, 0.96),
    "eaudeqn:reset_optimizer=False": (None, 0.9),
    "static": (0.9, 0.7),
    "rigl": (0.9, 0.9),
}
NETWORKS = 5
EPOCH = 10_000  # agent steps


def write_runs(root: Path, tasks: list[str], methods: list[str], seeds: int, epochs: int, elections: int = 100) -> None:
    """One folder a run: finished, of one protocol."""
    for task in tasks:
        for method in methods:
            for seed in range(seeds):
                write_run(root, TASKS[task], method, seed, epochs, elections)


def write_run(root: Path, task: Task, method: str, seed: int, epochs: int, elections: int) -> None:
    rng = np.random.default_rng([seed, *f"{task.name} {method}".encode()])
    folder = root / f"{task.name.replace('/', '-')}.{method.replace(':', '-')}.seed{seed}"
    folder.mkdir(parents=True)
    final, kept = METHODS[method]
    ledger = made_elections(rng, elections, epochs) if final is None else _updates(elections, epochs)
    levels = _levels(epochs, final, ledger)
    reference = task.reference if task.reference is not None else task.random + 1
    skill = kept * rng.normal(1.0, 0.15) * (1 - np.exp(-np.arange(1, epochs + 1) / (0.25 * epochs)))
    returns = task.random + (reference - task.random) * (skill + rng.normal(0, 0.03, epochs))
    rows = [(row["agent_step"], row) for row in ledger]
    episodes = rng.normal(returns[:, None], 1, (epochs, 5)).tolist()
    for i, (level, value) in enumerate(zip(levels.tolist(), returns.tolist(), strict=True)):
        row = {"kind": "epoch", **_clocks((i + 1) * EPOCH), "epoch": i + 1, "return": value, "episodes": 5}
        row |= {"episode_returns": episodes[i], "episode_lengths": [EPOCH // 5] * 5, "loss": 1 / (i + 1)}
        row |= {"sparsity": level, "layer_sparsity": dict.fromkeys(LAYERS, level), "seconds": 60.0 * (i + 1)}
        rows.append((row["agent_step"], row | {"actor_sparsity": None, "actor_layer_sparsity": None}))
        rows.append((row["agent_step"], _diagnostics(i + 1, level)))
    rows.sort(key=lambda pair: pair[0])
    (folder / schema.METRICS).write_text("".join(json.dumps(row) + "\n" for _, row in rows))
    options = {"environment": {"sticky_actions": 0.25}, "trainer": {"epochs": epochs, "epoch_agent_steps": EPOCH}}
    config = {"schema": schema.SCHEMA, "name": folder.name, "task": task.name, "method": method, "seed": seed}
    config |= {"options": {**options, "method": {}}, "versions": {"project": "0a1b2c3d"}}
    schema.write_json(folder / schema.CONFIG, {**config, "total_agent_steps": epochs * EPOCH}, lasting=False)
    schema.write_json(
        folder / schema.STATUS, {"status": "finished", "error": None, "seconds": 60.0 * epochs}, lasting=False
    )
    schema.write_json(folder / schema.COSTS, _costs(1 - float(levels[-1]), rng), lasting=False)


def _diagnostics(epoch: int, level: float) -> dict[str, Any]:
    """Of a network of which as many units are dormant as weights are pruned."""
    units, norm = {f"0/{path.removesuffix('/kernel')}": level for path in LAYERS}, {"0": 10.0 / epoch}
    measures = {"dormant": units, "disconnected": units, "effective_rank": {"0": 16.0}, "mask_overlap": {"0": 1.0}}
    measures |= {"weight_norm": norm, "gradient_norm": norm, "agreement": None, "transitions": 256, "epoch": epoch}
    return schema.row("diagnostics", _clocks(epoch * EPOCH), **measures)


def _costs(density: float, rng: np.random.Generator) -> dict[str, Any]:
    """Those of a network of a million weights, whose sparse layers are faster from a sparsity of 0.9 on."""
    kept, size = int(1e6 * density), min(4.0, 4.5 * density) * 1e6
    ways = {"jax": 300.0, "onnxruntime": 100.0, "numpy": 120.0, "runner": 120 * min(1.0, 10 * density) + 10}
    return {
        "policy": {
            "parameters": 10**6,
            "kept": kept,
            "kept_cleaned": kept,
            "bytes": {"dense": 4e6, "compact_disk": size, "compact_disk_float16": size / 2, "compact_memory": size},
            "multiply_adds": {"dense": 1e7, "sparse": 10 * kept, "cleaned_dense": 1e7, "cleaned_sparse": 10 * kept},
        },
        "training": {"executed": 1e15, "ideal": 1e15 * (1 + density) / 2},
        "latency": {
            "load": 1.0,
            "ways": {way: {"median": m * rng.normal(1, 0.03), "p95": 1.5 * m} for way, m in ways.items()},
        },
    }


def _clocks(agent_step: int) -> dict[str, int]:
    return {"agent_step": agent_step, "frame": 4 * agent_step, "gradient_step": agent_step // 4}


def _levels(epochs: int, final: float | None, ledger: list[dict[str, Any]]) -> np.ndarray:
    """The sparsity at the end of each epoch: the cubic schedule, or what was elected."""
    if final is not None:
        return final * (1 - (1 - np.clip((np.arange(1, epochs + 1) / epochs - 0.2) / 0.6, 0, 1)) ** 3)
    steps = [row["agent_step"] for row in ledger]
    where = np.searchsorted(steps, EPOCH * np.arange(1, epochs + 1), side="right") - 1
    return np.array([ledger[max(i, 0)]["sparsities"][0] for i in where])


def _updates(count: int, epochs: int) -> list[dict[str, Any]]:
    """Of one network, which is elected by nobody else."""
    one = {"losses": [1.0], "sparsities_before": [0.0], "elected": 0, "sparsities": [0.0], "reset": [False]}
    clocks = (_clocks((i + 1) * epochs * EPOCH // count) for i in range(count))
    return [{"kind": "target_update", **clock, **one, "actor_sparsity": None} for clock in clocks]


def made_elections(rng: np.random.Generator, count: int, epochs: int) -> list[dict[str, Any]]:
    """Sparser networks win ever less often, as the sparsity grows."""
    level, offered = 0.0, np.zeros(NETWORKS)
    rows = []
    for i in range(count):
        cost = 1 + (offered - level) * (12 * level - 2) + rng.normal(0, 0.01, NETWORKS)
        losses = np.full(NETWORKS, 1.0) if i == 0 else cost
        elected = int(losses.argmin())
        before, level = offered, float(offered[elected])
        offered = np.concatenate([[level], np.minimum(level + rng.uniform(0, 0.04, NETWORKS - 1), 0.999)])
        row = schema.row(
            "target_update",
            _clocks((i + 1) * epochs * EPOCH // count),
            losses=losses,
            sparsities_before=before,
            elected=elected,
            sparsities=offered,
            reset=[False] + [True] * (NETWORKS - 1),
            actor_sparsity=None,
        )
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Write made-up run folders.")
    parser.add_argument("folder", type=Path)
    for name, value in (("tasks", 60), ("methods", len(METHODS)), ("seeds", 10), ("epochs", 200), ("elections", 100)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    tasks = [name for name, task in TASKS.items() if task.reference is not None]
    write_runs(
        given.folder, tasks[: given.tasks], list(METHODS)[: given.methods], given.seeds, given.epochs, given.elections
    )


if __name__ == "__main__":
    main()
