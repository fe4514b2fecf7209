"""The section of the report on sparsity and score: the Pareto front, sweeps at matched sparsity, and dominance."""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from analysis.data.cells import Grid
from analysis.data.provenance import letter
from analysis.figures import plane as plane_figures
from analysis.page import charts
from analysis.page.page import Listing, Paragraph, Part, Picture, Section, SortableTable
from analysis.plane import score_name
from analysis.render.markup import NONE, Table
from analysis.render.tables import interval, number
from analysis.stats import pareto, sweep_lines
from analysis.stats.comparison import ACTOR_SPARSITY, SCORE, SPARSITY, Comparison, Values, reference_row
from analysis.stats.metrics import ByTask, Estimate
from analysis.stats.pareto import Outcome

MAIN = "pareto"  # the figure that the summary has
SAME = 0.005  # difference between sparsities that are told apart in no figure
NETWORKS = {SPARSITY: "", ACTOR_SPARSITY: " of actors"}  # measure -> whose sparsity it is


def two_axes(comparison: Comparison, kept: float) -> Section:
    """Compare sparsity and score in each block of the table. `kept` is the share of the reference's score to keep."""
    parts: list[Part] = []
    grid, values, settings = comparison.grid, comparison.values, comparison.settings
    over = score_name(comparison)
    for i, block in enumerate(comparison.blocks if comparison.scored else []):
        for measure, networks in NETWORKS.items():
            rows = [row for row in block if measure in values[row]]
            levels = {row: _on(values[row][measure], comparison.scored) for row in rows}
            reached = {row: _on(values[row][SCORE], levels[row]) for row in rows}
            if networks and rows and _same(values, rows):
                parts.append(Paragraph(f"Actors are as sparse as critics: nowhere is the difference above {SAME}."))
            elif any(levels.values()):
                found, notes = pareto.outcomes(levels, reached, settings.seed, settings.repetitions, names=grid.names)
                unknown = [f"{row}: its sparsity{networks} is not known" for row in block if row not in rows]
                where = comparison.where(i)
                name = "pareto" + f"-{letter(i)}" * bool(where) + "-actors" * bool(networks)
                parts += _axes(found, grid, settings.reference, kept, networks + where, name, over)
                if notes or unknown:
                    parts.append(Listing([f"{note}." for note in notes + unknown]))
    return Section("Sparsity and score", parts)


def _same(values: Mapping[str, Values], rows: Sequence[str]) -> bool:
    """Return whether each run's actor is as sparse as its critics; a run without one of the two does not count."""
    pairs = [
        (own[SPARSITY].get(task, {}).get(seed), level)
        for own in (values[row] for row in rows if SPARSITY in values[row])
        for task, levels in own[ACTOR_SPARSITY].items()
        for seed, level in levels.items()
    ]
    return all(abs(a - b) <= SAME for a, b in pairs if a is not None and b is not None)


def _on(by_task: ByTask, tasks: Iterable[str]) -> ByTask:
    """Keep the values on these tasks."""
    return {task: by_task[task] for task in tasks if task in by_task}


def _axes(
    found: Mapping[str, Outcome], grid: Grid, reference: str, kept: float, where: str, name: str, over: str
) -> list[Part]:
    """Draw the figure of one block and one kind of network, and list its tables."""
    if not found:
        return []
    fronts = pareto.on_front(found)
    sweeps = sweep_lines.find(found, grid.methods, reference, grid.variants)
    beside = {row: reference_row(grid, row, reference) for row in found}
    dense = {row: other for row, other in beside.items() if other is not None and other in found}
    parts: list[Part] = []
    if name != MAIN:
        shown = {"": found}, grid.methods, f"IQM of the {over}", reference, grid.variants
        text = f"Sparsity{where}. {plane_figures.CAPTION}"
        draw = partial(plane_figures.plane, *shown, level=f"sparsity{where}")
        parts.append(Picture(name, text, draw, charts.plane(*shown)))
    parts.append(SortableTable(_joint(found, fronts, dense, kept, where)))
    along = [part for part in (_matched(found, sweeps, where), _kept(found, sweeps, dense, kept, where)) if part]
    if along:
        said = Paragraph("Scores between the rows of a sweep are interpolated linearly; none outside.")
        parts += [along[0], said, *along[1:]]
    if len(fronts) > 1:
        parts.append(SortableTable(_dominance(found, where)))
    return parts


