"""Which runs there should be, and which there are: a grid of cells (row of the table, task, seed).

With a sweep file the grid is the product of its parameters, and a cell without a run is missing. Without one the grid
is what was seen: seeds are labels, so methods may have different seeds. Published results are added on the tasks of the
benchmark's own runs, with the seeds that they have.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from analysis.data import protocol
from analysis.data.runs import FINISHED, Run
from analysis.data.sweepfile import NAMED, is_method, label, mismatch, options_of, read_sweep, same
from suite.errors import UserError
from suite.program.terminal import counted

MOST_REASONS = 3  # that a note names
OPTIONS = ", "  # between a row's method and its swept options
OWN = ("records", "wandb")  # sources of the benchmark's own runs; where there are none, all runs are


class Detail(NamedTuple):
    """A run or a cell that a note counts."""

    note: str
    row: str
    task: str
    seed: int
    why: str


class Cell(NamedTuple):
    """A place of one run in the grid. As a text it is "eaudeqn, width=32, atari/Pong, seed 0"."""

    row: str  # the method, and the swept options if any: "eaudeqn, width=32"
    task: str
    seed: int

    def __str__(self) -> str:
        return f"{self.row}, {self.task}, seed {self.seed}"


@dataclass(frozen=True)
class Grid:
    """The cells of a comparison and their runs.

    `runs` holds every expected cell in the order of the table, with None where there is no run. `which` is the kind of
    return that is compared (a key of returns.RETURNS), and the final return of a run is the mean of its `last` epochs.
    `required` are the cells that must have a result, and `details` are the runs and cells that the notes count.
    """

    runs: dict[Cell, Run | None]
    methods: dict[str, str]  # row -> its method
    notes: list[str] = field(default_factory=list)
    which: str = "training"
    required: set[Cell] = field(default_factory=set)
    swept: tuple[str, ...] = ()  # options that the rows differ in
    order: tuple[str, ...] = ()  # of the tasks
    last: int = 1
    details: list[Detail] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)  # method -> the name that is shown, where it is another one
    names: dict[str, str] = field(default_factory=dict)  # row -> its name before `arranged` gave it another one
    variants: dict[str, str] = field(default_factory=dict)  # row -> its swept options, if any: ", width=32"

    def label(self, method: str) -> str:
        """Return the name by which texts call a method: the one that the user gave it, or its own."""
        return self.labels.get(method, method)

    @property
    def rows(self) -> list[str]:
        """The rows in the order of the table, also those without a run."""
        return list(self.methods)

    @property
    def tasks(self) -> list[str]:
        """The tasks in the order of the table: first those of `order`, then others that cells have."""
        return list(dict.fromkeys((*self.order, *(cell.task for cell in self.runs))))

    def rows_of(self, method: str) -> list[str]:
        """Return the rows of a method. `method` may also be the name of a row, now or before `arranged`.

        If there is none, return the rows of runs of this method whose names leave out options at their defaults.
        """
        rows = [row for row, own in self.methods.items() if method in (own, row, self.names.get(row, row))]
        return rows or list(dict.fromkeys(cell.row for cell, run in self.present() if is_method(run, method)))

    def seeds(self, row: str, task: str | None = None) -> int:
        """Return how many seeds a row should have: on a task, or on the task that should have most."""
        counts = Counter(cell.task for cell in self.runs if cell.row == row)
        return max(counts.values(), default=0) if task is None else counts[task]

    def present(self) -> Iterator[tuple[Cell, Run]]:
        """Yield each cell that has a run, with this run, which may be unfinished or failed."""
        return ((cell, run) for cell, run in self.runs.items() if run is not None)

    def finished(self) -> Iterator[tuple[Cell, Run]]:
        """Yield each cell with a finished run, and the run. Only these enter the statistics and the curves."""
        return ((cell, run) for cell, run in self.present() if run.status == FINISHED)

    def returns(self, run: Run) -> np.ndarray:
        """Return the returns of a run that are compared [epochs] (see protocol.measured); NaN if an epoch has none."""
        returns: np.ndarray = run.history[protocol.measured(run, self.which)].to_numpy()
        return returns

    def final_return(self, run: Run) -> float | None:
        """Return the mean of the last epochs, without those that have no return; None if none of them has one."""
        last = self.returns(run)[-self.last :]
        known = last[~np.isnan(last)]
        return float(known.mean()) if len(known) else None

    def best_return(self, run: Run) -> float | None:
        """Return the highest return of an epoch; None if no epoch has one."""
        return float(np.nanmax(self.returns(run))) if run.returns else None

    def area(self, run: Run) -> float | None:
        """Return the area under the learning curve, divided by its length: the mean return over all agent steps.

        Epochs without a return do not count. None if no epoch has one.
        """
        returns = self.returns(run)
        lengths = np.where(np.isnan(returns), 0, np.diff(run.history["agent_step"].to_numpy(), prepend=0))
        return float((np.nan_to_num(returns) * lengths).sum() / lengths.sum()) if lengths.sum() > 0 else None

    def signatures(self) -> dict[str, protocol.Signature]:
        """Return {row: signature}: the protocols of the row's finished runs; empty if it has no finished run."""
        runs: dict[str, list[Run]] = {row: [] for row in self.rows}
        for cell, run in self.finished():
            runs[cell.row].append(run)
        return {row: protocol.signature(own, self.which, self.swept) for row, own in runs.items()}

    def gaps(self) -> dict[Cell, str]:
        """Return {cell: reason} of the cells without a final return."""
        gaps = {}
        for cell, run in self.runs.items():
            if run is None:
                gaps[cell] = "missing (there is no such run)"
            elif run.status != FINISHED:
                gaps[cell] = f"{run.status} ({run.reason})"
            elif self.final_return(run) is None:
                gaps[cell] = "without a number (its last return is null or not finite)"
        return gaps


