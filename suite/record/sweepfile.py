"""The parameters of a W&B grid sweep file, for the engines and for the analysis. No JAX.

It reads the part of W&B's format that a grid needs: `value`, `values`, and `parameters` nested in a parameter. A null
means none.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from reprlib import repr  # a value may be long, and with aliases much longer than the file
from typing import Any

from suite.errors import UserError

NAMED = ("task", "method", "seed")  # parameters that name a run: they cannot be none
LONGEST = 10_000  # characters of an argument
DEEPEST = 8  # levels of nested parameters
MOST_PARAMETERS = 1_000  # a short file with aliases may have too many to list


def choices(parameters: Any) -> dict[str, list[Any]]:
    """Return the values of each parameter, nested ones by their dotted names:

    {"agent": {"parameters": {"width": {"values": [8, None]}}}} -> {"agent.width": [8, None]}

    Raises UserError for anything but a grid of plain values.
    """
    if not isinstance(parameters, Mapping) or not parameters:
        raise UserError("parameters must list at least one parameter, e.g. `seed: {values: [0, 1]}`")
    found: dict[str, list[Any]] = {}
    for name, entry in _flat(parameters):
        if name in found:
            raise UserError(f"duplicate parameter {name[:80]}; keep one of them")
        if len(found) == MOST_PARAMETERS:
            raise UserError(f"a grid has at most {MOST_PARAMETERS:,} parameters, this one has more")
        found[name] = _values(name, entry)
    return found


def unnested(arguments: Iterable[str]) -> list[str]:
    """Return a command line as W&B's agent writes it, with nested parameters under their dotted names:

    ["--seed=0", "--agent={'width': 8}"] -> ["--seed=0", "--agent.width=8"]
    """
    words: list[str] = []
    for argument in arguments:
        flag, _, text = argument.partition("={")
        try:
            options = ast.literal_eval(f"{{{text}") if text and len(text) <= LONGEST else {}
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):  # as literal_eval documents
            options = {}  # not written by W&B: the parser of arguments reports it
        nested = options if isinstance(options, dict) else {}  # a set also begins with a brace
        words += unnested(f"{flag}.{key}={value}" for key, value in nested.items()) or [argument]
    return words


def _flat(parameters: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each parameter that has values, by its dotted name."""
    for key, entry in parameters.items():
        if not isinstance(key, str) or not key:
            raise UserError(f"a parameter's name must be a word such as seed or agent.width, not {repr(key)}")
        name = prefix + key
        if not isinstance(entry, Mapping):
            raise UserError(
                f"parameter {name[:80]}: a grid needs `{{value: ...}}` or `{{values: [...]}}`, not {repr(entry)}"
            )
        if set(entry) != {"parameters"}:
            yield name, entry
            continue
        inner = entry["parameters"]
        if not isinstance(inner, Mapping) or not inner or name.count(".") >= DEEPEST:
            raise UserError(f"parameter {name[:80]}: parameters must list options, at most {DEEPEST} levels deep")
        yield from _flat(inner, f"{name}.")


def _values(name: str, entry: Mapping[str, Any]) -> list[Any]:
    if len(entry) != 1 or next(iter(entry)) not in ("value", "values"):
        found = ", ".join(map(str, entry)) or "nothing"
        raise UserError(f"parameter {name[:80]}: a grid needs either value or values, found {found[:200]}")
    values = [entry["value"]] if "value" in entry else entry["values"]
    if not isinstance(values, list) or not values:
        raise UserError(f"parameter {name[:80]}: values must be a list with at least one value, not {repr(values)}")
    for value in values:
        if value is None and name in NAMED:
            raise UserError(f"parameter {name}: null is not a plain text or number; a run needs a {name}")
        if not isinstance(value, str | int | float | None):
            kinds = "a plain text, number, true/false or null (which means none)"
            raise UserError(f"parameter {name[:80]}: {repr(value)} is not {kinds}")
    return values
