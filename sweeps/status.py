"""Show the state of each run of a sweep, for every engine: `python -m sweeps.status sweeps/atari/laptop.yaml`.

All of it comes from the runs' records and locks, and from engines that have a queue. Exit codes: 0, or 2 for bad input.
"""

import sys
from collections.abc import Mapping, Sequence
from os.path import expanduser
from pathlib import Path

from suite.errors import Parser, UserError
from suite.program import extensions, terminal
from suite.program.command import program, start
from suite.record import lock, reader
from sweeps import grid
from sweeps.engines.cellstate import FAILED, FINISHED, RUNNING, WAITING, CellState, read_states
from sweeps.engines.registry import ENGINES
from sweeps.engines.watch import table, totals
from sweeps.plan import resolve_all, works_of

WIDTH = 130  # columns where there is no terminal


@program
def main(argv: Sequence[str]) -> int:
    """Show the state of each run of a sweep file."""
    parser = Parser(prog="python -m sweeps.status", description="The state of each run of a sweep file.")
    parser.add_argument("file", type=expanduser, help="a sweep file, such as sweeps/atari/laptop.yaml")
    parser.add_argument("--folder", type=expanduser, help="folder of the runs [runs/<name of the sweep>]")
    extensions.add_option(parser)
    options = parser.parse_args(argv)
    extensions.load(options.modules)
    sweep = grid.read(options.file)
    folder = Path(options.folder or f"runs/{sweep.name}")
    works, known = works_of(sweep, resolve_all(sweep, options.file), None), engine_states(folder)
    cells = read_states(works, folder)
    complete(cells, known)
    show(cells)
    return 0


def engine_states(folder: Path) -> Mapping[str, str]:
    """Ask every engine which cells of a folder it has; return name -> QUEUED or RUNNING.

    A note on stderr says why an engine does not answer.
    """
    found: dict[str, str] = {}
    for engine in ENGINES.values():
        try:
            found.update(engine.states(folder))
        except UserError as error:
            print(f"note: {error}", file=sys.stderr)
    return found


def complete(cells: Sequence[CellState], of_engines: Mapping[str, str]) -> None:
    """Complete the states of `read_states`: which cells failed, run somewhere now, or wait in an engine's queue.

    A run that was interrupted is waiting, with its progress. Raises UserError for a damaged record.
    """
    for cell in cells:
        if cell.state == FINISHED:
            continue
        ended = reader.status(cell.folder)
        if lock.holder(cell.folder):
            cell.state = RUNNING
        else:
            cell.state = of_engines.get(cell.work.name, FAILED if ended else WAITING)
        if ended and cell.state == FAILED:
            cell.report = ended.error or "a file of its record is missing or was changed"
        cell.refresh()


def show(cells: Sequence[CellState]) -> None:
    """Print the table, why runs failed, and the totals."""
    console = terminal.console()
    if not console.is_terminal:
        console.width = max(console.width, WIDTH)
    console.print(table(cells))
    for cell in cells:
        if cell.state == FAILED:
            console.print(f"FAILED {cell.work.name}: {cell.report}", markup=False, soft_wrap=True)
    console.print(totals(cells))


if __name__ == "__main__":
    start(main)
