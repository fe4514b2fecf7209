"""The policy of a finished run in forms that run anywhere: `python -m sweeps.export RUN [--format compact|onnx|dense]`.

Writes RUN/export/ and RUN/costs.json. Units that pruning has cut off are removed first, which changes no action; each
form's greedy actions are compared with those of the agent in JAX on observations of the task.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from suite import costs, records
from suite.deploy import compact
from suite.deploy.cleanup import Cleaned, clean
from suite.deploy.runner import Runner
from suite.errors import Parser, UserError, one_line, whole_number
from sweeps import latency, onnx_form
from sweeps.forms import EXPORTED, FORMS, Act, believing, card_of, environment_of, exported, policy_of

OBSERVATIONS = 1_000  # on which the forms are compared
TOLERANCE = 1e-4  # of the largest output: values of two actions closer than this are a tie; means of a vector are equal


def export(folder: Path, formats: Sequence[str], dtype: str, calls: int, observations: int = OBSERVATIONS) -> list[str]:
    """Write the forms and the costs; -> what to tell. Raises UserError when the run has no policy, or a form acts
    otherwise than the agent."""
    card = card_of(folder)
    policy = policy_of(folder, card)
    cleaned = clean(policy)
    for form in formats:
        _write(folder, form, cleaned, card, dtype)
    seen = record(environment_of(card), Runner(policy), observations)
    lines = [_removed(cleaned)]
    asked = list(map(FORMS["jax"](folder, card), seen))
    for form in formats:
        path = exported(folder, form)
        same = agreement(FORMS[form](folder, card), asked, seen, Runner(policy), policy.action)
        lines.append(f"{path}: {path.stat().st_size:,} bytes, {same:.2%} of {len(seen):,} greedy actions as in JAX")
        if same < 1 and dtype == "float32":
            raise UserError(f"{path}: {1 - same:.2%} of the actions differ from the agent's; it should not be used")
    with believing(folder / records.METRICS):
        measured = costs.of_run(folder, card)
    measured["latency"] = latency.in_process(folder, calls) if calls else None
    records.write_json(folder / records.COSTS, measured)
    return [*lines, *(latency.lines(measured["latency"]) if calls else ())]


def _write(folder: Path, form: str, cleaned: Cleaned, card: Mapping[str, Any], dtype: str) -> None:
    path = exported(folder, form)
    about = {key: card[key] for key in ("name", "task", "method", "seed")}
    about["environment"] = card["options"]["environment"]
    about["units_removed"] = cleaned.removed
    try:
        path.parent.mkdir(exist_ok=True)
        if form == "onnx":
            texts = {key: str(value) for key, value in about.items()}
            path.write_bytes(onnx_form.build(cleaned.policy, card["network"]["observation"]["dtype"], texts))
        else:
            encodings = ("dense",) if form == "dense" else tuple(compact.ENCODINGS)
            compact.write(path, cleaned.policy, about, dtype if form == "compact" else "float32", encodings)
    except OSError as error:
        raise UserError(f"{error.filename or path}: cannot be written ({error.strerror})") from None


def record(environment: Any, act: Act, count: int, exploration: float = 0.1) -> list[np.ndarray]:
    """Observations of the task, as the policy meets them with some random actions. Fixed by the task alone."""
    rng = np.random.default_rng(0)
    environment.action_space.seed(0)
    observation, _ = environment.reset(seed=0)
    seen: list[np.ndarray] = []
    while len(seen) < count:
        seen.append(np.array(observation))
        action = environment.action_space.sample() if rng.random() < exploration else act(observation)
        observation, _, terminated, truncated, _ = environment.step(action)
        if terminated or truncated:
            observation, _ = environment.reset()
    environment.close()
    return seen


def agreement(act: Act, asked: Sequence[np.ndarray], seen: Sequence[np.ndarray], runner: Runner, action: str) -> float:
    """The share of observations on which `act` does what was asked, up to TOLERANCE; `runner` gives the outputs."""
    same = 0
    for observation, wanted in zip(seen, asked, strict=True):
        chosen, outputs = act(observation), runner.outputs(observation)
        if action == "argmax":
            gap = abs(outputs[int(wanted)] - outputs[int(chosen)])
            same += bool(chosen == wanted or gap <= TOLERANCE * np.abs(outputs).max())
        else:
            same += bool(np.abs(chosen - wanted).max() <= TOLERANCE)
    return same / len(seen)


def _removed(cleaned: Cleaned) -> str:
    layers = zip(cleaned.removed, cleaned.policy.layers[:-1], strict=True)
    went = ", ".join(f"{gone} of {gone + len(layer.weight)}" for gone, layer in layers)
    stayed = sum(cleaned.constant)
    return f"units removed, by hidden layer: {went}" + (f"; {stayed} that are constant had to stay" if stayed else "")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = Parser(prog="python -m sweeps.export", description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="the folder of a finished run")
    add("--format", choices=("all", *EXPORTED), default="all", help="what to write [all]")
    add("--dtype", choices=compact.DTYPES, default="float32", help="of the compact form's weights [float32]")
    add(
        "--calls",
        type=whole_number(0, 10**6),
        default=1_000,
        help="timed calls of each way of acting; 0: do not time [1000]",
    )
    try:
        given = parser.parse_args(arguments)
        formats = EXPORTED if given.format == "all" else (given.format,)
        print("\n".join(export(given.run, formats, given.dtype, given.calls)))
    except (UserError, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
