"""The section of the report on sparsity and score: the Pareto front, sweeps at matched sparsity, and dominance."""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from analysis.data.cells import Grid
from analysis.data.provenance import letter
from analysis.figures import sparsity as sparsity_figures
from analysis.page.page import Listing, Paragraph, Part, Picture, Section, SortableTable
from analysis.render.markup import NONE, Table
from analysis.render.tables import interval
from analysis.settings import Settings
from analysis.stats import pareto
from analysis.stats.comparison import ACTOR_SPARSITY, SCORE, SPARSITY, Comparison, final_values, reference_row
from analysis.stats.metrics import ByTask, Estimate
from analysis.stats.pareto import Outcome

NETWORKS = {SPARSITY: "", ACTOR_SPARSITY: " of actors"}  # measure -> whose sparsity it is


def two_axes(comparison: Comparison, settings: Settings, kept: float) -> Section:
    """Compare sparsity and score in each block of the table. `kept` is the share of the reference's score to keep."""
    parts: list[Part] = []
    grid = comparison.grid
    values = {
        row: final_values(grid, row, comparison.scored, comparison.actors, settings.references) for row in grid.rows
    }
    for i, block in enumerate(comparison.blocks if comparison.scored else []):
        for measure, networks in NETWORKS.items():
            rows = [row for row in block if measure in values[row]]
            levels = {row: _on(values[row][measure], comparison.scored) for row in rows}
            reached = {row: _on(values[row][SCORE], levels[row]) for row in rows}
            if any(levels.values()):
                found, notes = pareto.outcomes(levels, reached, settings.seed, settings.repetitions)
                unknown = [f"{row}: its sparsity{networks} is not known" for row in block if row not in rows]
                where = f" (protocol {letter(i)})" if len(comparison.blocks) > 1 else ""
                name = "pareto" + f"-{letter(i)}" * bool(where) + "-actors" * bool(networks)
                parts += _axes(found, grid, settings, kept, networks + where, name)
                if notes or unknown:
                    parts.append(Listing([f"{note}." for note in notes + unknown]))
    return Section("Sparsity and score", parts)


def _on(by_task: ByTask, tasks: Iterable[str]) -> ByTask:
    """Keep the values on these tasks."""
    return {task: by_task[task] for task in tasks if task in by_task}


def _axes(
    found: Mapping[str, Outcome], grid: Grid, settings: Settings, kept: float, where: str, name: str
) -> list[Part]:
    """Draw the figure of one block and one kind of network, and list its tables."""
    if not found:
        return []
    methods = {row: grid.methods[row] for row in found}
    fronts, sweeps = pareto.on_front(found), pareto.sweeps(methods, settings.reference, labels=grid.labels)
    beside = {row: reference_row(grid, row, settings.reference) for row in found}
    dense = {row: other for row, other in beside.items() if other is not None and other in found}
    one = [found[row] for row in set(dense.values())]
    said = f"{100 * kept:g} % of {settings.reference}"
    picture = partial(
        sparsity_figures.pareto,
        found,
        grid.methods,
        fronts,
        sweeps,
        (said, kept * one[0].point[1]) if len(one) == 1 and one[0].point[1] > 0 else None,
    )
    caption = (
        f"Sparsity{where} and IQM of the scores, with 95 % confidence regions (normal ellipses with Hotelling's radius;"
        " a line where the sparsity is fixed; none with too few runs). In brackets: the probability of being on the"
        f" Pareto front. Dotted: {said}'s score. Lines join sweeps of final"
        " sparsities. Methods with the same fixed sparsity are drawn side by side."
    )
    parts: list[Part] = [Picture(name, caption, picture), SortableTable(_joint(found, fronts, dense, kept, where))]
    matched = _matched(found, sweeps, where)
    if matched is not None:
        parts += [matched, Paragraph("Scores between the rows of a sweep are interpolated linearly; none outside.")]
        parts.append(SortableTable(_kept(found, sweeps, dense, kept, where)))
    if fronts:
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
        line = [row, *(interval(span, ".3f") for span in spans), _number(fronts.get(row))]
        if row in dense:
            against = pareto.against(outcome, found[dense[row]], kept)
            line += [interval(against.ratio, ".3f"), _number(against.keeps)]
        else:
            line += [NONE, NONE]
        body.append([*line, str(outcome.seeds)])
    return Table("Sparsity and score of the same resamples [95 % interval]; probabilities", header, body)


def _matched(found: Mapping[str, Outcome], sweeps: Mapping[str, Sequence[str]], where: str) -> SortableTable | None:
    """Compare each row with each sweep that does not contain it. None if there is no such pair."""
    header = ["method", "sweep", f"sparsity{where}", "IQM", "sweep's IQM there", "difference"]
    body, remarks = [], []
    for name, rows in sweeps.items():
        along = pareto.rows_of(found, rows)
        for row in found.keys() - set(rows) if len(along) > 1 else ():
            beside = pareto.matched(found[row], along)
            numbers = [f"{beside.sparsity:.3f}", f"{beside.score:.3f}", _number(beside.other, ".3f")]
            body.append([row, name, *numbers, interval(beside.difference, ".3f")])
            remarks.append(beside.remark)
    if not body:
        return None
    order = sorted(range(len(body)), key=lambda i: (list(found).index(body[i][0]), body[i][1]))
    table = Table("At matched sparsity [95 % interval]", header, [body[i] for i in order], words=2)
    return SortableTable(table, {"": [remarks[i] for i in order]})


def _kept(
    found: Mapping[str, Outcome],
    sweeps: Mapping[str, Sequence[str]],
    dense: Mapping[str, str],
    kept: float,
    where: str,
) -> Table:
    """Estimate the highest sparsity of each sweep that keeps the share `kept` of its reference's score."""
    body = []
    for name, rows in sweeps.items():
        along = pareto.rows_of(found, rows)
        reference = next((dense[row] for row in rows if row in dense), None)
        if len(along) > 1 and reference is not None:
            span = min(o.point[0] for o in along), max(o.point[0] for o in along)
            body.append([name, _level(pareto.kept_sparsity(along, found[reference], kept), *span)])
    title = f"The sparsity{where} up to which a sweep keeps {100 * kept:g} % of the reference's score [95 % interval]"
    return Table(title, ["sweep", "sparsity"], body)


def _level(estimate: Estimate, lowest: float, highest: float) -> str:
    """Format a sparsity. An infinite value means that it lies outside of the sweep."""

    def one(value: float | None) -> str:
        if value is None or math.isfinite(value):
            return _number(value, ".3f")
        return f"> {highest:.3f}" if value > 0 else f"< {lowest:.3f}"

    ends = "" if estimate.low is None else f" [{one(estimate.low)}, {one(estimate.high)}]"
    return one(estimate.value) + ends


def _dominance(found: Mapping[str, Outcome], where: str) -> Table:
    wins = pareto.dominance(found)
    rows = list(dict.fromkeys(row for row, _ in wins))
    body = [[row, *(_number(wins.get((row, other))) for other in rows)] for row in rows]
    title = f"Probability that the method on the left dominates the one above: sparser{where} and better"
    return Table(title, ["method", *rows], body)


def _number(value: float | None, form: str = ".2f") -> str:
    return NONE if value is None else format(value, form)
