"""What a report answers, in three lines: the question, how methods differ, and what they reach when equally sparse."""

from collections.abc import Mapping, Sequence

from analysis.data import scores
from analysis.data.cells import Grid
from analysis.data.provenance import seed_counts, spanned
from analysis.page.page import Answer
from analysis.plane import Plane, score_name
from analysis.render.markup import portable
from analysis.render.tables import interval
from analysis.stats import pareto, sweep_lines
from analysis.stats.comparison import Comparison
from analysis.stats.metrics import FEW_SEEDS, Estimate
from suite.program.terminal import counted

NAMED = 4  # methods of one kind; the tables have all


def answer(comparison: Comparison, panels: Mapping[str, Plane]) -> Answer:
    """State question and answer with seeds and intervals."""
    grid, reference = comparison.grid, comparison.settings.reference
    noun, counts = scores.noun(grid.tasks), seed_counts(grid)
    seeds = f"{spanned(counts)} seed{'s' * (counts != [1])} a method and {noun}"
    amount = f"{counted(len(grid.rows), 'method')}, {counted(len(grid.tasks), noun)}, {seeds}"
    asked = "what do they reach"
    if comparison.against:
        asked = f"does a method score higher or lower than {grid.label(reference)}"
    also = ", and how sparse is it" if panels else ""
    lines = [("Question", f"{asked}{also}? ({amount})")]
    lines.append(("Answer", _differences(comparison) if comparison.against else _levels(comparison)))
    if panels:
        title, found = next(iter(panels.items()))
        lines.append((f"Sparsity, {title}", _sparsities(found, grid, reference)))
    if counts and counts[0] < FEW_SEEDS:
        name, text = lines[1]
        lines[1] = (
            name,
            f"{text} With fewer than {FEW_SEEDS} seeds, intervals are too narrow and differences are hints.",
        )
    return Answer(lines)


def _differences(comparison: Comparison) -> str:
    """State which methods differ from their reference: those whose interval of the difference excludes 0."""
    found: dict[str, list[str]] = {"higher": [], "lower": [], "no difference shown": []}
    for row, (_, pair) in comparison.against.items():
        low, high = (None if end is None else portable(end) for end in (pair.difference.low, pair.difference.high))
        kind = (
            "higher"
            if low is not None and low > 0
            else "lower"
            if high is not None and high < 0
            else "no difference shown"
        )
        if pair.difference.value is not None:
            found[kind].append(f"{row} {_signed(pair.difference)}")
    said = "; ".join(f"{kind}: {_listed(rows)}" for kind, rows in found.items() if rows)
    what = f"{comparison.settings.statistic} of the {score_name(comparison)}"
    return f"difference of {what} [95 % interval]: {said or 'unknown'}."


def _levels(comparison: Comparison) -> str:
    """State the scores of the methods, where there is nothing to compare them with."""
    statistic = comparison.settings.statistic
    known = [
        (row, own[statistic])
        for row, own in comparison.overall.items()
        if statistic in own and own[statistic].value is not None
    ]
    if not known:
        return "no scores are compared; the returns of each task follow."
    said = _listed([f"{row} {interval(estimate, '.3f')}" for row, estimate in known])
    return f"{statistic} of the {score_name(comparison)} [95 % interval]: {said}."


def _sparsities(found: Plane, grid: Grid, reference: str) -> str:
    """Compare each method with the line of a sweep at its own sparsity; without a sweep, list the sparsities."""
    said = []
    for name, rows in sweep_lines.find(found, grid.methods, reference, grid.variants).items():
        along = [found[row] for row in rows]
        for row in (row for row in found if row not in rows):
            beside = sweep_lines.matched(found[row], along)
            if beside.difference.value is not None:
                said.append(f"{row} at {beside.sparsity:.3f} is {_signed(beside.difference)} from the line of {name}")
    if not said:
        said = [f"{row} {interval(_level(found, row), '.3f')}" for row in found if grid.methods[row] != reference]
    counts = sorted({outcome.seeds for outcome in found.values()})
    return f"{_listed(said)} ({spanned(counts)} seed{'s' * (counts != [1])})." if said else "known of no other method."


def _level(found: Plane, row: str) -> Estimate:
    outcome = found[row]
    return pareto.interval(float(outcome.point[0]), outcome.draws[:, 0], outcome.seeds)


def _signed(estimate: Estimate) -> str:
    text = interval(estimate, "+.3f")
    return text if estimate.low is not None else f"{text} (no interval)"


def _listed(rows: Sequence[str]) -> str:
    return ", ".join(rows[:NAMED]) + f" and {len(rows) - NAMED} more" * (len(rows) > NAMED)
