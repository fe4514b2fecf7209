"""Measure how long one action takes: batch 1, one thread, all ways of acting in turn, in a process of their own.

`python -m sweeps.export.latency RUN CALLS` prints one line of JSON; sweeps.export starts it on one core.
"""

import contextlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from suite.deploy.cleanup import clean
from suite.deploy.costs import policy_of
from suite.deploy.runner import Runner
from suite.deploy.timing import by_turns
from suite.errors import Parser, UserError, first_line, whole_number
from suite.program import limits
from suite.program.command import program, start
from sweeps.engines import workers
from sweeps.engines.endings import reason
from sweeps.export import onnx_graph
from sweeps.export.formats import FORMATS, card_of

OBSERVATIONS = 64  # different ones, so that no branch or cache knows its input


def in_process(folder: Path, calls: int) -> dict[str, Any]:
    """Measure the latencies of a run's policy in a process on one core. Raises UserError when that fails."""
    command = [sys.executable, "-m", "sweeps.export.latency", str(folder.resolve()), str(calls)]
    process = workers.start(command, limits.cores()[:1], subprocess.PIPE)
    try:
        output = process.communicate()[0].decode(errors="replace")
    finally:
        workers.stop([process], hurry=lambda: True)
    for line in reversed(output.splitlines()):
        with contextlib.suppress(ValueError):
            measured = json.loads(line)
            if isinstance(measured, dict):
                return measured
    raise UserError(f"the latency of {folder.name} cannot be measured: {reason(process.returncode, output)}")


def measure_latency(folder: Path, calls: int) -> dict[str, Any]:
    """Return median and 95th percentile (microseconds, warm caches) of each way of acting, and the runner's choices."""
    card = card_of(folder)
    policy = policy_of(folder, card)
    cleaned = clean(policy).policy
    runner = Runner(cleaned)
    ways: dict[str, Callable[[np.ndarray], Any]] = {
        "jax": FORMATS["jax"](folder, card),
        **_onnx(card["network"]["observation"]["dtype"], {"onnxruntime": policy, "onnxruntime_cleaned": cleaned}),
        "numpy": Runner(policy, ["dense"] * len(policy.layers)),
        "runner": runner,
    }
    observations = cycle(_observations(card["network"]["observation"]))
    seconds = by_turns({name: partial(_act_on, act, observations) for name, act in ways.items()}, calls)
    return {
        "machine": f"{platform.machine()}, {platform.system()}",
        "load": os.getloadavg()[0],  # of the machine: above its cores, these numbers are too large
        "calls": calls,
        "unit": "microseconds",
        "ways": {
            name: {"median": 1e6 * float(np.median(values)), "p95": 1e6 * float(np.quantile(values, 0.95))}
            for name, values in seconds.items()
        },
        "runner_bytes": runner.nbytes,
        "runner_choices": [choice._asdict() for choice in runner.choices],
    }


def _onnx(dtype: str, policies: Mapping[str, Any]) -> dict[str, Callable[[np.ndarray], Any]]:
    """Return policies as functions that act by onnxruntime; nothing if the extra packages are not installed."""
    try:
        return {name: onnx_graph.load(onnx_graph.build(policy, dtype, {})).act for name, policy in policies.items()}
    except UserError:
        return {}


def _observations(about: Mapping[str, Any]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    if about["dtype"] == "uint8":
        return list(rng.integers(0, 256, (OBSERVATIONS, *about["shape"]), np.uint8))
    return list(rng.standard_normal((OBSERVATIONS, *about["shape"]), np.float32))


def _act_on(act: Callable[[np.ndarray], Any], observations: Iterator[np.ndarray]) -> None:
    act(next(observations))


def lines(measured: Mapping[str, Any]) -> list[str]:
    """Return what was measured as lines of text for the user."""
    kinds = ", ".join(choice["kind"] for choice in measured["runner_choices"])
    return [
        f"one action, microseconds (median, 95th percentile of {measured['calls']:,} calls):",
        *(f"  {name}: {value['median']:,.0f}, {value['p95']:,.0f}" for name, value in measured["ways"].items()),
        f"  the runner's layers: {kinds}",
    ]


@program
def main(argv: Sequence[str]) -> int:
    """Print the latencies of a run's policy as one line of JSON."""
    parser = Parser(prog="python -m sweeps.export.latency", description=first_line(__doc__))
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a finished run")
    parser.add_argument("calls", type=whole_number(1, 10**6), metavar="CALLS", help="timed calls of each way of acting")
    given = parser.parse_args(argv)
    print(json.dumps(measure_latency(given.run, given.calls)))
    return 0


if __name__ == "__main__":
    start(main)
