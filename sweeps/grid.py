"""Expand a W&B sweep file to the cells of its grid, offline.

`wandb sweep` accepts the same files. This module accepts the part of W&B's format that a grid needs and rejects the
rest with one line, so that it runs exactly the cells that W&B would run.
"""

import itertools
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from reprlib import repr  # a value may be long, and with aliases much longer than the file
from typing import Any, NamedTuple

from suite.errors import UserError, is_text
from suite.record import sweepfile, yamlfile

PROGRAM = "sweeps/run.py"
KEYS = ("program", "command", "name", "description", "entity", "project", "method", "metric", "parameters")

PLAIN_NAME = re.compile(r"\w[^/\0-\x1f\ud800-\udfff]{0,199}")
MOST_CELLS = 100_000

Arguments = dict[str, Any]  # of one run, e.g. {"seed": 0, "task": "atari/Pong", "agent.width": 512}


class Sweep(NamedTuple):
    """The grid that a sweep file describes, its cells in the order of `expand`."""

    name: str  # e.g. "atari-laptop"; runs/<name> is the default folder
    cells: list[Arguments]
    place: Mapping[str, str] = {}  # on W&B: entity and project, as far as the file names them


def read(path: str | Path) -> Sweep:
    """Return the grid in a sweep file. Raises UserError for anything but a grid of plain values."""
    document = _load(path)
    try:
        _check_head(document)
        place = {key: str(document[key]) for key in ("entity", "project") if document.get(key)}
        return Sweep(document["name"], expand(document["parameters"]), place)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def expand(parameters: Mapping[str, Any]) -> list[Arguments]:
    """Return the product of all parameters in the file's order, the last one varying fastest. `seed` always varies
    slowest, so that one seed of every task and method can be compared before the second seed begins.

    {"task": {"values": ["a", "b"]}, "seed": {"values": [0, 1]}} -> (a 0) (b 0) (a 1) (b 1)
    """
    choices = sweepfile.choices(parameters)
    for name, values in choices.items():
        _check_texts(name, values)
    if math.prod(map(len, choices.values())) > MOST_CELLS:
        raise UserError(f"a grid of more than {MOST_CELLS:,} cells; split it into several files")
    order = sorted(choices, key=lambda name: name != "seed")  # stable: the others stay as they are
    products = itertools.product(*(choices[name] for name in order))
    return [dict(zip(order, product, strict=True)) for product in products]


def flags(cell: Mapping[str, Any]) -> list[str]:
    """Return the command line of a cell, as a W&B agent writes it: {"seed": 0} -> ["--seed=0"]."""
    return [f"--{name}={value}" for name, value in cell.items()]


def command(folder: str | Path) -> list[str]:
    """Return the command that W&B's agents call, with the folder in which the other engines put the runs."""
    return ["${env}", "python", "-m", "sweeps.run", f"--folder={folder}", "${args}"]


def _check_head(document: Mapping[str, Any]) -> None:
    for key in document:
        if key not in KEYS:
            raise UserError(f"unknown key {repr(key)}; a grid has {', '.join(KEYS)}")
    if document.get("method") != "grid":
        raise UserError(f"method must be grid (every cell is run), not {repr(document.get('method'))}")
    if document.get("program") != PROGRAM:
        raise UserError(f"program must be {PROGRAM}, not {repr(document.get('program'))}")
    name = document.get("name")
    if name is None:
        raise UserError("name is missing; the runs go to the folder of this name, e.g. `name: atari-laptop`")
    if not isinstance(name, str) or not PLAIN_NAME.fullmatch(name):
        raise UserError(f"name must be a plain word such as atari-laptop, not {repr(name)}")
    expected = command(f"runs/{name}")
    if document.get("command") != expected:
        raise UserError(f"command must be {expected}, not {repr(document.get('command'))}")
    if "parameters" not in document:
        raise UserError("parameters is missing; it lists the grid, e.g. `seed: {values: [0, 1]}`")


def _check_texts(name: str, values: Sequence[Any]) -> None:
    """Raise UserError for a value that a command line cannot hold, and for two that are equal there: 1 and "1"."""
    for text, times in Counter(_text(name, value) for value in values).items():
        if times > 1:
            raise UserError(f"parameter {name}: duplicate value {repr(text)}")


def _text(name: str, value: str | float | None) -> str:
    try:
        text = str(value)
    except ValueError:  # Python's limit to the digits of a number
        text = "\0"
    if not is_text(text):
        raise UserError(f"parameter {name}: {repr(text)} cannot stand on a command line")
    return text


def _load(path: str | Path) -> dict[str, Any]:
    path = Path(path)
    if path.parent.is_dir() and not path.exists():
        others = sorted(str(other) for other in path.parent.glob("*.yaml"))
        raise UserError(f"{path}: no such sweep file{'; there are ' + ', '.join(others) if others else ''}")
    document = yamlfile.read(path)
    if not isinstance(document, dict):
        raise UserError(f"{path}: a sweep file must hold keys such as method and parameters")
    return document
