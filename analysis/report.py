"""Write the report: python -m analysis.report --runs runs/atari-laptop --sweep sweeps/atari/laptop.yaml

Takes the options of analysis.table except --diagnostics, and writes the same tables, report.html (one page that needs
no other file), and the figures of the page as PDF and PNG in figures/. The exit codes are those of analysis.table.
"""

import argparse
import shlex
from collections.abc import Sequence

from analysis import options
from suite.program.command import load, program, start


def parser() -> argparse.ArgumentParser:
    """Return a parser for the options of analysis.options, --within and --elections."""
    made = options.parser("analysis.report", "Compare runs on one page with tables, figures and all runs.")
    percent = options.number("a percentage from 0 to less than 100", lambda value: 0 <= value < 100)
    within = "how much of the reference's score may be lost and still count as kept (default: 5)"
    made.add_argument("--within", type=percent, default=5.0, metavar="PERCENT", help=within)
    drawn = "runs whose elections are drawn (default: the lowest seed of each method and task)"
    made.add_argument("--elections", nargs="+", default=[], metavar="RUN", help=drawn)
    return made


@program
def main(argv: Sequence[str]) -> int:
    """Compare runs on one page."""
    given = parser().parse_args(argv)
    return load("analysis.page.build:write_report")(given, shlex.join(["python", "-m", "analysis.report", *argv]))


if __name__ == "__main__":
    start(main)
