"""What to know when reading a comparison: one line each, with counts; `details` is what they count, run by run."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from analysis.data import protocol, provenance, scores
from analysis.data.cells import Detail, Grid
from analysis.data.runs import FAILED, UNFINISHED, Run
from analysis.settings import Settings
from analysis.stats import metrics
from analysis.stats.metrics import Estimate
from analysis.stats.pairwise import Pairwise
from suite.program.terminal import counted

#: Options on which returns depend, but for those that the protocol states and those that change no return.
SHARED = ("agent.", "learner.", "replay.", "trainer.", "dataset.")
NOT_SHARED = (*protocol.PER_RUN, "agent.loss", "dataset.path", "learner.vectorize", "trainer.diagnostic_transitions")


def remarks(
    grid: Grid,
    blocks: list[list[str]],
    scored: list[str],
    against: Mapping[str, tuple[str, Pairwise]],
    settings: Settings,
) -> list[str]:
    """Write the notes on what was left out, on the reference, and on the runs: full sentences."""
    notes = []
    unscored = [task for task in grid.tasks if not scores.is_scored(task, settings.references)]
    if settings.raw:
        notes.append("Returns are not normalised, and none is aggregated over tasks, as their units differ.")
    elif unscored:
        notes.append(
            f"No reference return is known for {metrics.some(unscored)}: no score, so not in the aggregates of scores;"
            " the returns are shown as they are."
        )
    for row, (other, pair) in against.items():
        apart = [task for task in scored if task not in pair.tasks]
        if apart:
            lacking = "they share no seed with a result" if settings.paired else "one has no result"
            notes.append(f"{row} and {other}: compared without {metrics.some(apart)}, where {lacking}.")
        if pair.unpaired:
            left_out = counted(pair.unpaired, "run")
            notes.append(f"{row} and {other}: {left_out} left out, whose seed the other lacks (--paired).")
    if scored and len(grid.rows) > 1 and not against:
        name = grid.label(settings.reference)
        notes.append(f"There is no row {name} of the same protocol to compare the others with.")
    holes = [int(np.isnan(grid.returns(run)).sum()) for _, run in grid.finished()]
    if any(holes):
        runs = sum(count > 0 for count in holes)
        notes.append(f"{counted(sum(holes), 'epoch')} of {counted(runs, 'run')} without a return: gaps in the curves.")
    absent = [absent for _, run in grid.finished() if (absent := _absent_epochs(run)) > 0]
    if absent:
        notes.append(
            f"The files lack {counted(sum(absent), 'epoch')} of {counted(len(absent), 'run')}: curves, best epochs and"
            " means over training are of the others."
        )
    for row, kind in provenance.substituted(grid).items():
        notes.append(f"{row}: {kind} returns are compared, as it has no {grid.which} returns.")
    if (unstated := _unstated(grid)) and not settings.mix:
        notes.append(
            f"The files of {metrics.some(unstated)} state no protocol, so they are compared with no other file: give"
            " them a column protocol, or --protocol TEXT."
        )
    notes += dict.fromkeys(note for block in blocks for note in _unlike(grid, block))
    mixed = provenance.mixed_versions(grid)
    if mixed:
        notes.append(f"The runs were not all made with the same: {', '.join(mixed)}.")
    return notes


def _absent_epochs(run: Run) -> int:
    """Count the epochs that a file of curves leaves out, or has lost."""
    return int(run.history["epoch"].iloc[-1]) - len(run.history) if len(run.history) else 0


def _unlike(grid: Grid, block: list[str]) -> list[str]:
    """Write notes on options in which runs of a task differ within a block, besides those of methods and sweep."""
    values: dict[str, dict[str, list[Any]]] = {}  # task -> option -> its values
    for cell, run in (pair for pair in grid.finished() if pair[0].row in block):
        for key, value in run.options.items():
            if key.startswith(SHARED) and not key.startswith(NOT_SHARED) and key not in grid.swept:
                known = values.setdefault(cell.task, {}).setdefault(key, [])
                known += [value] * (value not in known)
    tasks: dict[str, list[str]] = {}  # options with their values -> where they differ
    for task, options in values.items():
        differ = [f"{key} ({' or '.join(map(str, known))})" for key, known in options.items() if len(known) > 1]
        if differ:
            tasks.setdefault(metrics.some(differ), []).append(task)
    return [f"Runs with DIFFERENT OPTIONS are compared on {metrics.some(on)}: {what}." for what, on in tasks.items()]


def _unstated(grid: Grid) -> list[str]:
    """Return the rows whose files state no protocol, on families where there is another protocol too."""
    found: dict[str, dict[str, list[str]]] = {}  # family -> protocol -> rows
    for cell, run in grid.finished():
        setting = protocol.stated(run, (protocol.DISTRIBUTION,))
        found.setdefault(cell.task.partition("/")[0], {}).setdefault(setting, []).append(cell.row)
    apart = [own for settings in found.values() if len(settings) > 1 for own in settings.items()]
    return list(dict.fromkeys(row for setting, rows in apart if protocol.NOT_STATED in setting for row in rows))


def shorter(grid: Grid) -> list[str]:
    """Write the note on runs that are shorter than others of their task, and what to do; empty if there are none."""
    lengths: dict[str, list[int]] = {}
    for cell, run in grid.present():
        if run.status != FAILED and len(run.history):
            reached = int(run.history["agent_step"].iloc[-1])
            length = reached if run.status == UNFINISHED else run.agent_steps or reached
            lengths.setdefault(cell.task, []).append(length)
    short = [length for own in lengths.values() for length in own if length * (1 + protocol.ALIKE) < max(own)]
    if not short:
        return []
    are = "run is" if len(short) == 1 else "runs are"
    return [f"{len(short)} {are} shorter than comparable ones: --agent-steps {min(short)} keeps all of them"]


def few_seeds(estimates: Iterable[Estimate]) -> list[str]:
    """Write the remark on what few seeds do to the brackets of these estimates on single tasks; empty without any."""
    counts = sorted({estimate.seeds for estimate in estimates if 1 < estimate.seeds < metrics.FEW_SEEDS})
    few = " or ".join(map(str, counts))
    remark = f"{few} seeds: brackets of means are the range of the runs, and intervals of aggregates are too narrow"
    return [remark] * bool(counts)


def details(grid: Grid) -> list[Detail]:
    """List the runs and cells that the notes count, one by one."""
    found = [Detail("no result", *cell, why) for cell, why in grid.gaps().items()]
    for cell, run in grid.finished():
        if count := int(np.isnan(grid.returns(run)).sum()):
            found.append(Detail("epochs without a return", *cell, counted(count, "epoch")))
    return found + grid.details
