"""From which sparsity on sparse layers are faster: `make bench-inference`.

Layers of the suite's networks, batch 1, one thread, dense and sparse side by side in one process on one core. Writes
measurements.csv and machine.json; analysis.inference makes a table and a figure of them.
"""

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from suite.deploy import runner
from suite.deploy.network import Layer, Policy, Shape, positions
from suite.deploy.timing import by_turns
from suite.errors import UserError
from sweeps import onnx_form
from sweeps.engines import workers

#: Of the networks with their usual widths: input shape, kernel shape, stride.
LAYERS: dict[str, tuple[Shape, Shape, int]] = {
    "SAC 256x256": ((256,), (256, 256), 1),
    "nature dense 512x7744": ((7744,), (512, 7744), 1),
    "nature dense 2048x7744": ((7744,), (2048, 7744), 1),
    "nature conv 8x8": ((4, 84, 84), (32, 4, 8, 8), 4),
    "nature conv 4x4": ((32, 21, 21), (64, 32, 4, 4), 2),
    "nature conv 3x3": ((64, 11, 11), (64, 64, 3, 3), 1),
}
SPARSITIES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
BLOCK = 4  # side of the blocks of block-sparse pruning
COLUMNS = ("layer", "weights", "positions", "sparsity", "way", "calls", "median", "p95")  # microseconds
DESCRIPTION = "Layers of the suite's networks, dense and sparse, timed."
PACKAGES = ("numpy", "scipy", "onnxruntime", "openvino")

Act = Callable[[], Any]


def pruned(weight: np.ndarray, sparsity: float, rng: np.random.Generator) -> np.ndarray:
    """A copy with a random share of its weights set to zero."""
    return np.where(rng.random(weight.shape) < sparsity, np.float32(0), weight)


def ways(shape: Shape, kernel: Shape, stride: int, sparsity: float) -> dict[str, Act]:
    """One layer computed in every way that there is, each on an input of its own."""
    rng = np.random.default_rng(0)
    layer = Layer(rng.standard_normal(kernel, np.float32), np.zeros(kernel[0], np.float32), stride, True)
    x = rng.standard_normal(shape, np.float32)
    unstructured = layer._replace(weight=pruned(layer.weight, sparsity, rng))
    units = max(round((1 - sparsity) * kernel[0]), 1)
    smaller = Layer(layer.weight[:units], layer.bias[:units], stride, True)
    kept = rng.random((kernel[0] // BLOCK, layer.matrix.shape[1] // BLOCK)) >= sparsity
    blocks = np.kron(kept, np.ones((BLOCK, BLOCK)))
    in_blocks = sparse.bsr_array((layer.matrix * blocks).astype(np.float32), blocksize=(BLOCK, BLOCK))
    found = {
        "numpy dense": runner.step(layer, layer.matrix, shape),
        "scipy CSR": runner.step(layer, sparse.csr_array(unstructured.matrix), shape),
        f"scipy BSR {BLOCK}x{BLOCK}": runner.step(layer, in_blocks, shape),
        "fewer units": runner.step(smaller, smaller.matrix, shape),
        **_dense_runtimes(Policy(shape, 1.0, (layer,), "argmax")),
    }
    if len(kernel) == 2:
        found["N:M by index"] = _gather(layer, sparsity, rng)
    return {name: partial(step, x) for name, step in found.items()}


def _gather(layer: Layer, sparsity: float, rng: np.random.Generator) -> runner.Step:
    """N of M weights kept in every row alike, as an array of columns: no kernel of numpy or scipy knows more of N:M."""
    rows, width = layer.matrix.shape
    count = max(round((1 - sparsity) * width), 1)
    columns = np.sort(rng.random((rows, width)).argpartition(count - 1, axis=1)[:, :count], axis=1)
    values = np.take_along_axis(layer.matrix, columns, axis=1)
    return lambda x: np.einsum("ij,ij->i", values, x[columns])


def _dense_runtimes(policy: Policy) -> dict[str, runner.Step]:
    """onnxruntime and OpenVINO with one thread, those that are installed."""
    found: dict[str, runner.Step] = {}
    try:
        model = onnx_form.build(policy, "float32", {})
        found["onnxruntime dense"] = onnx_form.load(model)
    except UserError:
        return found
    try:
        import openvino
    except ImportError:
        return found
    core = openvino.Core()
    hints = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(core.read_model(model), "CPU", hints).create_infer_request()
    found["OpenVINO dense"] = lambda x: request.infer({"observation": x[None]}, share_inputs=True)
    return found


def measure(calls: int, layers: Mapping[str, tuple[Shape, Shape, int]] = LAYERS) -> list[tuple[Any, ...]]:
    """Lines with the columns COLUMNS."""
    lines: list[tuple[Any, ...]] = []
    for name, (shape, kernel, stride) in layers.items():
        applied = positions(Layer(np.zeros(kernel, np.float32), np.zeros(kernel[0], np.float32), stride, True), shape)
        for sparsity in SPARSITIES:
            for way, seconds in by_turns(ways(shape, kernel, stride, sparsity), calls).items():
                times = (round(1e6 * float(np.quantile(seconds, q)), 2) for q in (0.5, 0.95))
                lines.append((name, int(np.prod(kernel)), applied, sparsity, way, len(seconds), *times))
            print(f"{name}, sparsity {sparsity}", file=sys.stderr, flush=True)
    return lines


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    versions: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    model = next((line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")), "")
    cores = os.cpu_count()
    return {"cpu": model or platform.machine(), "cores": cores, "load": os.getloadavg()[0], "versions": versions}


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sweeps.bench_inference", description=DESCRIPTION)
    parser.add_argument("--out", type=Path, default=Path("results/inference"), help="folder [results/inference]")
    parser.add_argument("--calls", type=int, default=300, help="timed calls of each way [300]")
    parser.add_argument("--here", action="store_true", help="measure in this process, as it is, and not on one core")
    given = parser.parse_args()
    if not given.here:  # thread pools are made when numpy is imported, so another process
        command = [sys.executable, "-m", "sweeps.bench_inference", "--here", "--out", str(given.out.resolve())]
        process = workers.start([*command, "--calls", str(given.calls)], workers.cores()[:1], subprocess.DEVNULL)
        try:
            return process.wait()
        finally:
            workers.stop([process], hurry=lambda: True)
    before = machine()
    lines = measure(max(given.calls, 1))
    given.out.mkdir(parents=True, exist_ok=True)
    with (given.out / "measurements.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *lines])
    (given.out / "machine.json").write_text(json.dumps(before | {"load_after": os.getloadavg()[0]}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
