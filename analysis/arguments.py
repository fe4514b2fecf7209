"""Values of the command line's options."""

import math
import re

from suite.errors import UserError

MOST_SEEDS = 10_000  # that are required of a method on a task


def visible_difference(text: str) -> float:
    value = float(text)
    if not 1e-6 <= value < float("inf"):
        raise ValueError
    return value


def seed_list(text: str) -> list[int]:
    """ "0-4 7" -> [0, 1, 2, 3, 4, 7]. Raises UserError."""
    seeds: list[int] = []
    for part in text.replace(",", " ").split():
        match = re.fullmatch(r"(\d{1,10})(?:-(\d{1,10}))?", part)
        if not match:
            raise UserError(f"--require: seeds are written as in '0-4 7', found {text!r}")
        more = range(int(match[1]), int(match[2] or match[1]) + 1)
        if len(seeds) + len(more) > MOST_SEEDS:
            raise UserError(f"--require: at most {MOST_SEEDS:,} seeds, found {text!r}")
        seeds += more
    return seeds


def finite_number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


# argparse names a type by its function's name when a value does not fit.
visible_difference.__name__, finite_number.__name__ = "number from 1e-6 on", "number"