def _joint(
    found: Mapping[str, Outcome], fronts: Mapping[str, float], dense: Mapping[str, str], kept: float, where: str
) -> Table:
    header = [
        "method",
        f"sparsity{where}",
        "IQM",
        "on the front",
        "share of the reference's",
        f"keeps {100 * kept:g} %",
        "seeds",
    ]
    body = []
    for row, outcome in found.items():
        spans = [pareto.interval(float(outcome.point[i]), outcome.draws[:, i], outcome.seeds) for i in (0, 1)]
        line = [row, *(interval(span, ".3f") for span in spans), number(fronts.get(row), ".2f")]
        if row in dense:
            against = pareto.against(outcome, found[dense[row]], kept)
            line += [interval(against.ratio, ".3f"), number(against.keeps, ".2f")]
        else:
            line += [NONE, NONE]
        body.append([*line, str(outcome.seeds)])
    return Table("Sparsity and score of the same resamples [95 % interval]; probabilities", header, body)


def _matched(found: Mapping[str, Outcome], sweeps: Mapping[str, Sequence[str]], where: str) -> SortableTable | None:
    """Compare each row with each sweep that does not contain it. None if there is no such pair."""
    header = ["method", "sweep", f"sparsity{where}", "IQM", "sweep's IQM there", "difference"]
    body, remarks = [], []
    for row in found:
        for name in sorted(name for name, rows in sweeps.items() if row not in rows):
            beside = sweep_lines.matched(found[row], [found[other] for other in sweeps[name]])
            numbers = [f"{beside.sparsity:.3f}", f"{beside.score:.3f}", number(beside.other, ".3f")]
            body.append([row, name, *numbers, interval(beside.difference, ".3f")])
            remarks.append(beside.remark)
    if not body:
        return None
    return SortableTable(Table("At matched sparsity [95 % interval]", header, body, words=2), {"": remarks})


def _kept(
    found: Mapping[str, Outcome],
    sweeps: Mapping[str, Sequence[str]],
    dense: Mapping[str, str],
    kept: float,
    where: str,
) -> SortableTable | None:
    """Estimate the highest sparsity of each sweep that keeps the share `kept` of its reference's score.

    None if there is no sweep with a reference.
    """
    body = []
    for name, rows in sweeps.items():
        along = [found[row] for row in rows]
        reference = next((dense[row] for row in rows if row in dense), None)
        if reference is not None:
            span = min(o.point[0] for o in along), max(o.point[0] for o in along)
            body.append([name, _level(sweep_lines.kept_sparsity(along, found[reference], kept), *span)])
    title = f"The sparsity{where} up to which a sweep keeps {100 * kept:g} % of the reference's score [95 % interval]"
    return SortableTable(Table(title, ["sweep", "sparsity"], body)) if body else None


def _level(estimate: Estimate, lowest: float, highest: float) -> str:
    """Format a sparsity. An infinite value means that it lies outside of the sweep."""

    def one(value: float | None) -> str:
        if value is None or math.isfinite(value):
            return number(value, ".3f")
        return f"> {highest:.3f}" if value > 0 else f"< {lowest:.3f}"

    ends = "" if estimate.low is None else f" [{one(estimate.low)}, {one(estimate.high)}]"
    return one(estimate.value) + ends


def _dominance(found: Mapping[str, Outcome], where: str) -> Table:
    wins = pareto.dominance(found)
    rows = list(dict.fromkeys(row for row, _ in wins))
    body = [[row, *(number(wins.get((row, other)), ".2f") for other in rows)] for row in rows]
    title = f"Probability that the method on the left dominates the one above: at least as sparse{where} and as good"
    return Table(title, ["method", *rows], body, methods=len(rows))
