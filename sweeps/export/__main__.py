"""Export the policy of a finished run: `python -m sweeps.export RUN [--format compact|onnx|dense]`.

Writes RUN/export/ and RUN/costs.json. Units that pruning has cut off are removed first, which changes no action. The
greedy actions of each format are compared with those of the agent in JAX, on observations of the task.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from suite.deploy import compact, costs
from suite.deploy.cleanup import Cleaned, clean
from suite.deploy.runner import Runner
from suite.environments import environment_of
from suite.errors import Parser, UserError, expanded, first_line, whole_number
from suite.program import extensions
from suite.program.command import program, start
from suite.record import schema
from sweeps.export import latency, onnx_graph
from sweeps.export.formats import EXPORTED, FORMATS, Act, card_of, exported

OBSERVATIONS = 1_000  # on which the formats are compared
EXPLORATION = 0.1  # fraction of random actions on the way to them
TOLERANCE = 1e-4  # of the largest output: values of two actions closer than this are a tie; means of a vector are equal


def export(folder: Path, formats: Sequence[str], dtype: str, calls: int, observations: int = OBSERVATIONS) -> list[str]:
    """Write the formats and the costs; return the lines to print. With `calls` of 0 earlier latencies stay.

    Raises UserError when the run has no policy, or when the actions of a format differ from the agent's: it is not
    written, and an earlier one stays. Actions of half precision may differ; the lines say how often.
    """
    card = card_of(folder)
    policy = costs.policy_of(folder, card)
    cleaned = clean(policy)
    runner = Runner(policy)
    seen = record(environment_of(card), runner, observations)
    lines = [_removed(cleaned)]
    asked = list(map(FORMATS["jax"](folder, card), seen))
    for name in formats:
        path = exported(folder, name)
        with _replacing(folder) as new:
            _write(exported(new, name), name, cleaned, card, dtype)
            same = agreement(FORMATS[name](new, card), asked, seen, runner)
            if same < 1 and (name != "compact" or dtype == "float32"):
                raise UserError(f"{path}: {1 - same:.2%} of the actions differ from the agent's; it is not written")
        lines.append(f"{path}: {path.stat().st_size:,} bytes, {same:.2%} of {len(seen):,} greedy actions as in JAX")
    measured = costs.of_run(folder, card)
    measured["latency"] = latency.in_process(folder, calls) if calls else _latency(folder)
    schema.write_json(folder / schema.COSTS, measured)
    return [*lines, *(latency.lines(measured["latency"]) if calls else ())]


def _latency(folder: Path) -> Any:
    """Return the latencies that an earlier export measured; None if there are none."""
    path = folder / schema.COSTS
    return schema.read_json(path).get("latency") if path.exists() else None


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Yield a folder like a run's; its exports replace those in `folder`, unless something is raised."""
    try:
        with TemporaryDirectory(prefix=".export-", dir=folder) as new:
            (Path(new) / schema.EXPORT).mkdir()
            yield Path(new)
            (folder / schema.EXPORT).mkdir(exist_ok=True)
            for path in (Path(new) / schema.EXPORT).iterdir():
                path.replace(folder / schema.EXPORT / path.name)
    except OSError as error:
        raise UserError(f"{folder / schema.EXPORT}: cannot be written ({error.strerror})") from None


def _write(path: Path, name: str, cleaned: Cleaned, card: Mapping[str, Any], dtype: str) -> None:
    about = {**compact.origin(card), "units_removed": cleaned.removed}
    if name == "onnx":
        texts = {key: str(value) for key, value in about.items()}
        path.write_bytes(onnx_graph.build(cleaned.policy, card["network"]["observation"]["dtype"], texts))
    else:
        encodings = ("dense",) if name == "dense" else tuple(compact.ENCODINGS)
        compact.write(path, cleaned.policy, about, dtype if name == "compact" else "float32", encodings)


def record(environment: Any, act: Act, count: int) -> list[np.ndarray]:
    """Return `count` observations that the policy meets with some random actions, the same in each call."""
    rng = np.random.default_rng(0)
    environment.action_space.seed(0)
    observation, _ = environment.reset(seed=0)
    seen: list[np.ndarray] = []
    while len(seen) < count:
        seen.append(np.array(observation))
        action = environment.action_space.sample() if rng.random() < EXPLORATION else act(observation)
        observation, _, terminated, truncated, _ = environment.step(action)
        if terminated or truncated:
            observation, _ = environment.reset()
    environment.close()
    return seen


def agreement(act: Act, asked: Sequence[np.ndarray], seen: Sequence[np.ndarray], runner: Runner) -> float:
    """Return the share of observations on which `act` acts as asked, up to TOLERANCE; `runner` gives the outputs."""
    same = 0
    for observation, wanted in zip(seen, asked, strict=True):
        chosen, outputs = act(observation), runner.outputs(observation)
        if runner.action == "argmax":
            gap = abs(outputs[int(wanted)] - outputs[int(chosen)])
            same += bool(chosen == wanted or gap <= TOLERANCE * np.abs(outputs).max())
        else:
            same += bool(np.abs(chosen - wanted).max() <= TOLERANCE)
    return same / len(seen)


def _removed(cleaned: Cleaned) -> str:
    layers = zip(cleaned.removed, cleaned.policy.hidden, strict=True)
    went = ", ".join(f"{gone} of {gone + len(layer.weight)}" for gone, layer in layers)
    stayed = sum(cleaned.constant)
    return f"units removed, by hidden layer: {went}" + (
        f"; {stayed} constant units cannot be removed" if stayed else ""
    )


@program
def main(argv: Sequence[str]) -> int:
    """Export the policy of a run."""
    parser = Parser(prog="python -m sweeps.export", description=first_line(__doc__))
    add = parser.add_argument
    add("run", type=expanded, metavar="RUN", help="the folder of a finished run")
    add("--format", choices=("all", *EXPORTED), default="all", help="format to write [all]")
    add("--dtype", choices=compact.DTYPES, default="float32", help="type of the compact format's weights [float32]")
    add(
        "--calls",
        type=whole_number(0, 10**6),
        default=1_000,
        help="timed calls of each format; 0: keep the latencies of an earlier export [1000]",
    )
    extensions.add_option(parser)
    given = parser.parse_args(argv)
    extensions.load(given.modules)
    formats = EXPORTED if given.format == "all" else (given.format,)
    print("\n".join(export(given.run, formats, given.dtype, given.calls)))
    return 0


if __name__ == "__main__":
    start(main)
