"""Where the runs of a sweep stand: `python -m sweeps.status sweeps/atari/laptop.yaml`, whatever engine runs them.

All of it comes from the runs' records and locks, and from SLURM's queue where there are jobs of this sweep. Exit codes:
0, or 2 for bad input.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from os.path import expanduser
from pathlib import Path

from suite.errors import Parser, UserError, one_line
from suite.program import terminal
from suite.program.command import start
from suite.record import lock, schema
from sweeps import grid
from sweeps.engines import slurm
from sweeps.engines.cells import FAILED, FINISHED, RUNNING, WAITING, Cell, look_up
from sweeps.engines.watch import table, totals
from sweeps.launch import resolve_all, works_of

WIDTH = 130  # columns where there is no terminal


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        options = _parse(arguments)
        sweep = grid.read(options.file)
        folder = Path(options.folder or f"runs/{sweep.name}")
        works = works_of(sweep, resolve_all(sweep, options.file), None)
        try:
            queue = slurm.queue(folder)
        except UserError as error:
            queue = {}
            print(f"note: {error}", file=sys.stderr)
        show(states(look_up(works, folder), queue))
    except (UserError, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    return 0


def states(cells: Sequence[Cell], queue: Mapping[str, str]) -> Sequence[Cell]:
    """Complete what `look_up` found out: which cells failed, run somewhere now, or wait in SLURM's queue. A run that
    was interrupted is waiting, with its progress."""
    for cell in cells:
        if cell.state == FINISHED:
            continue
        failed = _failed(cell)
        if lock.holder(cell.folder):
            cell.state = RUNNING
        else:
            cell.state = queue.get(cell.work.name, FAILED if failed else WAITING)
        cell.report = failed if cell.state == FAILED else ""
        cell.refresh()
    return cells


def _failed(cell: Cell) -> str:
    """Why a run failed, by its record; nothing if it did not."""
    if not (cell.folder / schema.STATUS).exists():
        return ""
    status = schema.read_json(cell.folder / schema.STATUS)
    return str(status.get("error") or "its record is not complete")


def show(cells: Sequence[Cell]) -> None:
    """Print the table, why runs failed, and the totals."""
    console = terminal.console()
    if not console.is_terminal:
        console.width = max(console.width, WIDTH)
    console.print(table(cells))
    for cell in cells:
        if cell.state == FAILED:
            console.print(f"FAILED {cell.work.name}: {cell.report}", markup=False, soft_wrap=True)
    console.print(totals(cells))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m sweeps.status", description="Where each run of a sweep file stands.", allow_abbrev=False
    )
    parser.add_argument("file", type=expanduser, help="a sweep file, such as sweeps/atari/laptop.yaml")
    parser.add_argument("--folder", type=expanduser, help="where the runs' folders are [runs/<name of the sweep>]")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    start(main)