def seen(runs: Iterable[Run], which: str = "training", mix: bool = False) -> Grid:
    """Make the grid of the runs that there are, so no cell is missing.

    Raises UserError for two runs of a cell, and as protocol.check_options does.
    """
    own, published = _own_and_published(runs)
    protocol.check_options(((run.method, run) for run in own), mix=mix)
    names, tasks = (sorted({getattr(run, key) for run in own}) for key in ("method", "task"))
    cells: dict[Cell, Run | None] = {}
    for run in sorted(own, key=lambda run: (run.method, run.task, run.seed)):
        _place(cells, run.method, run)
    methods = {row: row.partition(OPTIONS)[0] for row in names}  # a file of curves has the rows of a table
    variants = {row: row.removeprefix(method) for row, method in methods.items()}
    return _with_published(Grid(cells, methods, which=which, order=tuple(tasks), variants=variants), published)


def expected(runs: Iterable[Run], sweep: Path, which: str = "training", mix: bool = False) -> Grid:
    """Make the grid of a sweep file. Runs that are no cell of it are left out, with a note that says why.

    Raises UserError as `seen` does, and for a file that is not a W&B grid.
    """
    parameters = read_sweep(sweep)
    own, published = _own_and_published(runs)
    swept = tuple(key for key, values in parameters.items() if key not in NAMED and len(values) > 1)
    cells: dict[Cell, Run | None] = {}
    methods: dict[str, str] = {}
    for method, *options in itertools.product(parameters["method"], *(parameters[key] for key in swept)):
        row = label(method, dict(zip(swept, options, strict=True)))
        methods[row] = method
        for task, seed in itertools.product(parameters["task"], parameters["seed"]):
            cells[Cell(row, task, seed)] = None
    others: list[tuple[Run, str]] = []
    placed = []
    for run in own:
        reason = mismatch(run, parameters)
        if reason:
            others.append((run, reason))
            continue
        method = next(method for method in parameters["method"] if is_method(run, method))
        recorded = options_of(run, parameters)
        values = {key: next(v for v in parameters[key] if same(recorded[key], v)) for key in swept}
        placed.append((label(method, values), run))
    protocol.check_options(placed, swept, mix)
    for row, run in placed:
        _place(cells, row, run)
    variants = {row: row.removeprefix(method) for row, method in methods.items()}
    grid = Grid(cells, methods, which=which, swept=swept, variants=variants)
    _leave_out(grid, others, sweep)
    return _with_published(grid, published)


