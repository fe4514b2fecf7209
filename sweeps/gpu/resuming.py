"""Part (c): whether a run that was interrupted ends bit for bit as one that was not, and what it costs to be sure."""

import hashlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

from suite.program.command import start
from suite.record import schema
from sweeps.config import RunConfig
from sweeps.gpu import runs
from sweeps.gpu.loops import milliseconds
from sweeps.gpu.sizes import SIZES, Measured, Row, Size

DETERMINISTIC = "--xla_gpu_deterministic_ops=true"
ALONE, RESUMED, COST = "alone", "resumed", "cost.json"


def measure(size: Size, scratch: Path, measured: Measured) -> Iterator[Row]:
    """Yield a row for each case, with and without deterministic operations.

    Other processes compute, because XLA reads its flags when a process starts.
    """
    for case, deterministic in itertools.product(cases(size), (True, False)):
        folder = scratch / f"{case}-{deterministic}"
        flags = f"{os.environ.get('XLA_FLAGS', '')} {DETERMINISTIC if deterministic else ''}".strip()
        for attempt in ("interrupt", "resume"):
            command = [sys.executable, "-m", "sweeps.gpu.resuming", size.name, case, str(folder), attempt]
            subprocess.run(command, env={**os.environ, "XLA_FLAGS": flags}, check=True)
        yield {
            "case": case,
            "deterministic operations": deterministic,
            "bit for bit": numbers(folder / ALONE) == numbers(folder / RESUMED),
            **json.loads((folder / COST).read_text(encoding="utf-8")),
        }


def cases(size: Size) -> dict[str, RunConfig]:
    """Return short runs with several target updates, by their names."""

    def run_of(case: runs.Case, ratio: float) -> RunConfig:
        steps = int(size.resumed_steps * ratio)
        return runs.run_of(case, max(size.networks[:2]), steps, size.filled, learner__target_update_period=steps // 5)

    found = {"DQN": (runs.dqn(size), 0.25), "SAC": (runs.sac(size), 1.0)}
    return {name: run_of(*found[name]) for name in size.resumed}


def numbers(folder: Path) -> tuple[list[dict[str, Any]], str]:
    """Return a run's record without its times: its rows, and the SHA-256 of its policy."""
    rows = [
        {key: value for key, value in row.items() if key != "seconds"}
        for row in schema.read_rows(folder / schema.METRICS)
    ]
    return rows, hashlib.sha256((folder / schema.POLICY).read_bytes()).hexdigest()


def gradient_step(run: RunConfig, seconds: float) -> float:
    """Return milliseconds of a gradient step, its batch on the device."""
    experience, learner = runs.parts(run)
    batch, state = jax.device_put(next(runs.batches(run, experience))), learner.init(run.seed)

    def step() -> Any:
        nonlocal state
        state = learner.gradient_step(state, batch)
        return state

    return milliseconds(step, seconds)


def main() -> int:
    """Train a whole run and the first half of another, or resume the second."""
    size, case, folder, attempt = SIZES[sys.argv[1]], sys.argv[2], Path(sys.argv[3]), sys.argv[4]
    runs.begin()
    run = cases(size)[case]
    if attempt == "resume":
        runs.train(run, folder / RESUMED)
        return 0
    runs.train(run, folder / ALONE)
    turns, middle = itertools.count(), size.filled + size.resumed_steps // 2
    try:
        runs.train(run, folder / RESUMED, asked=lambda: next(turns) >= middle)
    except KeyboardInterrupt:  # its checkpoint is written
        cost = {"gradient step (ms)": gradient_step(run, size.seconds)}
        (folder / COST).write_text(json.dumps(cost), encoding="utf-8")
        return 0
    raise RuntimeError("the run ended before it was interrupted")


if __name__ == "__main__":
    start(main)
