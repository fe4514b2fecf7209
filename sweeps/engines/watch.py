"""Shows a grid while it runs: one live table on a terminal, otherwise a line a minute."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from suite.program.terminal import duration
from sweeps.engines.cells import ELSEWHERE, FAILED, FINISHED, QUEUED, RUNNING, WAITING, Cell, count

PERIOD = 60.0  # seconds between two plain lines
REDRAW = 0.5  # seconds between two pictures of the table
STYLES = {WAITING: "dim", QUEUED: "", RUNNING: "bold", ELSEWHERE: "", FINISHED: "green", FAILED: "bold red"}


class Display:
    """What the engine tells, and how it is shown; `live` is None when there is no terminal."""

    def __init__(self, cells: Sequence[Cell], console: Console, live: Live | None) -> None:
        self.cells, self.console, self.live = cells, console, live
        self.began = time.monotonic()
        self.cost = sum(cell.cost_left for cell in cells)
        self.shown = self.began

    def say(self, line: str) -> None:
        self.console.print(line, markup=False, soft_wrap=True)

    def ended(self, cell: Cell) -> None:
        """A cell's process has ended."""
        if cell.state == FAILED:
            self.say(f"FAILED {cell.work.name}: " + "\n    ".join(cell.report.splitlines()))
        elif cell.state == WAITING:
            self.say(f"interrupted {cell.work.name}: {cell.report or 'it goes on later'}")
        elif self.live is None:
            last = f"return {number(cell, 'return')}, sparsity {number(cell, 'sparsity')}"
            self.say(f"finished {cell.work.name}: {last}")

    def update(self) -> None:
        """Show the present state, if it is time to."""
        now = time.monotonic()
        if now - self.shown < (PERIOD if self.live is None else REDRAW):
            return
        self.shown = now
        if self.live is None:
            self.say(f"{time.strftime('%H:%M:%S')}  {self.totals()}")
        else:
            self.live.update(self.picture(), refresh=True)

    def seconds_left(self) -> float | None:
        """Of the whole grid, from the work done since we began; None until there is enough to tell."""
        left = sum(cell.cost_left for cell in self.cells)
        done = self.cost - left
        return (time.monotonic() - self.began) * left / done if done > 0.01 * self.cost else None

    def totals(self) -> str:
        left = self.seconds_left()
        return totals(self.cells) + (f", about {duration(left)} left" if left else "")

    def picture(self) -> Group:
        """The table, as many cells as fit the terminal, and the totals."""
        shown = choose(self.cells, room=max(3, self.console.size.height - 6))
        picture = table(shown)
        hidden = len(self.cells) - len(shown)
        if hidden:
            picture.add_row(f"... and {hidden} more", style="dim")
        bar = ProgressBar(total=1.0, completed=fraction(self.cells))  # last: it ends without a line break
        return Group(picture, Text(self.totals()), bar)


@contextmanager
def watch(cells: Sequence[Cell], console: Console) -> Iterator[Display]:
    """A display of these cells until the end of the block."""
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


def totals(cells: Sequence[Cell]) -> str:
    """How many cells are in which state, and how far all of them are."""
    numbers = {state: count(cells, state) for state in (FINISHED, RUNNING, ELSEWHERE, QUEUED, WAITING, FAILED)}
    states = ", ".join(f"{number} {state}" for state, number in numbers.items() if number)
    return f"{states}; {fraction(cells):.0%} done, {sum(cell.rate for cell in cells):.0f} agent steps a second"


def fraction(cells: Sequence[Cell]) -> float:
    """The part of the whole grid's work that is done, 0 to 1."""
    total = sum(cell.work.cost for cell in cells)
    return sum(cell.work.cost * cell.fraction for cell in cells) / total if total else 1.0


def table(cells: Sequence[Cell]) -> Table:
    """A line a cell."""
    picture = Table(box=None, padding=(0, 1), pad_edge=False)
    picture.add_column("run", no_wrap=True, overflow="ellipsis", ratio=1)
    picture.add_column("state", no_wrap=True)
    for name in ("done", "steps/s", "left", "return", "sparsity"):
        picture.add_column(name, justify="right", no_wrap=True)
    for cell in cells:
        picture.add_row(*columns(cell), style=STYLES[cell.state])
    return picture


def choose(cells: Sequence[Cell], room: int) -> list[Cell]:
    """At most `room` cells, in the grid's order; running ones first of all, then failed, next, last ended."""
    urgency = [
        *[cell for cell in cells if cell.state in (RUNNING, ELSEWHERE)],
        *[cell for cell in cells if cell.state == FAILED],
        *[cell for cell in cells if cell.state in (QUEUED, WAITING)],
        *[cell for cell in reversed(cells) if cell.state == FINISHED],
    ]
    chosen = {cell.work.name for cell in urgency[:room]}
    return [cell for cell in cells if cell.work.name in chosen]


def columns(cell: Cell) -> tuple[str, ...]:
    """The texts of a cell's row."""
    left = cell.seconds_left
    return (
        escape(cell.work.label or cell.work.name),
        cell.state,
        f"{cell.fraction:.0%}" if cell.progress or cell.state in (RUNNING, FINISHED) else "",
        f"{cell.rate:.0f}" if cell.rate else "",
        duration(left) if left is not None else "",
        number(cell, "return") if cell.progress else "",
        number(cell, "sparsity") if cell.progress else "",
    )


def number(cell: Cell, key: str) -> str:
    value = cell.progress.get(key)
    return f"{value:.4g}" if isinstance(value, int | float) else "-"
