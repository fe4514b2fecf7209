"""How programs print: colours and pictures that are redrawn on a terminal that can show them, and plain lines anywhere
else: in a pipe or a file, on TERM=dumb, whatever FORCE_COLOR says. No JAX."""

import os
import sys
from typing import TextIO

from rich.console import Console

PLAIN = ("", "dumb", "unknown")  # values of TERM


def capable(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal that can redraw what it shows; None stands for a closed stream."""
    return stream is not None and stream.isatty() and os.environ.get("TERM", "").lower() not in PLAIN


def console(*, stderr: bool = False, width: int | None = None) -> Console:
    """Return the console of the standard output, or of the standard error."""
    live = capable(sys.stderr if stderr else sys.stdout)
    return Console(
        stderr=stderr, width=width, highlight=False, force_terminal=live, force_interactive=live, force_jupyter=False
    )


def pace(rate: float) -> str:
    """Format a rate by the second.

    >>> pace(0), pace(0.34), pace(9.97), pace(1249.7)
    ('0', '0.3', '10', '1250')
    """
    return f"{rate:.1f}" if 0 < rate < 9.95 else f"{rate:.0f}"


def counted(count: int, noun: str) -> str:
    """Format a number of things.

    >>> counted(1, "run"), counted(2000, "run")
    ('1 run', '2,000 runs')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"


def duration(seconds: float) -> str:
    """Format a duration: 42 s, 12 min, 3.5 h, 12 days."""
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size or (unit == "min" and seconds >= size):
            amount = seconds / size
            return f"{amount:.1f} {unit}" if amount < 10 and unit != "min" else f"{amount:.0f} {unit}"
    return f"{seconds:.0f} s"
