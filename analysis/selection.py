"""Which runs are compared: read from their places, chosen by method and task, and arranged as a grid."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from analysis.data import cells, protocol, scores, sources
from analysis.data.runs import Run
from analysis.data.sources.layouts import CsvOptions
from analysis.data.sources.names import task_named
from analysis.data.sweepfile import is_method
from suite.errors import UserError

PROCESSES = 2  # that read records, where there are many


@dataclass(frozen=True)
class Selection:
    """Which runs are compared.

    `methods` and `tasks` are those in the table, in its order, by default all; `methods` may map a method to the name
    that is shown. Runs are cut at `agent_steps`; the final return is the mean of the `last` epochs; `required` are
    (methods, tasks, seeds) that must have a result. `csv` says how CSV files are read.
    """

    places: Sequence[str]
    sweep: Path | None = None
    which: str = "training"  # returns, a key of returns.RETURNS
    methods: Sequence[str] | None = None  # "eaudeqn", or "eaudeqn=EauDeQN" where that is shown
    tasks: Sequence[str] | None = None
    agent_steps: int | None = None
    required: Sequence[tuple[list[str], list[str], list[int]]] = field(default_factory=list)
    last: int = 1
    csv: CsvOptions = field(default_factory=CsvOptions)


def select(
    selection: Selection, out: Path, mix: bool = False, references: scores.References = scores.PUBLISHED
) -> cells.Grid:
    """Read the selected runs and arrange them as a grid. `out`, the folder that is written to, is not read.

    Raises UserError for places that cannot be read and for runs that cannot be compared.
    """
    context = sources.Context(out, PROCESSES, selection.csv, references.tasks)
    found, notes = sources.load(selection.places, context)
    shown: dict[str, str] = {}  # method -> its name in the table
    if selection.methods is not None:
        known = sorted({run.method for run in found})
        shown = dict(named_method(text, known, found) for text in selection.methods)
        found, said = _chosen(found, "method", list(shown))
        notes += said
    tasks = None
    if selection.tasks is not None:
        tasks = _named_tasks(selection.tasks, references)
        found, said = _chosen(found, "task", tasks)
        notes += said
    if selection.agent_steps is not None:
        found = [protocol.cut(run, selection.agent_steps) for run in found]
        notes.append(
            f"Runs are cut at the first known epoch that ends at agent step {selection.agent_steps:,} or later. Costs,"
            " layers and diagnostics are known of whole runs only, so cut runs have none."
        )
    if not mix:
        protocol.check_returns(found, selection.which)
    if selection.sweep:
        grid = cells.expected(found, selection.sweep, selection.which, mix)
    else:
        grid = cells.seen(found, selection.which, mix)
    for methods, on, seeds in selection.required:
        cells.require(grid, methods, _named_tasks(on, references), seeds)
    grid.notes[:0] = notes
    _check_last(grid, selection.last)
    return cells.arranged(replace(grid, last=selection.last), shown, tasks)


def _check_last(grid: cells.Grid, last: int) -> None:
    """Raise UserError for a run without each of its last epochs: it is shorter, or a file leaves some out."""
    held = []
    for run in (run for _, run in grid.finished() if len(run.history)):
        gaps = np.flatnonzero(np.diff(run.history["epoch"].to_numpy()) != 1)
        held.append((len(run.history) - (gaps[-1] + 1 if len(gaps) else 0), run.name))
    most, name = min(held, default=(last, ""))
    if most < last:
        raise UserError(
            f"--last: {name} does not hold each of its last {last} epochs (files of curves leave out earlier epochs of"
            f" long runs); at most --last {most} is possible"
        )


def _named_tasks(tasks: Sequence[str], references: scores.References) -> list[str]:
    return [task_named(task, references.tasks) or task for task in tasks]


def named_method(text: str, known: Sequence[str], runs: Sequence[Run] = ()) -> tuple[str, str]:
    """Split "eaudeqn=EauDeQN" into a method and the name that is shown; the method itself may hold "=".

    One of the runs' methods may be spelled with options at their defaults, as in a sweep file. Raises UserError for a
    method that is not known.
    """
    if text in known:
        return text, text
    for method in sorted(known, key=len, reverse=True):
        if text.startswith(f"{method}=") and text != f"{method}=":
            return method, text.removeprefix(f"{method}=")
    for end in (len(text), *(match.start() for match in reversed([*re.finditer("=.", text)]))):
        spelled = [run.method for run in runs if is_method(run, text[:end])]
        if spelled:
            return spelled[0], text[end + 1 :] or text
    raise UserError(f"--methods: no run of {text!r}; there are {', '.join(map(repr, known))}")


def _chosen(found: list[Run], key: str, wanted: Sequence[str]) -> tuple[list[Run], list[str]]:
    """Return the runs of the wanted methods or tasks, and a note on others. Raises UserError for one without a run."""
    known = sorted({getattr(run, key) for run in found})
    for value in wanted:
        if value not in known:
            raise UserError(f"--{key}s: no run of {value!r}; there are {', '.join(map(repr, known))}")
    others = [value for value in known if value not in wanted]
    notes = [f"{key.capitalize()}s left out (--{key}s): {', '.join(others)}."] * bool(others)
    return [run for run in found if getattr(run, key) in wanted], notes
