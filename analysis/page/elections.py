"""The sections of the report on layers and elections: final sparsities by layer, and the election log of each run."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from analysis.data import scores
from analysis.data.cells import Cell, Grid
from analysis.data.runs import FINISHED, Run
from analysis.figures import sparsity as sparsity_figures
from analysis.figures.style import x_label
from analysis.page.page import Paragraph, Part, Picture, Section, SortableTable
from analysis.render.markup import NONE, Table
from analysis.stats import election_log
from suite.errors import UserError

MOST_DRAWN = 12  # election logs that are drawn by default


def layers(grid: Grid, folders: Mapping[Cell, Path]) -> Section:
    """Draw one heat map for each family of tasks: final sparsities of the layers, means over tasks and seeds."""
    lines = []
    for cell, _ in grid.finished():
        if cell in folders:
            found = election_log.final_layers(folders[cell])
            lines += [(cell.row, cell.task, layer, value) for layer, value in found.items()]
    frame = pd.DataFrame(lines, columns=["row", "task", "layer", "sparsity"])
    parts: list[Part] = []
    for family, tasks in scores.by_family(grid.tasks).items():
        own = frame[frame["task"].isin(tasks)]
        if len(own):
            table = own.pivot_table(index="layer", columns="row", values="sparsity", sort=False)
            table = table[[row for row in grid.rows if row in table]]
            caption = f"Final sparsity of each layer on {family}, mean over tasks and seeds."
            parts.append(Picture(f"layers-{family}", caption, partial(sparsity_figures.layers, table)))
    return Section("Layers", parts)


def elections(grid: Grid, folders: Mapping[Cell, Path], asked: Sequence[str]) -> Section:
    """List the elections of each run with several online networks, and draw those of some runs.

    Args:
        grid: the runs.
        folders: the run folders.
        asked: names of the runs to draw; if empty, the lowest seed of each row and task.

    Raises UserError for a run that is asked for and holds no election, and for a damaged record.
    """
    logs: dict[Cell, pd.DataFrame] = {}
    runs = dict(grid.present())
    for cell, folder in folders.items():
        log = election_log.read(folder)
        log = log[log["agent_step"] <= _last_step(runs[cell])]
        if len(log):
            logs[cell] = log
    if absent := [name for name in asked if name not in {runs[cell].name for cell in logs}]:
        raise UserError(f"--elections: {absent[0]} holds no election: it has one online network, or has not begun")
    if not logs:
        return Section("Elections", [])
    first = {(cell.row, cell.task): cell for cell in sorted(logs, key=lambda cell: -cell.seed)}
    default = [cell for cell in logs if cell in first.values()][:MOST_DRAWN]
    drawn = [cell for cell in logs if runs[cell].name in asked] if asked else default
    parts: list[Part] = []
    counts: Counter[str] = Counter()  # of names, which runs of different folders may share
    for cell in drawn:
        name = runs[cell].name
        counts[name] += 1
        suffix = f"-{counts[name]}" * (counts[name] > 1)
        draw = partial(sparsity_figures.elections, logs[cell], str(cell), x_label("agent_step", [cell.task]))
        parts.append(Picture(f"elections-{name}{suffix}", f"{cell}. {election_log.why(logs[cell])}", draw))
    if len(logs) > len(drawn):
        parts.append(Paragraph(f"Drawn are {len(drawn)} of {len(logs)} runs; --elections RUN draws others by name."))
    reasons = [election_log.why(log) for log in logs.values()]
    return Section("Elections", [*parts, SortableTable(_table(logs), {"why": reasons})])


def _last_step(run: Run) -> float:
    """Return the agent step at which a finished run ends, as it may have been cut; infinity for other runs."""
    finished = run.status == FINISHED and len(run.history)
    return float(run.history["agent_step"].iloc[-1]) if finished else math.inf


def _table(logs: Mapping[Cell, pd.DataFrame]) -> Table:
    header = [
        "method",
        "task",
        "seed",
        "elections",
        "steps taken",
        "refused",
        "idle",
        "median step",
        "sparsity",
        "last step",
    ]
    body = []
    for cell, log in logs.items():
        count = election_log.summary(log)
        numbers = [str(n) for n in (cell.seed, count.held, count.taken, count.refused, count.idle)]
        typical = NONE if math.isnan(count.typical_step) else f"{count.typical_step:.4f}"
        last = NONE if count.last_taken is None else f"{count.last_taken:,}"
        body.append([cell.row, cell.task, *numbers, typical, f"{count.sparsity:.3f}", last])
    title = (
        "Elections: a step is taken if a network sparser than the target wins, refused if such a network loses, idle if"
        " there is none"
    )
    return Table(title, header, body, words=2)
