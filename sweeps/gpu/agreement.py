"""Part (b): whether the accelerator learns what a CPU learns, from the same batches.

A process on the CPU writes its parameters, elections and losses; this one computes the same and compares.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from suite import device
from suite.program import compile_cache
from suite.program.command import start
from sweeps.config import RunConfig
from sweeps.gpu import runs
from sweeps.gpu.sizes import SIZES, Measured, Row, Size

Arrays = dict[str, np.ndarray]
FULL_PRODUCTS = "highest"  # of JAX's matmul precisions: float32 with all its bits
CLOSE = 1e-4  # relative difference that rounding alone may make in a gradient step; later ones build on it


class Problem(NamedTuple):
    """What is learned in both processes, and how the accelerator does it."""

    name: str  # also of the file with the CPU's results
    run: RunConfig
    way: str = "looped"
    precision: str | None = FULL_PRODUCTS  # None: the device's default


def problems(size: Size, data: Path, on_cpu: bool = False) -> list[Problem]:
    """Return all problems. A CPU loops over the networks in each of them."""

    def run_of(case: runs.Case, networks: int, vectorize: bool = False) -> RunConfig:
        clock = {"learner__target_update_period": size.period, "learner__vectorize": vectorize and not on_cpu}
        return runs.run_of(case, networks, size.gradient_steps, size.filled, **clock)

    dqn, many = runs.dqn(size), max(size.networks[:2])
    return [
        Problem("DQN, K = 1", run_of(dqn, 1)),
        Problem(f"DQN, K = {many}", run_of(dqn, many, vectorize=True), "vmapped"),
        Problem(f"DQN, K = {many}", run_of(dqn, many)),
        Problem(f"SAC, K = {many}", run_of(runs.sac(size), many, vectorize=True), "vmapped"),
        Problem(f"CQL, K = {many}", run_of(runs.cql(size, data), many, vectorize=True), "vmapped"),
        Problem(f"DQN, K = {many}", run_of(dqn, many, vectorize=True), "vmapped", None),
    ]


def measure(size: Size, scratch: Path, measured: Measured) -> Iterator[Row]:
    """Yield the rows of `compare` for each problem, which this process and one on the CPU solve side by side."""
    command = [sys.executable, "-m", "sweeps.gpu.agreement", size.name, str(scratch)]
    on_cpu = subprocess.Popen(command, env={**os.environ, "JAX_PLATFORMS": "cpu"})
    try:
        runs.begin()
        for problem in problems(size, scratch / "data"):
            with jax.default_matmul_precision(problem.precision):
                found = learn(problem.run, size)
            yield from compare(problem, found, wait_for(scratch / f"{problem.name}.npz", on_cpu), size)
    finally:
        on_cpu.terminate()
        on_cpu.wait()


def wait_for(path: Path, process: "subprocess.Popen[bytes]") -> Arrays:
    """Return the arrays of a file that a process is going to write. Raises RuntimeError if it ends before."""
    while not path.exists():
        if process.poll() is not None and not path.exists():
            raise RuntimeError(f"the process on the CPU ended with code {process.returncode} before it wrote {path}")
        time.sleep(0.05)
    with np.load(path) as file:
        return dict(file)


def learn(run: RunConfig, size: Size) -> Arrays:
    """Take the gradient steps of a run, and return arrays by name.

    "<gradient step> <layer>" has parameters of online network 0; "elected" [updates] and "losses" [updates, K] are
    those of each target update.
    """
    experience, learner = runs.parts(run)
    state, found = learner.init(run.seed), {}
    elected, losses = [], []
    for step, batch in zip(range(1, size.gradient_steps + 1), runs.batches(run, experience), strict=False):
        state = learner.update(state, batch, step - 1)
        if step in size.looked_at:
            for path, leaf in jax.tree.leaves_with_path(state.online[0].params):
                found[f"{step} {jax.tree_util.keystr(path, simple=True, separator='/')}"] = np.asarray(leaf)
        if step % learner.target_update_period == 0:
            state, update = learner.update_target(state)
            elected.append(int(update.elected))
            losses.append(np.asarray(update.losses))
    return found | {"elected": np.array(elected), "losses": np.array(losses)}


def compare(problem: Problem, found: Arrays, expected: Arrays, size: Size) -> Iterator[Row]:
    """Yield a row for each number of gradient steps: the layer that differs most, and the elections until then."""
    for step in size.looked_at:
        layers = {
            name.partition(" ")[2]: difference(found[name], array)
            for name, array in expected.items()
            if name.startswith(f"{step} ")
        }
        worst = max(layers, key=lambda layer: layers[layer])
        updates = step // size.period
        same = found["elected"][:updates] == expected["elected"][:updates]
        yield {
            "problem": problem.name,
            "way": problem.way,
            "products": problem.precision or "default",
            "gradient steps": step,
            "largest relative difference": layers[worst],
            "agrees": layers[worst] <= CLOSE if step == 1 and problem.precision else None,
            "layer": worst,
            "elections": updates,
            "identical elections": int(same.sum()),
            "layers": layers,
        }


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest absolute difference as a share of the largest absolute value; NaN counts as infinite."""
    largest = float(np.abs(expected).max())
    share = float(np.abs(found - expected).max()) / (largest or 1.0)
    return share if np.isfinite(share) else float("inf")


def main() -> int:
    """Write the results of each problem on the CPU, once for all ways."""
    size, scratch = SIZES[sys.argv[1]], Path(sys.argv[2])
    device.choose("cpu")
    compile_cache.use()
    for problem in problems(size, scratch / "data-cpu", on_cpu=True):
        path = scratch / f"{problem.name}.npz"
        if not path.exists():
            with jax.default_matmul_precision(FULL_PRODUCTS):
                arrays = learn(problem.run, size)
            temporary = path.with_suffix(".tmp.npz")
            np.savez(temporary, **arrays)  # type: ignore[arg-type]
            temporary.replace(path)
    return 0


if __name__ == "__main__":
    start(main)
