"""Show a grid while it runs: one live table on a terminal, otherwise a line a minute."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from suite.program.terminal import duration, pace
from sweeps.engines.cellstate import ELSEWHERE, FAILED, FINISHED, QUEUED, RUNNING, WAITING, CellState, count

PERIOD = 60.0  # seconds between two plain lines
REDRAW = 0.5  # seconds between two pictures of the table
STYLES = {WAITING: "dim", QUEUED: "", RUNNING: "bold", ELSEWHERE: "", FINISHED: "green", FAILED: "bold red"}


class Display:
    """Shows the cells of an engine; `live` is None when there is no terminal."""

    def __init__(self, cells: Sequence[CellState], console: Console, live: Live | None) -> None:
        self.cells, self.console, self.live = cells, console, live
        self.began = time.monotonic()
        self.cost = sum(cell.cost_left for cell in cells)
        self.shown = self.began

    def say(self, line: str) -> None:
        """Print a line as it stands: brackets are no markup, and the terminal wraps it."""
        self.console.print(line, markup=False, soft_wrap=True)

    def ended(self, cell: CellState) -> None:
        """Print how a cell's process has ended."""
        if cell.state == FAILED:
            self.say(f"FAILED {cell.work.name}: " + "\n    ".join(cell.report.splitlines()))
        elif cell.state == WAITING:
            self.say(f"interrupted {cell.work.name}: {cell.report or 'it is resumed later'}")
        elif self.live is None:
            score, sparsity = results(cell)
            self.say(f"finished {cell.work.name}: return {score or '-'}, sparsity {sparsity or '-'}")

    def update(self) -> None:
        """Show the present state, at most once a period."""
        now = time.monotonic()
        if now - self.shown < (PERIOD if self.live is None else REDRAW):
            return
        self.shown = now
        if self.live is None:
            self.say(f"{time.strftime('%H:%M:%S')}  {self.totals()}")
        else:
            self.live.update(self.picture(), refresh=True)

    def seconds_left(self) -> float | None:
        """Estimate the seconds left for the whole grid from the work done since we began; None until enough is done."""
        left = sum(cell.cost_left for cell in self.cells)
        cost = self.cost - sum(cell.work.cost * (cell.inherited or 0.0) for cell in self.cells)
        done = cost - left
        return (time.monotonic() - self.began) * left / done if done > 0.01 * cost else None

    def totals(self) -> str:
        """Describe all cells in one line, and the time that is left if it can be estimated."""
        left = self.seconds_left()
        return totals(self.cells) + (f", about {duration(left)} left" if left else "")

    def picture(self) -> Group:
        """Draw the table, as many cells as fit the terminal, and the totals."""
        shown = choose(self.cells, rows=max(3, self.console.size.height - 6))
        picture = table(shown)
        hidden = len(self.cells) - len(shown)
        if hidden:
            picture.add_row(f"... and {hidden} more", style="dim")
        bar = ProgressBar(total=1.0, completed=fraction(self.cells))  # last: it ends without a line break
        return Group(picture, Text(self.totals()), bar)


@contextmanager
def watch(cells: Sequence[CellState], console: Console) -> Iterator[Display]:
    """Display these cells until the end of the block."""
    if not console.is_terminal:
        display = Display(cells, console, None)
        display.say(display.totals())
        yield display
        display.say(display.totals())
        return
    with Live(console=console, auto_refresh=False) as live:
        display = Display(cells, console, live)
        live.update(display.picture(), refresh=True)
        yield display
        live.update(display.picture(), refresh=True)


def totals(cells: Sequence[CellState]) -> str:
    """Describe how many cells are in each state, and the progress of all."""
    numbers = {state: count(cells, state) for state in (FINISHED, RUNNING, ELSEWHERE, QUEUED, WAITING, FAILED)}
    states = ", ".join(f"{number} {state}" for state, number in numbers.items() if number)
    return f"{states}; {fraction(cells):.0%} done, {pace(sum(cell.rate for cell in cells))} agent steps a second"


def fraction(cells: Sequence[CellState]) -> float:
    """Return the fraction of the whole grid's work that is done, 0 to 1."""
    total = sum(cell.work.cost for cell in cells)
    return sum(cell.work.cost * cell.fraction for cell in cells) / total if total else 1.0


def table(cells: Sequence[CellState]) -> Table:
    """Draw a table with a row for each cell."""
    picture = Table(box=None, padding=(0, 1), pad_edge=False)
    picture.add_column("run", no_wrap=True, overflow="ellipsis", ratio=1)
    picture.add_column("state", no_wrap=True)
    for name in ("done", "steps/s", "left", "return", "sparsity"):
        picture.add_column(name, justify="right", no_wrap=True)
    for cell in cells:
        picture.add_row(*columns(cell), style=STYLES[cell.state])
    return picture


def choose(cells: Sequence[CellState], rows: int) -> list[CellState]:
    """Choose at most `rows` cells, kept in the grid's order: running first, then failed, waiting, last finished."""
    urgency = [
        *[cell for cell in cells if cell.state in (RUNNING, ELSEWHERE)],
        *[cell for cell in cells if cell.state == FAILED],
        *[cell for cell in cells if cell.state in (QUEUED, WAITING)],
        *[cell for cell in reversed(cells) if cell.state == FINISHED],
    ]
    chosen = {cell.work.name for cell in urgency[:rows]}
    return [cell for cell in cells if cell.work.name in chosen]


def columns(cell: CellState) -> tuple[str, ...]:
    """Return the texts of a cell's row."""
    left = cell.seconds_left
    return (
        escape(cell.work.label or cell.work.name),
        cell.state,
        f"{cell.fraction:.0%}" if cell.progress or cell.state in (RUNNING, FINISHED) else "",
        f"{cell.rate:.0f}" if cell.rate else "",
        duration(left) if left is not None else "",
        *results(cell),
    )


def results(cell: CellState) -> tuple[str, str]:
    """Return the latest return and sparsity as text: "-" for one that is not known yet, "" before any progress."""
    if cell.progress is None:
        return "", ""
    score, sparsity = cell.progress.latest_return, cell.progress.sparsity
    return "-" if score is None else f"{score:.4g}", "-" if sparsity is None else f"{sparsity:.4g}"
