"""The section of the report on costs: size and latency against returns, and the tables of costs."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.data import scores
from analysis.data.provenance import letter
from analysis.figures import costs as cost_figures
from analysis.page.page import Listing, Paragraph, Part, Picture, Section, SortableTable
from analysis.render.markup import NONE, Table, significant
from analysis.render.tables import interval
from analysis.results import Results
from analysis.stats import costs, pareto
from analysis.stats.comparison import RETURN, SCORE, Comparison, Values
from analysis.stats.metrics import PERCENTILES, ByTask
from analysis.stats.pareto import Outcome

ON_A_FIGURE = 12  # panels
TIED = 1.05  # ratio of costs that are told apart in no figure


class CostAxis(NamedTuple):
    """A cost that figures show: a column of analysis.stats.costs.frame, divided by `unit`."""

    column: str
    unit: float
    name: str  # of the figure
    noun: str
    words: str
    label: str


COSTS = (
    CostAxis("bytes_compact", 1e3, "bytes", "size", "Size of the compact file", "compact file, kB"),
    CostAxis(costs.FASTEST, 1.0, "latency", "latency", "Latency of one action (fastest way measured)", "latency, µs"),
)
UNMEASURED = "No latency was measured; python -m sweeps.export RUN measures that of one run."


def buys(results: Results) -> Section:
    """Compare costs with returns and scores. The section is empty if no record holds costs."""
    grid = results.comparison.grid
    parts: list[Part] = []
    for i, block in enumerate(results.comparison.blocks):
        for family, tasks in scores.by_family(grid.tasks).items():
            where = results.comparison.where(i)
            name = f"-{family}" + f"-{letter(i)}" * bool(where)
            own = results.costs[results.costs["row"].isin(block) & results.costs["task"].isin(tasks)]
            for cost in COSTS:
                parts += _against(own, results.comparison, cost, family + where, name)
    tables = [SortableTable(table) for table in costs.tables(results.costs)]
    if tables and results.costs[costs.FASTEST].isna().all():
        parts.append(Paragraph(UNMEASURED))
    return Section("What sparsity buys", [*parts, *tables])


def _against(found: pd.DataFrame, comparison: Comparison, cost: CostAxis, where: str, name: str) -> list[Part]:
    """Draw the figures and the table of one cost on one family of tasks."""
    grid, values, settings = comparison.grid, comparison.values, comparison.settings
    notes: list[str] = []
    panels: dict[str, dict[str, Outcome]] = {}
    for title, measure, tasks in _panels(found, values):
        spent = {str(row): _cheapness(part, tasks, cost) for row, part in found.groupby("row", sort=False)}
        reached = {row: {task: values[row][measure].get(task, {}) for task in tasks} for row in spent}
        axes = f"a {cost.noun} and a {measure}"
        outcomes, said = pareto.outcomes(spent, reached, settings.seed, settings.repetitions, axes, grid.names)
        notes += said
        if outcomes:
            panels[title] = outcomes
    if not panels:
        return []
    caption = (
        f"{cost.words} against the returns of each task and the scores over all tasks, on {where}: geometric means of"
        " the cost and interquartile means, with 95 % confidence regions (none with too few runs). The line is the"
        " Pareto front: no other method is as cheap and as good."
    )
    prices = np.concatenate([outcome.point[:1] for found in panels.values() for outcome in found.values()])
    if len(prices) > 1 and np.ptp(prices) < np.log10(TIED):
        least, most = (_spent(value) for value in (prices.max(), prices.min()))
        share = f"{100 * (TIED - 1):.0f} %"
        return [
            Paragraph(f"{cost.words} on {where}: {least} to {most} ({cost.label}); no two differ by more than {share}.")
        ]
    titles = list(panels)
    chunks = [titles[start : start + ON_A_FIGURE] for start in range(0, len(titles), ON_A_FIGURE)]
    parts: list[Part] = []
    for number, chunk in enumerate(chunks, start=1):
        shown = {title: panels[title] for title in chunk}
        draw = partial(cost_figures.tradeoffs, shown, grid.methods, cost.label, "IQM")
        parts.append(Picture(f"{cost.name}{name}" + f"-{number}" * (len(chunks) > 1), caption, draw))
    parts.append(SortableTable(_table(panels, cost, where)))
    lines = [f"{note}." for note in dict.fromkeys(notes)]
    return [*parts, *([Listing(lines)] if lines else [])]


def _panels(found: pd.DataFrame, values: Mapping[str, Values]) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Yield (title, measure, tasks): first all tasks with scores together, then each task."""
    tasks = list(dict.fromkeys(found["task"]))
    names = scores.short_names(tasks)
    scored = [task for task in tasks if all(task in own.get(SCORE, {}) for own in values.values())]
    if len(scored) > 1:
        yield f"score on {len(scored)} {scores.noun(scored)}s", SCORE, scored
    for task in tasks:
        yield f"return on {names[task]}", RETURN, [task]


def _cheapness(part: pd.DataFrame, tasks: Sequence[str], cost: CostAxis) -> ByTask:
    """Return minus the decimal logarithm of the cost, by task and seed: higher is better, as for scores."""
    own = part[part[cost.column] > 0]
    logarithms = -np.log10(own[cost.column] / cost.unit)
    by_task: dict[str, dict[int, float | None]] = {task: {} for task in tasks}
    for task, seed, value in zip(own["task"], own["seed"], logarithms, strict=True):
        if task in by_task:
            by_task[task][seed] = float(value)
    return by_task


def _table(panels: Mapping[str, Mapping[str, Outcome]], cost: CostAxis, where: str) -> Table:
    body = []
    for title, found in panels.items():
        fronts = pareto.on_front(found)
        for row, outcome in found.items():
            least, most = np.percentile(outcome.draws[:, 0], PERCENTILES[::-1], method="inverted_cdf")
            ends = f" [{_spent(least)}, {_spent(most)}]" if outcome.seeds > 1 else ""
            reached = pareto.interval(float(outcome.point[1]), outcome.draws[:, 1], outcome.seeds)
            share = f"{fronts[row]:.2f}" if row in fronts else NONE
            number = interval(reached, ".3f" if title.startswith("score") else "")
            body.append([title, row, _spent(outcome.point[0]) + ends, number, share, str(outcome.seeds)])
    header = ["what is reached", "method", cost.label, "IQM", "on the front", "seeds"]
    title = f"{cost.words} on {where}, and the probability of being on the Pareto front [95 % interval]"
    return Table(title, header, body, words=2)


def _spent(cheapness: float) -> str:
    """Format a cost that is given as minus its decimal logarithm."""
    return significant(10**-cheapness)
