"""The comparison table: python -m analysis.table --runs runs/atari-laptop --sweep sweeps/atari/laptop.yaml

Reads runs (analysis.data.sources says from where) and writes comparison.md, .tex and .csv, costs.csv, details.csv (what
the notes count), curves.png and .pdf, pareto.png, .pdf and .svg (score against sparsity), and what figures are drawn
from: curves.csv, efficiency.csv, profiles.csv.

Exit codes: 0; 1 if cells have no result (the files are written nevertheless; --allow-missing accepts missing cells,
except those that --require names); 2 for bad input.
"""

import argparse
import shlex
from collections.abc import Sequence

from analysis import options
from suite.program.command import load, program, start


def parser() -> argparse.ArgumentParser:
    """Return a parser for the options of analysis.options and --diagnostics."""
    made = options.parser("analysis.table", "Compare runs in a table.")
    made.add_argument("--diagnostics", action="store_true", help="add tables of the diagnostics of the networks")
    return made


@program
def main(argv: Sequence[str]) -> int:
    """Compare runs in a table."""
    given = parser().parse_args(argv)
    return load("analysis.results:table")(given, shlex.join(["python", "-m", "analysis.table", *argv]))


if __name__ == "__main__":
    start(main)
