"""From which sparsity on sparse layers are faster: `make bench-inference`.

Layers of the suite's networks, batch 1, one thread, dense and sparse side by side in one process on one core. Writes
measurements.csv and machine.json; analysis.inference makes a table and a figure of them.
"""

import contextlib
import csv
import json
import math
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from suite.deploy import runner
from suite.deploy.network import Layer, Policy, positions
from suite.deploy.timing import by_turns
from suite.errors import Parser, UserError, expanded, whole_number
from suite.layers import Shape
from suite.program import limits
from suite.program.command import program, start
from sweeps.engines import workers
from sweeps.export import onnx_graph

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


def pruned(weight: np.ndarray, sparsity: float, rng: np.random.Generator) -> np.ndarray:
    """Return a copy with a random share of its weights set to zero."""
    return np.where(rng.random(weight.shape) < sparsity, np.float32(0), weight)


def make_layer(kernel: Shape, stride: int) -> Layer:
    """Return a layer with a ReLU, whose weights are standard normal and the same in each call; its biases are zero."""
    rng = np.random.default_rng(0)
    return Layer(rng.standard_normal(kernel, np.float32), np.zeros(kernel[0], np.float32), stride, True)


def dense_ways(layer: Layer, shape: Shape) -> dict[str, runner.Step]:
    """Return way -> function of the whole layer: numpy, and onnxruntime and OpenVINO if they are installed."""
    policy = Policy(shape, 1.0, (layer,), "argmax")
    return {"numpy dense": runner.step(layer, layer.matrix, shape), **_dense_runtimes(policy)}


def sparse_ways(layer: Layer, shape: Shape, sparsity: float) -> dict[str, runner.Step]:
    """Return way -> function of the layer without a share of its weights.

    These are single weights (CSR), blocks (BSR), units, and in a dense layer all but one in every group of M.
    """
    rng = np.random.default_rng(1)
    unstructured = pruned(layer.matrix, sparsity, rng)
    kept = rng.random((len(layer.matrix) // BLOCK, layer.matrix.shape[1] // BLOCK)) >= sparsity
    blocks = layer.matrix * np.kron(kept, np.ones((BLOCK, BLOCK), np.float32))
    units = max(round((1 - sparsity) * len(layer.weight)), 1)
    fewer = layer._replace(weight=layer.weight[:units], bias=layer.bias[:units])
    gathered = _gathered(layer, sparsity, rng)
    found = {
        "scipy CSR": runner.step(layer, sparse.csr_array(unstructured), shape),
        f"scipy BSR {BLOCK}x{BLOCK}": runner.step(layer, sparse.bsr_array(blocks, blocksize=(BLOCK, BLOCK)), shape),
        "fewer units": runner.step(fewer, fewer.matrix, shape),
    }
    return found if layer.convolves else {**found, "1:M by index": runner.step(layer, gathered, shape)}


class Gathered(NamedTuple):
    """A matrix with n weights in each row, and their columns; numpy and scipy have no kernel of their own for N:M."""

    values: np.ndarray  # float32 [rows, n]
    columns: np.ndarray  # int64 [rows, n]

    def dot(self, x: np.ndarray) -> np.ndarray:
        """Return the product with a vector, float32 [rows]."""
        products: np.ndarray = np.einsum("ij,ij->i", self.values, x[self.columns])
        return products


def _gathered(layer: Layer, sparsity: float, rng: np.random.Generator) -> Gathered:
    """Keep one random weight in each group of M in a row."""
    rows, width = layer.matrix.shape
    count = max(round((1 - sparsity) * width), 1)
    columns = ((np.arange(count) + rng.random((rows, count))) * (width / count)).astype(np.int64)
    return Gathered(np.take_along_axis(layer.matrix, columns, axis=1), columns)


def _dense_runtimes(policy: Policy) -> dict[str, runner.Step]:
    """Return the policy in onnxruntime and OpenVINO, if installed, with one thread; nothing without onnx."""
    found: dict[str, runner.Step] = {}
    try:
        model = onnx_graph.build(policy, "float32", {})
    except UserError:
        return found
    with contextlib.suppress(UserError):
        found["onnxruntime dense"] = onnx_graph.load(model).act
    try:
        import openvino
    except ImportError:
        return found
    core = openvino.Core()
    hints = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(core.read_model(model), "CPU", hints).create_infer_request()
    found["OpenVINO dense"] = lambda x: request.infer({"observation": x[None]}, share_inputs=True)
    return found


def time_layers(calls: int, layers: Mapping[str, tuple[Shape, Shape, int]] = LAYERS) -> list[tuple[Any, ...]]:
    """Time layers, each dense and at SPARSITIES; return lines with the columns COLUMNS, in microseconds."""
    lines: list[tuple[Any, ...]] = []
    for name, (shape, kernel, stride) in layers.items():
        layer, x = make_layer(kernel, stride), np.random.default_rng(2).standard_normal(shape, np.float32)
        dense, size = dense_ways(layer, shape), (math.prod(kernel), positions(layer, shape))
        for sparsity in SPARSITIES:
            steps = {**dense, **sparse_ways(layer, shape, sparsity)}
            for way, seconds in by_turns({way: partial(step, x) for way, step in steps.items()}, calls).items():
                times = (round(1e6 * float(np.quantile(seconds, q)), 2) for q in (0.5, 0.95))
                lines.append((name, *size, sparsity, way, len(seconds), *times))
            print(f"{name}, sparsity {sparsity}", file=sys.stderr, flush=True)
    return lines


def machine() -> dict[str, Any]:
    """Return what the numbers depend on: processor, cores, load and versions (None: not installed)."""
    versions: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    model = limits.processor().get("model name", platform.machine())
    return {"cpu": model, "cores": os.cpu_count(), "load": os.getloadavg()[0], "versions": versions}


@program
def main(argv: Sequence[str]) -> int:
    """Time dense and sparse layers, in a process on one core."""
    parser = Parser(prog="python -m sweeps.bench.inference", description=DESCRIPTION)
    parser.add_argument("--out", type=expanded, default=Path("runs/inference"), help="where to write [runs/inference]")
    parser.add_argument("--calls", type=whole_number(1, 10**6), default=300, help="timed calls of each way [300]")
    parser.add_argument("--here", action="store_true", help="measure in this process, without limiting it to one core")
    given = parser.parse_args(argv)
    if not given.here:  # thread pools are made when numpy is imported, so another process
        command = [sys.executable, "-m", "sweeps.bench.inference", "--here", "--out", str(given.out.resolve())]
        process = workers.start([*command, "--calls", str(given.calls)], limits.cores()[:1], sys.stderr.fileno())
        try:
            return process.wait()
        finally:
            workers.stop([process], hurry=lambda: True)
    given.out.mkdir(parents=True, exist_ok=True)  # fails now, and not after minutes of measuring
    before = machine()
    lines = time_layers(given.calls)
    with (given.out / "measurements.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *lines])
    (given.out / "machine.json").write_text(
        json.dumps(before | {"load_after": os.getloadavg()[0]}, indent=1) + "\n", encoding="utf-8"
    )
    return 0


if __name__ == "__main__":
    start(main)
