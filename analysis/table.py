"""The comparison table: python -m analysis.table --runs runs/atari-laptop --sweep sweeps/atari/laptop.yaml

Reads run folders and writes comparison.md, .tex and .csv, costs.csv, and curves.png, .pdf and .csv. Exits with 0;
with 1 when cells have no result (the files are written all the same; --allow-missing accepts it); with 2 for bad input.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis import cells, costs, figures, runs, tables
from analysis.comparison import Comparison, compare
from suite.errors import UserError

BAND_REPETITIONS = 500  # a band has many points, and its reader's eye is less exact than a table's


def report(
    root: Path,
    sweep: Path | None,
    out: Path,
    command: str,
    *,
    seed: int = 0,
    repetitions: int = 2000,
    which: str = "training",
    raw: bool = False,
) -> tuple[Comparison, str]:
    """Write all files into `out`; (the comparison, its Markdown). Raises UserError before anything is written.

    `which` returns are compared is a key of runs.RETURNS; `raw` leaves them as they are.
    """
    found, notes = runs.load(root, out, which)
    grid = cells.expected(found, sweep) if sweep else cells.seen(found)
    grid.notes[:0] = notes
    comparison = compare(grid, command, seed=seed, repetitions=repetitions, which=which, raw=raw)
    finished = ((cell.row, cell.task, cell.seed, root / run.name) for cell, run in grid.finished())
    worth = costs.frame(finished)
    more = costs.tables(worth)
    markdown = tables.markdown(comparison, more)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "comparison.md").write_text(markdown)
        (out / "comparison.tex").write_text(tables.latex(comparison, more))
        (out / "comparison.csv").write_text(tables.tidy_csv(comparison))
        frame = runs.tidy((cell.row, run) for cell, run in grid.finished())
        (out / "costs.csv").write_text(worth.to_csv(index=False))
        (out / "curves.csv").write_text(frame.to_csv(index=False))
        paths = [out / "curves.png", out / "curves.pdf"]
        figures.curves(frame, grid.methods, grid.tasks, paths, f"{which} return", seed, BAND_REPETITIONS)
    except OSError as error:
        raise UserError(f"{error.filename or out}: cannot be written ({error.strerror})") from None
    return comparison, markdown


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def seed_number(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**32:
        raise ValueError
    return value


# argparse names a type by its function's name when a value does not fit.
positive.__name__, seed_number.__name__ = "positive whole number", "whole number from 0 to 2**32 - 1"


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m analysis.table", description="Compare the runs of a folder in a table."
    )
    add = parser.add_argument
    add("--runs", type=Path, required=True, metavar="FOLDER", help="holds one folder a run")
    add("--sweep", type=Path, metavar="FILE", help="sweep file that says which cells there should be")
    add("--out", type=Path, metavar="FOLDER", help="where to write (default: <runs>/report)")
    add(
        "--return",
        dest="which",
        choices=tuple(runs.RETURNS),
        default="training",
        help="of the last epoch's training episodes, or of the last evaluation (default: training)",
    )
    add("--raw", action="store_true", help="returns as they are: no scores, and no aggregates over tasks")
    add("--allow-missing", action="store_true", help="exit with 0 although cells have no result")
    add("--seed", type=seed_number, default=0, help="of the bootstrap (default: 0)")
    add("--repetitions", type=positive, default=2000, help="of the bootstrap (default: 2000)")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    options = arguments(argv)
    out = options.out or options.runs / "report"
    command = shlex.join(["python", "-m", "analysis.table", *argv])
    try:
        comparison, markdown = report(
            options.runs,
            options.sweep,
            out,
            command,
            seed=options.seed,
            repetitions=options.repetitions,
            which=options.which,
            raw=options.raw,
        )
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(markdown)
    print(f"Written to {out}: comparison.md, .tex and .csv; costs.csv; curves.png, .pdf and .csv", flush=True)
    if comparison.gaps and not options.allow_missing:
        count, total = len(comparison.gaps), len(comparison.grid.runs)
        print(f"{count} of {total} cells have no result; run them, or accept it with --allow-missing", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
