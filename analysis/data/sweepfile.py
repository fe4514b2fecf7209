"""W&B grid sweep files: the values of each parameter, and which runs are cells of the grid."""

import math
from collections.abc import Mapping
from pathlib import Path
from reprlib import repr  # what a file says may be long, and with aliases much longer than the file
from typing import Any

from pydantic import TypeAdapter

from analysis.data.runs import Run
from suite.agents import agents_for
from suite.errors import UserError
from suite.record import sweepfile, yamlfile
from suite.record.sweepfile import NAMED as NAMED
from suite.tasks import task

MOST_CELLS = 100_000
BOOLEAN = TypeAdapter(bool)  # as the options of a run parse a boolean


def read_sweep(path: Path) -> dict[str, list[Any]]:
    """Return the values of each parameter of a sweep file. Raises UserError if it is not a W&B grid."""
    content = yamlfile.read(path)
    given = content.get("parameters") if isinstance(content, Mapping) else None
    if not isinstance(given, Mapping):
        raise UserError(f"{path}: not a sweep file: it has no `parameters`")
    try:
        parameters = sweepfile.choices(given)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    for key in NAMED:
        if key not in parameters:
            raise UserError(f"{path}: `parameters` should name the {key}s, so that the cells are known")
    try:
        parameters["seed"] = [int(str(seed)) for seed in parameters["seed"]]
    except ValueError:
        raise UserError(f"{path}: parameter seed: whole numbers are needed, found {repr(parameters['seed'])}") from None
    if math.prod(map(len, parameters.values())) > MOST_CELLS:
        raise UserError(f"{path}: a grid of more than {MOST_CELLS:,} cells; split it into several files")
    for key in ("task", "method"):
        parameters[key] = [str(value) for value in parameters[key]]
    return parameters


def label(method: str, options: Mapping[str, Any]) -> str:
    """Name a row of the table. Options that end alike are written in full.

    >>> label("eaudeqn", {"agent.width": 32})
    'eaudeqn, width=32'
    """
    ends = [key.rsplit(".", 1)[-1] for key in options]
    names = [end if ends.count(end) == 1 else key for end, key in zip(ends, options, strict=True)]
    return ", ".join([method, *(f"{name}={value}" for name, value in zip(names, options.values(), strict=True))])


def same(recorded: Any, asked: Any) -> bool:
    """Return whether a recorded option has the value of a sweep file. Numbers in YAML's text are numbers, and "yes" is
    True where the option is a boolean, as when the run was started."""
    if recorded == asked:
        return True
    if recorded is None:
        return str(asked).lower() in ("none", "null")
    try:
        if isinstance(recorded, bool):
            return BOOLEAN.validate_python(asked) == recorded
        return float(recorded) == float(asked)
    except (TypeError, ValueError):  # the second: also pydantic's ValidationError
        return str(recorded).lower() == str(asked).lower()


def is_method(run: Run, asked: str) -> bool:
    """Return whether a run has the method that a sweep file names.

    A record names its method without the options that have their defaults ("gmp" for "gmp:final_sparsity=0.95"), and
    holds all options of the method.
    """

    def parse(text: str) -> tuple[str, dict[str, str]]:
        name, _, rest = text.partition(":")
        pairs = (part.partition("=") for part in rest.split(",") if part)
        return name.strip(), {key.strip(): value.strip() for key, _, value in pairs}

    (name, given), (own, changed) = parse(asked), parse(run.method)
    agree = all(same(run.options.get(f"method.{key}"), value) for key, value in given.items())
    return run.method == asked or (name == own and changed.keys() <= given.keys() and agree)


def options_of(run: Run, parameters: Mapping[str, list[Any]]) -> Mapping[str, Any]:
    """Return the options of a run. If the sweep names agents, they hold that of the run: a record leaves it out where
    it is the task's default."""
    if "agent" not in parameters or "agent" in run.options or not run.options:
        return run.options
    return {**run.options, "agent": agents_for(task(run.task))[0]}


def mismatch(run: Run, parameters: Mapping[str, list[Any]]) -> str:
    """Return why a run is not a cell of the sweep; empty if it is one."""
    options = options_of(run, parameters)
    for key, values in parameters.items():
        if key == "method":
            recorded, known = run.method, any(is_method(run, value) for value in values)
        elif key in NAMED or key in options:
            recorded = getattr(run, key) if key in NAMED else options[key]
            known = recorded in values if key in NAMED else any(same(recorded, value) for value in values)
        elif len(values) > 1:
            return f"the sweep varies {key}, which its record does not hold"
        else:
            continue  # not an option of a run
        if not known:
            return f"its {key} is {recorded}, the sweep has {', '.join(map(str, values))}"
    return ""
