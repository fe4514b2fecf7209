"""The content of a comparison: the numbers, what is missing, and what to know when reading them."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.data import protocol, provenance, scores
from analysis.data.cells import Cell, Detail, Grid
from analysis.data.scores import PUBLISHED, References
from analysis.settings import Settings
from analysis.stats import metrics, pairwise, significance
from analysis.stats import notes as notes_on
from analysis.stats.metrics import Estimate
from analysis.stats.pairwise import Pairwise
from suite.errors import UserError

RETURN, SCORE, SPARSITY, ACTOR_SPARSITY = "return", "score", "sparsity", "actor_sparsity"
SECONDS, OPERATIONS = "seconds", "operations"
BEST, LOST, AREA = "best epoch", "best - final", "mean over training"
MEASURES = (RETURN, SCORE, SPARSITY, ACTOR_SPARSITY, SECONDS, OPERATIONS)

Values = dict[str, dict[str, dict[int, float | None]]]  # {measure: {task: {seed: value}}}


@dataclass(frozen=True)
class Comparison:
    """All numbers of a comparison, its notes and its sources.

    `settings` say how the runs were compared. `scored` are the tasks whose scores are aggregated, `actors` the tasks
    whose agent has an actor, so that `sparsity` is that of the critics, and `blocks` the rows that share a protocol.
    `values[row]` are the final values of the row's runs. `overall[row][statistic]`, `over_training[row][name]` and
    `on_task[row, task][measure]` are estimates, in the order of the tables. `against[row]` is the reference row and the
    comparison with it, and `improvement[row, other]` the probability that a run of the row beats one of the other.
    `best[block]` are the (row, task) pairs where the row is the clear best of the task. `gaps` are the cells without a
    result, `notes` full sentences, one line each, and `details` the runs and cells that they count. `source` holds
    (heading, text) pairs for the footer.
    """

    grid: Grid
    settings: Settings
    scored: list[str]
    actors: list[str]
    blocks: list[list[str]]
    values: dict[str, Values]
    overall: dict[str, dict[str, Estimate]]
    over_training: dict[str, dict[str, Estimate]]
    on_task: dict[tuple[str, str], dict[str, Estimate]]
    against: dict[str, tuple[str, Pairwise]]
    improvement: dict[tuple[str, str], Estimate]
    best: list[set[tuple[str, str]]]
    gaps: dict[Cell, str]
    notes: list[str]
    details: list[Detail]
    source: list[tuple[str, str]]

    def where(self, block: int) -> str:
        """Name a block in a title: " (protocol A)"; empty if it is the only one."""
        return f" (protocol {provenance.letter(block)})" if len(self.blocks) > 1 else ""


def compare(grid: Grid, command: str, settings: Settings) -> Comparison:
    """Compute all numbers of the report, and write its notes.

    Raises UserError for a task that is not in the tables, and, without `mix`, for a row with more than one protocol.
    """
    for task in grid.tasks:
        scores.reference(task, settings.references)
    families = scores.by_family(grid.tasks)
    signatures = grid.signatures()
    blocks, notes = _blocks(grid, signatures, settings.mix)
    references = settings.references
    scored = [] if settings.raw else [task for task in grid.tasks if scores.is_scored(task, references)]
    actors = _with_actor(grid, families)
    values = {row: final_values(grid, row, scored, actors, references) for row in grid.rows}
    overall: dict[str, dict[str, Estimate]] = {}
    on_task: dict[tuple[str, str], dict[str, Estimate]] = {}
    remarks: dict[str, list[str]] = {}  # remark -> the rows it holds for
    for row, measures in values.items():
        overall[row], said = _overall(measures, settings)
        for remark in said:
            remarks.setdefault(remark, []).append(row)
        means = {
            name: metrics.task_means(by_task, settings.seed, settings.repetitions) for name, by_task in measures.items()
        }
        for task in grid.tasks:
            on_task[row, task] = {name: means[name][task] for name in MEASURES if task in means.get(name, {})}
        for remark in notes_on.few_seeds(estimate for task in grid.tasks for estimate in on_task[row, task].values()):
            remarks.setdefault(remark, []).append(row)
    against = _against(grid, values, blocks, settings) if scored else {}
    improvement = _improvement(values, blocks, against, settings) if scored else {}
    trained = {row: _over_training(grid, row, scored, settings) | overall[row] for row in grid.rows} if scored else {}
    notes += [f"{'; '.join(rows)} - {remark}." for remark, rows in remarks.items()]
    notes += grid.notes + notes_on.remarks(grid, blocks, scored, against, settings)
    described = [(block, protocol.describe(signatures, block)) for block in blocks]
    source = provenance.source(grid, command, settings, scored, bool(actors), bool(against), described)
    return Comparison(
        grid=grid,
        settings=settings,
        scored=scored,
        actors=actors,
        blocks=blocks,
        values=values,
        overall=overall,
        over_training=trained,
        on_task=on_task,
        against=against,
        improvement=improvement,
        best=_best(grid, values, blocks),
        gaps=grid.gaps(),
        notes=notes,
        details=notes_on.details(grid),
        source=source,
    )


def _blocks(grid: Grid, signatures: Mapping[str, protocol.Signature], mix: bool) -> tuple[list[list[str]], list[str]]:
    """Return the blocks of the table, and notes on what is mixed in them and on runs that are only shorter.

    Raises UserError, without `mix`, for a row with more than one protocol.
    """
    mixed, blocks = protocol.check_rows(signatures), protocol.blocks(signatures)
    shorter = notes_on.shorter(grid)
    if mixed and not mix:
        raise UserError("; ".join([mixed[0], *shorter, "to aggregate such runs nevertheless: --mix"]))
    if not mix:
        return blocks, [f"{note[:1].upper()}{note[1:]}." for note in shorter]
    notes = [f"{line} (--mix)." for line in mixed]
    if len(blocks) > 1:
        parts = [f"{', '.join(block)}: {protocol.describe(signatures, block)}" for block in blocks]
        notes.append(f"DIFFERENT PROTOCOLS are compared with each other (--mix): {' | '.join(parts)}.")
    return [list(signatures)], notes


def _with_actor(grid: Grid, families: dict[str, list[str]]) -> list[str]:
    """Return the tasks of the families whose runs have an actor, also those without a finished run yet."""
    seen = {cell.task for cell, run in grid.finished() if run.final(ACTOR_SPARSITY) is not None}
    return [task for tasks in families.values() if seen.intersection(tasks) for task in tasks]


def final_values(
    grid: Grid, row: str, scored: list[str], actors: list[str], references: References = PUBLISHED
) -> Values:
    """Return the final values of the finished runs of a row, on every task of the grid.

    A run without a return counts for nothing else either; what no run has (an actor, operations) is left out.
    """
    values: Values = {name: {task: {} for task in grid.tasks} for name in MEASURES if name != SCORE}
    for cell, run in (pair for pair in grid.finished() if pair[0].row == row):
        measured = grid.final_return(run)
        for name, by_task in values.items():
            final = measured if measured is None or name == RETURN else run.final(name)
            by_task[cell.task][cell.seed] = final
    values[ACTOR_SPARSITY] = {task: v for task, v in values[ACTOR_SPARSITY].items() if task in actors}
    for name in (SPARSITY, ACTOR_SPARSITY, SECONDS, OPERATIONS):
        if not any(v is not None for by_seed in values[name].values() for v in by_seed.values()):
            del values[name]
    if scored:
        values[SCORE] = {
            task: {seed: scores.normalised(task, value, references) for seed, value in values[RETURN][task].items()}
            for task in scored
        }
    return values


def _overall(values: Mapping[str, metrics.ByTask], settings: Settings) -> tuple[dict[str, Estimate], list[str]]:
    """Aggregate scores and sparsities over tasks, and return remarks. Units of returns and costs differ by task."""
    mean = metrics.SCORE_STATISTICS["mean"]
    wanted = {SCORE: metrics.SCORE_STATISTICS, SPARSITY: {SPARSITY: mean}, ACTOR_SPARSITY: {ACTOR_SPARSITY: mean}}
    estimates: dict[str, Estimate] = {}
    remarks: dict[str, str] = {}  # as aggregate has it -> with what it holds for
    present = [name for name in wanted if name in values]
    for name in present:
        found, said = metrics.aggregate(values[name], wanted[name], settings.seed, settings.repetitions)
        estimates |= found
        # All are taken from the same runs, so their remarks are mostly the same: said once.
        for remark in said:
            remarks.setdefault(remark, remark if name == present[0] else f"{name.replace('_', ' ')}: {remark}")
    return estimates, list(remarks.values())


def _over_training(grid: Grid, row: str, scored: list[str], settings: Settings) -> dict[str, Estimate]:
    """Return the IQMs of the scores of other returns than the final one, and of what is lost since the best epoch. All
    are of the runs that have a final return, so that they can be compared."""
    own = [(cell, run) for cell, run in grid.finished() if cell.row == row and cell.task in scored]
    own = [(cell, run) for cell, run in own if grid.final_return(run) is not None]
    found: dict[str, dict[str, dict[int, float | None]]] = {
        name: {task: {} for task in scored} for name in (BEST, LOST, AREA)
    }
    for cell, run in own:
        final, best, area = (
            scores.normalised(cell.task, value, settings.references)
            for value in (grid.final_return(run), grid.best_return(run), grid.area(run))
        )
        lost = None if final is None or best is None else best - final
        for name, value in ((BEST, best), (LOST, lost), (AREA, area)):
            found[name][cell.task][cell.seed] = value
    return {name: metrics.iqm(by_task, settings.seed, settings.repetitions) for name, by_task in found.items()}


def _best(grid: Grid, values: Mapping[str, Values], blocks: list[list[str]]) -> list[set[tuple[str, str]]]:
    """Return for each block the (row, task) pairs with its clear best return. A row may be in several blocks."""
    kept = {row: metrics.numbers(measures[RETURN])[0] for row, measures in values.items()}
    found = []
    for block in blocks:
        runs = [{row: np.array(list(kept[row][task].values())) for row in block} for task in grid.tasks]
        bests = significance.clear_best(runs, metrics.FEW_SEEDS)
        found.append({(row, task) for row, task in zip(bests, grid.tasks, strict=True) if row is not None})
    return found


def reference_row(grid: Grid, row: str, reference: str) -> str | None:
    """Return the row of the reference method that has the swept options of `row`, or else its only row.

    None if `row` is of the reference method itself, and if there is no such row or more than one.
    """
    named = grid.rows_of(reference)
    if row in named:
        return None
    same = [other for other in named if grid.variants.get(other) == grid.variants.get(row)]
    rows = same or named
    return rows[0] if len(rows) == 1 else None


def _against(
    grid: Grid, values: Mapping[str, Values], blocks: list[list[str]], settings: Settings
) -> dict[str, tuple[str, Pairwise]]:
    found = {}
    for block in blocks:
        for row in block:
            other = reference_row(grid, row, settings.reference)
            if other in block:
                pair = pairwise.against(
                    values[row][SCORE],
                    values[other][SCORE],
                    settings.seed,
                    settings.repetitions,
                    settings.effect,
                    settings.statistic,
                    settings.paired,
                )
                found[row] = other, pair
    return found


def _improvement(
    values: Mapping[str, Values],
    blocks: list[list[str]],
    against: Mapping[str, tuple[str, Pairwise]],
    settings: Settings,
) -> dict[tuple[str, str], Estimate]:
    """Estimate the probability of improvement of every row of a block over every other: {(row, other): estimate}."""
    found = {(row, other): pair.improvement for row, (other, pair) in against.items()}
    for block in blocks:
        for row, other in itertools.combinations(block, 2):
            if (row, other) not in found and (other, row) not in found:
                scored = values[row][SCORE], values[other][SCORE]
                found[row, other] = pairwise.improvement(*scored, settings.seed, settings.repetitions, settings.paired)
    reverse = {(other, row): pairwise.reversed_probability(estimate) for (row, other), estimate in found.items()}
    return found | reverse
