"""What a comparison says: the numbers, what is missing, and what to know when reading them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analysis.data import protocol, provenance, scores
from analysis.data.cells import Cell, Grid
from analysis.data.scores import PUBLISHED, References
from analysis.settings import Settings
from analysis.stats import metrics, paired
from analysis.stats.metrics import Estimate
from analysis.stats.paired import Paired
from suite.errors import UserError

RETURN, SCORE, SPARSITY, ACTOR_SPARSITY = "return", "score", "sparsity", "actor_sparsity"
SECONDS, OPERATIONS = "seconds", "operations"
MEASURES = (RETURN, SCORE, SPARSITY, ACTOR_SPARSITY, SECONDS, OPERATIONS)


@dataclass(frozen=True)
class Comparison:
    """`overall[row][statistic]` and `on_task[row, task][measure]` are estimates, in the order of the tables; `scored`
    the tasks whose scores are aggregated; `actors` those whose agent has an actor, so that `sparsity` is the critics';
    `blocks` the rows that share a protocol; `against[row]` the reference row and the comparison with it; `gaps` the
    cells without a result; `notes` full sentences; `source` (heading, text) pairs for the footer."""

    grid: Grid
    references: References
    scored: list[str]
    actors: list[str]
    blocks: list[list[str]]
    overall: dict[str, dict[str, Estimate]]
    on_task: dict[tuple[str, str], dict[str, Estimate]]
    against: dict[str, tuple[str, Paired]]
    gaps: dict[Cell, str]
    notes: list[str]
    source: list[tuple[str, str]]


def compare(grid: Grid, command: str, settings: Settings) -> Comparison:
    """All numbers of the report.

    Raises UserError for a task that is not in the tables, and, without `mix`, for a row with more than one protocol.
    """
    families = scores.by_family(grid.tasks)
    signatures = grid.signatures()
    blocks, notes = _blocks(signatures, settings.mix)
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
        for remark in _few_seeds(estimate for task in grid.tasks for estimate in on_task[row, task].values()):
            remarks.setdefault(remark, []).append(row)
    against = _against(grid, values, blocks, settings) if scored else {}
    notes += [f"{'; '.join(rows)} - {remark}." for remark, rows in remarks.items()]
    notes += grid.notes + _more_notes(grid, scored, against, settings)
    described = [(block, protocol.describe(signatures, block)) for block in blocks]
    source = provenance.source(grid, command, settings, scored, bool(actors), bool(against), described)
    return Comparison(grid, references, scored, actors, blocks, overall, on_task, against, grid.gaps(), notes, source)


def _blocks(signatures: Mapping[str, protocol.Signature], mix: bool) -> tuple[list[list[str]], list[str]]:
    """The blocks of the table, and what is mixed in them."""
    mixed, blocks = protocol.check_rows(signatures), protocol.blocks(signatures)
    if mixed and not mix:
        raise UserError(f"{mixed[0]}; such runs are aggregated only with --mix")
    if not mix:
        return blocks, []
    notes = [f"{line} (--mix)." for line in mixed]
    if len(blocks) > 1:
        parts = [f"{', '.join(block)}: {protocol.describe(signatures, block)}" for block in blocks]
        notes.append(f"DIFFERENT PROTOCOLS are compared with each other (--mix): {' | '.join(parts)}.")
    return [list(signatures)], notes


def _with_actor(grid: Grid, families: dict[str, list[str]]) -> list[str]:
    """The tasks of the families whose runs have an actor: also of what has no finished run yet."""
    seen = {cell.task for cell, run in grid.finished() if run.final(ACTOR_SPARSITY) is not None}
    return [task for tasks in families.values() if seen.intersection(tasks) for task in tasks]


def final_values(
    grid: Grid, row: str, scored: list[str], actors: list[str], references: References = PUBLISHED
) -> dict[str, dict[str, dict[int, float | None]]]:
    """{measure: {task: {seed: value}}} of the finished runs of a row, on every task of the grid. A run without a return
    counts for nothing else either; what no run has (an actor, operations) is left out."""
    values: dict[str, dict[str, dict[int, float | None]]] = {
        name: {task: {} for task in grid.tasks} for name in MEASURES if name != SCORE
    }
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
        returns = {task: v for task, v in values[RETURN].items() if task in scored}
        values[SCORE] = scores.normalised_by_task(returns, references)
    return values


def _overall(values: Mapping[str, metrics.ByTask], settings: Settings) -> tuple[dict[str, Estimate], list[str]]:
    """Aggregates over tasks of scores and sparsities, and remarks. The units of returns and costs differ by task."""
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


def _few_seeds(estimates: Iterable[Estimate]) -> list[str]:
    counts = sorted({estimate.seeds for estimate in estimates if 1 < estimate.seeds < metrics.FEW_SEEDS})
    few, enough = " or ".join(map(str, counts)), metrics.FEW_SEEDS
    return [f"{few} seeds: bootstrap intervals from fewer than {enough} seeds are too narrow"] * bool(counts)


def reference_row(grid: Grid, row: str, reference: str) -> str | None:
    """The row of the reference method with the same swept options, or its only one; None for itself or without one."""
    if grid.methods[row] == reference:
        return None
    same = reference + row.removeprefix(grid.methods[row])
    rows = [other for other, method in grid.methods.items() if method == reference]
    return same if same in rows else rows[0] if len(rows) == 1 else None


def _against(
    grid: Grid, values: Mapping[str, Mapping[str, metrics.ByTask]], blocks: list[list[str]], settings: Settings
) -> dict[str, tuple[str, Paired]]:
    found = {}
    for block in blocks:
        for row in block:
            other = reference_row(grid, row, settings.reference)
            if other in block:
                pair = values[row][SCORE], values[other][SCORE]
                found[row] = (
                    other,
                    paired.against(*pair, settings.seed, settings.repetitions, settings.effect),
                )
    return found


def _more_notes(
    grid: Grid, scored: list[str], against: Mapping[str, tuple[str, Paired]], settings: Settings
) -> list[str]:
    notes = []
    unscored = [task for task in grid.tasks if not scores.is_scored(task, settings.references)]
    if settings.raw:
        notes.append("Returns are not normalised, and none is aggregated over tasks, as their units differ.")
    elif unscored:
        notes.append(
            f"No reference return is known for {', '.join(unscored)}: no score, so not in the aggregates of scores; the"
            " returns are shown as they are."
        )
    for row, (other, pair) in against.items():
        apart = [task for task in scored if task not in pair.tasks]
        if apart:
            notes.append(f"{row} and {other} have not both a result on {', '.join(apart)}: not in their comparison.")
    if scored and len(grid.rows) > 1 and not against:
        notes.append(f"There is no row {settings.reference} of the same protocol to compare the others with.")
    holes = {cell: int(grid.returns(run).isna().sum()) for cell, run in grid.finished()}
    named = [f"{cell} ({count})" for cell, count in holes.items() if count]
    if named:
        notes.append(f"Epochs without a return, gaps in the curves: {'; '.join(named)}.")
    mixed = provenance.mixed_versions(grid)
    if mixed:
        notes.append(f"The runs were made with more than one version of: {', '.join(mixed)}.")
    return notes
