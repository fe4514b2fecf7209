"""The parts of the report on sparsity: beside the score, by layer, and through the elections of each run."""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from analysis.data import scores
from analysis.data.cells import Cell, Grid
from analysis.data.provenance import letter
from analysis.data.runs import Run
from analysis.figures import sparsity as sparsity_figures
from analysis.page.page import Part, Picture, Section, listing, paragraph, sortable, text
from analysis.render.markup import NONE, Table
from analysis.render.tables import interval
from analysis.settings import Settings
from analysis.stats import election_log, pareto
from analysis.stats.comparison import ACTOR_SPARSITY, SCORE, SPARSITY, Comparison, final_values, reference_row
from analysis.stats.metrics import Estimate
from analysis.stats.pareto import Outcome

LEDGERS = 12  # elections that are drawn without being asked for
NETWORKS = {SPARSITY: "", ACTOR_SPARSITY: " of actors"}  # measure -> which networks' sparsity it is


# Sparsity and score ----------


def two_axes(comparison: Comparison, settings: Settings, kept: float) -> Section:
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
                parts += [listing(f"{note}." for note in notes + unknown)] * bool(notes + unknown)
    return Section("Sparsity and score", parts)


def _on(by_task: Mapping[str, Mapping], tasks: Iterable[str]) -> dict[str, Mapping]:
    return {task: by_task[task] for task in tasks if task in by_task}


def _axes(
    found: Mapping[str, Outcome], grid: Grid, settings: Settings, kept: float, where: str, name: str
) -> list[Part]:
    if not found:
        return []
    methods = {row: grid.methods[row] for row in found}
    fronts, sweeps = pareto.on_front(found), pareto.sweeps(methods, settings.reference)
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
        " sparsities. Methods of one fixed sparsity stand beside each other."
    )
    parts: list[Part] = [Picture(name, caption, picture), sortable(_joint(found, fronts, dense, kept, where))]
    matched = _matched(found, sweeps, where)
    if matched:
        parts += [matched, paragraph("Scores between the rows of a sweep are interpolated linearly; none outside.")]
        parts.append(sortable(_kept(found, sweeps, dense, kept, where)))
    if fronts:
        parts.append(sortable(_dominance(found, where)))
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


def _matched(found: Mapping[str, Outcome], sweeps: Mapping[str, Sequence[str]], where: str) -> str:
    """Every row against every sweep that it is not in; empty without any."""
    header = ["method", "sweep", f"sparsity{where}", "IQM", "sweep's IQM there", "difference"]
    body, remarks = [], []
    for name, rows in sweeps.items():
        along = pareto.rows_of(found, rows)
        for row in found.keys() - set(rows) if len(along) > 1 else ():
            beside = pareto.matched(found[row], along)
            numbers = [f"{beside.sparsity:.3f}", f"{beside.score:.3f}", _number(beside.other, ".3f")]
            body.append([row, name, *numbers, interval(beside.difference, ".3f")])
            remarks.append(text(beside.remark))
    order = sorted(range(len(body)), key=lambda i: (list(found).index(body[i][0]), body[i][1]))
    table = Table("At matched sparsity [95 % interval]", header, [body[i] for i in order], words=2)
    return sortable(table, {"": [remarks[i] for i in order]}) if body else ""


def _kept(
    found: Mapping[str, Outcome],
    sweeps: Mapping[str, Sequence[str]],
    dense: Mapping[str, str],
    kept: float,
    where: str,
) -> Table:
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
    """A sparsity that may lie outside of what was swept."""

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


# Layers and elections ----------


def layers(grid: Grid, folders: Mapping[Cell, Path]) -> Section:
    """A heat map a family of tasks: final sparsities by layer, means over tasks and seeds."""
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
    """What became of the elections of every run with several online networks; the figures of those that are asked for
    by name, or else of the lowest seed of each row and task."""
    books: dict[Cell, pd.DataFrame] = {}
    for cell, run in grid.present():
        if cell in folders and len(book := election_log.read(folders[cell])):
            book = book[book["agent_step"] <= _last_step(run, book)]
            books |= {cell: book} if len(book) else {}
    if not books:
        return Section("Elections", [])
    first = {(cell.row, cell.task): cell for cell in sorted(books, key=lambda cell: -cell.seed)}
    shown = [cell for cell in books if (grid.runs[cell].name in asked if asked else cell in first.values())]  # type: ignore[union-attr]
    parts: list[Part] = []
    for cell in shown[:LEDGERS] if not asked else shown:
        caption = f"{cell}. {election_log.why(books[cell])}"
        title = f"{scores.reference(cell.task).environment}, {cell.row}, seed {cell.seed}"
        picture = partial(sparsity_figures.elections, books[cell], title)
        parts.append(Picture(f"elections-{grid.runs[cell].name}", caption, picture))  # type: ignore[union-attr]
    if len(books) > len(parts):
        parts.append(paragraph(f"Drawn are {len(parts)} of {len(books)} runs; --elections RUN draws others by name."))
    return Section(
        "Elections", [*parts, sortable(_ledger(books), {"why": [text(election_log.why(b)) for b in books.values()]})]
    )


def _last_step(run: Run, book: pd.DataFrame) -> int:
    """Where a finished run ends, which may have been cut; everything of one that is not finished."""
    finished = run.status == "finished" and len(run.history)
    return int(run.history["agent_step"].iloc[-1]) if finished else int(book["agent_step"].iloc[-1])


def _ledger(books: Mapping[Cell, pd.DataFrame]) -> Table:
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
    for cell, book in books.items():
        count = election_log.summary(book)
        numbers = [str(n) for n in (cell.seed, count.held, count.taken, count.refused, count.idle)]
        typical = NONE if math.isnan(count.typical_step) else f"{count.typical_step:.4f}"
        last = NONE if count.last_taken is None else f"{count.last_taken:,}"
        body.append([cell.row, cell.task, *numbers, typical, f"{count.sparsity:.3f}", last])
    title = (
        "Elections: a step is taken when a network sparser than the target wins, refused when one stood and lost;"
        " idle: none stood"
    )
    return Table(title, header, body, words=2)
