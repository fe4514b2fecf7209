"""The table of sweeps.status: the state of each run of a grid, from records, locks and what engines know."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from suite.errors import UserError
from suite.program import terminal
from suite.record import lock, schema
from sweeps import grid
from sweeps.engines.cellstate import FAILED, FINISHED, RUNNING, WAITING, CellState, read_states
from sweeps.engines.registry import ENGINES
from sweeps.engines.watch import table, totals
from sweeps.plan import resolve_all, works_of

WIDTH = 130  # columns where there is no terminal


def show_sweep(file: str, folder: str | None) -> int:
    """Print where the runs of a sweep file are, in its default folder if None; return the exit code 0."""
    sweep = grid.read(file)
    place = Path(folder or f"runs/{sweep.name}")
    works, of_engines = works_of(sweep, resolve_all(sweep, file), None), engine_states(place)
    cells = read_states(works, place)
    complete(cells, of_engines)
    show(cells)
    return 0


def engine_states(folder: Path) -> Mapping[str, str]:
    """Ask every engine for the cells in a folder that it has: name -> QUEUED or RUNNING. One that does not answer is
    named in a note."""
    found: dict[str, str] = {}
    for engine in ENGINES.values():
        try:
            found.update(engine.states(folder))
        except UserError as error:
            print(f"note: {error}", file=sys.stderr)
    return found


def complete(cells: Sequence[CellState], of_engines: Mapping[str, str]) -> None:
    """Complete the states of `read_states`: which cells failed, run somewhere now, or wait in an engine's queue. A run
    that was interrupted is waiting, with its progress."""
    for cell in cells:
        if cell.state == FINISHED:
            continue
        failed = _failed(cell)
        if lock.holder(cell.folder):
            cell.state = RUNNING
        else:
            cell.state = of_engines.get(cell.work.name, FAILED if failed else WAITING)
        cell.report = failed if cell.state == FAILED else ""
        cell.refresh()


def _failed(cell: CellState) -> str:
    """Return why a run failed, by its record; nothing if it did not."""
    if not (cell.folder / schema.STATUS).exists():
        return ""
    status = schema.read_json(cell.folder / schema.STATUS)
    return str(status.get("error") or "its record is not complete")


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