def _leave_out(grid: Grid, others: list[tuple[Run, str]], sweep: Path) -> None:
    """Note the runs that are no cells of the sweep."""
    if not others:
        return
    reasons = Counter(reason for _, reason in others).most_common(MOST_REASONS)
    said = "; ".join(f"{reason} ({count})" for reason, count in reasons)
    grid.notes.append(f"{counted(len(others), 'run')} left out, in no cell of {sweep}: {said}.")
    for run, reason in others:
        grid.details.append(Detail("no cell of the sweep", run.method, run.task, run.seed, f"{run.name}: {reason}"))


def arranged(grid: Grid, labels: Mapping[str, str], tasks: Sequence[str] | None) -> Grid:
    """Keep the rows of the methods of `labels` (method -> name), named and in this order, and the tasks of `tasks` in
    theirs; None or no labels keep all. Required cells always stay.

    Raises UserError if two rows would have the same name.
    """
    if not labels and tasks is None:
        return grid
    spelled = _spelled(grid, labels)
    names = {
        row: labels.get(method, method) + ("" if method == row else grid.variants.get(row, ""))
        for row, method in spelled.items()
    }
    if len(set(names.values())) < len(names):
        raise UserError(
            f"--methods: two rows would have the same name, of {', '.join(names.values())}; name each differently"
        )
    places = list(labels)
    rows = sorted(names, key=lambda row: places.index(spelled[row]) if spelled[row] in labels else len(places))
    on = grid.tasks if tasks is None else tasks
    cells = [cell for cell in grid.runs if cell.row in names and (cell.task in on or cell in grid.required)]
    runs = {cell._replace(row=names[row]): grid.runs[cell] for row in rows for cell in cells if cell.row == row}
    return replace(
        grid,
        runs=runs,
        methods={names[row]: grid.methods[row] if spelled[row] == row else spelled[row] for row in rows},
        required={cell._replace(row=names[cell.row]) for cell in grid.required},
        order=tuple(tasks or grid.order),
        labels=dict(labels),
        names={names[row]: row for row in rows},
        variants={names[row]: grid.variants.get(row, "") for row in rows},
    )


def _spelled(grid: Grid, labels: Mapping[str, str]) -> dict[str, str]:
    """Return {row: its method} of the rows to keep, spelled as in `labels`: runs leave out options at their defaults,
    and a sweep may name them."""
    ran = {cell.row: run.method for cell, run in grid.present()}
    required = {cell.row for cell in grid.required}
    found = {}
    for row, method in grid.methods.items():
        spelled = method if method in labels else ran.get(row, method)
        if not labels or spelled in labels or row in required:
            found[row] = spelled if spelled in labels else method
    return found


def require(grid: Grid, methods: Iterable[str], tasks: Iterable[str], seeds: Iterable[int]) -> None:
    """Add the cells that must be there: for every row of each method, or a new one where it has none."""
    for method, task, seed in itertools.product(methods, list(tasks), list(seeds)):
        for row in grid.rows_of(method) or [method]:
            grid.methods.setdefault(row, method)
            grid.runs.setdefault(Cell(row, task, seed), None)
            grid.required.add(Cell(row, task, seed))


def _own_and_published(runs: Iterable[Run]) -> tuple[list[Run], list[Run]]:
    runs = list(runs)
    own = [run for run in runs if run.source in OWN]
    return (own, [run for run in runs if run.source not in OWN]) if own else (runs, [])


def _with_published(grid: Grid, published: list[Run]) -> Grid:
    """Add published runs on the tasks of a grid, and a note on their other tasks."""
    tasks = set(grid.tasks)
    elsewhere: dict[str, set[str]] = {}
    for run in published:
        if run.task not in tasks:
            elsewhere.setdefault(run.method, set()).add(run.task)
            continue
        grid.methods.setdefault(run.method, run.method)
        _place(grid.runs, run.method, run)
    for method, others in elsewhere.items():
        grid.notes.append(f"{method}: its results on {len(others)} other tasks were left out.")
    return grid


def _place(cells: dict[Cell, Run | None], row: str, run: Run) -> None:
    cell = Cell(row, run.task, run.seed)
    if other := cells.get(cell):
        both = " and ".join(str(each.folder or each.file or each.name) for each in (other, run))
        raise UserError(f"{cell}: two runs hold this cell, {both}; keep one of them")
    cells[cell] = run
