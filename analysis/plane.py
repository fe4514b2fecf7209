"""What the main figure shows: sparsity and score of each row of the table, over all tasks and on single ones."""

from analysis.data import scores
from analysis.stats import pareto
from analysis.stats.comparison import SCORE, SPARSITY, Comparison, Values
from analysis.stats.metrics import numbers
from analysis.stats.pareto import Outcome

MOST_TASKS = 4  # that have a panel each
Plane = dict[str, Outcome]  # row -> its (sparsity, score)


def score_name(comparison: Comparison) -> str:
    """Return what scores are called on an axis, with their normalizer: "human-normalised score"."""
    return " or ".join(scores.names(comparison.scored, comparison.settings.references)) + "-normalised score"


def planes(comparison: Comparison) -> dict[str, Plane]:
    """Return {title: plane}: one over the tasks that all rows have, and one for each task if these are few.

    Only rows of one block are included, as no statistic combines protocols: of the block with the reference, or else of
    the largest. Where there are several, the first title names it. Empty without scores or sparsities.
    """
    grid, values, settings = comparison.grid, comparison.values, comparison.settings
    blocks = [[row for row in block if SPARSITY in values[row]] for block in comparison.blocks if comparison.scored]
    named = set(grid.rows_of(settings.reference))
    shown = max(range(len(blocks)), key=lambda i: (bool(named & set(blocks[i])), len(blocks[i])), default=0)
    known = {row: values[row] for row in (blocks[shown] if blocks else [])}
    tasks = {row: _tasks(own) for row, own in known.items()}
    shared = [task for task in comparison.scored if tasks and all(task in own for own in tasks.values())]
    few = len(comparison.scored) <= MOST_TASKS
    over = shared if few or len(shared) > 1 else comparison.scored  # then of the rows that have all of them
    panels = {f"{len(over)} {scores.noun(over)}s": over} if len(over) > 1 else {}
    if few:
        names = scores.short_names(grid.tasks)
        panels |= {names[task]: [task] for task in comparison.scored}
    found = {}
    for title, on in panels.items():
        there = [row for row, own in tasks.items() if own.issuperset(on)]
        levels, reached = (
            {row: {task: known[row][measure][task] for task in on} for row in there} for measure in (SPARSITY, SCORE)
        )
        found[title] = pareto.outcomes(levels, reached, settings.seed, settings.repetitions, names=grid.names)[0]
    most = max(map(len, found.values()), default=0)
    kept = [(title, plane) for title, plane in found.items() if len(plane) >= min(most, 2) > 0]
    return {title + comparison.where(shown) * (i == 0): plane for i, (title, plane) in enumerate(kept)}


def _tasks(own: Values) -> set[str]:
    """Return the tasks on which a row has a run with a sparsity and a score."""
    levels, reached = numbers(own[SPARSITY])[0], numbers(own[SCORE])[0]
    return {task for task, seeds in reached.items() if levels.get(task, {}).keys() & seeds.keys()}
