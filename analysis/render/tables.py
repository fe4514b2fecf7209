"""A comparison as Markdown and as a LaTeX document (booktabs)."""

import itertools
import textwrap
from collections.abc import Iterable, Sequence

from analysis.data import scores
from analysis.render.markup import (
    LAYOUTS,
    NONE,
    Table,
    breakable,
    fitting,
    latex_document,
    latex_list,
    latex_table,
    latex_text,
    markdown_list,
    markdown_table,
    portable,
)
from analysis.stats import pairwise
from analysis.stats.comparison import (
    ACTOR_SPARSITY,
    AREA,
    BEST,
    LOST,
    OPERATIONS,
    RETURN,
    SCORE,
    SECONDS,
    SPARSITY,
    Comparison,
)
from analysis.stats.metrics import FEW_SEEDS, NOTHING, SCORE_STATISTICS, Estimate

MOST_GAPS = 10  # cells without a result that are listed
ACROSS = 4  # methods beside each other; more go into a further table
LOWER_IS_BETTER = ("optimality gap",)
HOUR = 3600.0


def markdown(comparison: Comparison, more: Sequence[Table] = ()) -> str:
    """Write a comparison as Markdown: its tables, `more` tables, cells without a result, notes and sources."""
    source = [f"{name}: {f'`{text}`' if name == 'Command' else text}" for name, text in comparison.source]
    parts = [
        "# Comparison",
        *(markdown_table(table) for table in (*all_tables(comparison), *more)),
        *(markdown_list(title, lines) for title, lines in lists(comparison)),
        markdown_list("Source", source),
    ]
    return "\n\n".join(parts) + "\n"


def latex(comparison: Comparison, more: Sequence[Table] = (), layout: str = "landscape") -> str:
    """Write a comparison as a LaTeX document. `layout` is a key of markup.LAYOUTS; wide tables are split to fit it."""
    tables = fitting((*all_tables(comparison), *more), LAYOUTS[layout][1])
    parts = [latex_table(table, layout) for table in tables]
    parts.append("\\raggedright\\sloppy\\small")
    escaped = latex_text if LAYOUTS[layout][1] is None else breakable
    for title, lines in lists(comparison):
        parts.append(latex_list(title, [escaped(line) for line in lines]))
    source = [
        f"{latex_text(name)}: " + (f"\\texttt{{{escaped(text)}}}" if name == "Command" else escaped(text))
        for name, text in comparison.source
    ]
    return latex_document([*parts, latex_list("Source", source)], layout)


def all_tables(comparison: Comparison) -> list[Table]:
    """Make the tables of each block of one protocol: first those over all tasks, then those task by task."""
    families = list(scores.by_family(comparison.grid.tasks).values())
    tables = []
    for i, block in enumerate(comparison.blocks):
        where = comparison.where(i)
        width = -(-len(block) // -(-len(block) // ACROSS))  # as few tables as fit, of equal width
        chunks = [block[j : j + width] for j in range(0, len(block), width)]
        if any(comparison.overall[row] for row in block):
            tables.append(_overall(comparison, block, where))
        if any(row in comparison.against for row in block):
            tables.append(_compared(comparison, block, where))
        if comparison.improvement and len(block) > 2:
            tables.append(_improvement(comparison, block, where))
        if any(row in comparison.over_training for row in block):
            tables.append(_over_training(comparison, block, where))
        for name in (RETURN, SPARSITY, ACTOR_SPARSITY, SECONDS, OPERATIONS):
            for tasks in families:
                if any(name in comparison.on_task[row, task] for row in block for task in tasks):
                    tables += [_by_task(comparison, tasks, chunk, name, i) for chunk in chunks]
    return tables


def _overall(comparison: Comparison, rows: list[str], where: str) -> Table:
    tasks, scored = comparison.grid.tasks, comparison.scored
    names = [
        name
        for name in (*SCORE_STATISTICS, SPARSITY, ACTOR_SPARSITY)
        if any(name in comparison.overall[row] for row in rows)
    ]
    columns = [[comparison.overall[row].get(name, NOTHING) for row in rows] for name in names]
    body = []
    for i, row in enumerate(rows):
        body.append([row, *(interval(column[i], ".3f") for column in columns), _seeds_of_tasks(comparison, row)])
    bold = {
        (best, j)
        for j, (name, column) in enumerate(zip(names, columns, strict=True), start=1)
        if name in SCORE_STATISTICS and (best := clear_best(column, name in LOWER_IS_BETTER)) is not None
    }
    count = f"{len(scored)} of {len(tasks)}" if 0 < len(scored) < len(tasks) else str(len(tasks))
    over = f"over {count} {scores.noun(tasks)}{'s' * (len(tasks) != 1)}"
    references = scores.names(scored, comparison.settings.references)
    kind = "- or ".join(name.replace(" ", "-") for name in references) + "-normalised score"
    sparsity = "final sparsity" + " of critics and actor" * bool(comparison.actors)
    sparsity += f" over all {len(tasks)}" * (0 < len(scored) < len(tasks))
    title = f"{kind} {over}" + f", and {sparsity}" * (SPARSITY in names) if scored else f"{sparsity} {over}"
    header = ["method", *(_heading(name, comparison.actors) for name in names), "seeds"]
    return Table(_capital(title) + where, header, body, bold=bold, key="aggregates")


def _compared(comparison: Comparison, rows: list[str], where: str) -> Table:
    noun, statistic = scores.noun(comparison.grid.tasks), comparison.settings.statistic
    header = ["method", "compared with", f"difference of {statistic}", f"ratio of {statistic}"]
    header += ["probability of improvement", f"{noun}s better", f"{noun}s worse", f"{noun}s"]
    header += [f"seeds that show {comparison.settings.effect:g}"]
    body = []
    for row in rows:
        if row in comparison.against:
            other, pair = comparison.against[row]
            needed = NONE if pair.seeds_needed is None else f"{pair.seeds_needed:,}"
            apart = [str(len(names)) if pair.judged else NONE for names in (pair.better, pair.worse)]
            numbers = [interval(estimate, ".3f") for estimate in (pair.difference, pair.ratio)]
            improvement = interval(pair.improvement, ".2f")
            body.append([row, other, *numbers, improvement, *apart, str(len(pair.tasks)), needed])
    return Table(f"Each method against a reference [95 % interval]{where}", header, body, words=2, key="against")


def _improvement(comparison: Comparison, rows: list[str], where: str) -> Table:
    """Make the matrix of pairwise probabilities; its columns have numbers where names would not fit.

    Where some pair lacks a task, every cell has the number of tasks that both methods have.
    """
    named = len(rows) <= ACROSS
    counts = {(row, other): _shared(comparison, row, other) for row in rows for other in rows if row != other}
    differ = set(counts.values()) != {len(comparison.scored)}
    body = []
    for i, row in enumerate(rows, start=1):
        line = [row] if named else [row, str(i)]
        for other in rows:
            value = None if row == other else comparison.improvement[row, other].value
            line.append(number(value, ".2f") + (f" ({counts[row, other]})" if differ and value is not None else ""))
        body.append(line)
    header = ["method", *(rows if named else ["number", *map(str, range(1, len(rows) + 1))])]
    title = "Probability that a run of the method (line) has a higher score than one of another (column)"
    title += f" ({scores.noun(comparison.grid.tasks)}s that both have)" * differ
    return Table(title + where, header, body, key="improvement", methods=len(rows) * named)


def _shared(comparison: Comparison, row: str, other: str) -> int:
    """Return on how many tasks two rows are compared."""
    found = pairwise.pair(comparison.values[row][SCORE], comparison.values[other][SCORE], comparison.settings.paired)
    return len(found.tasks) if found else 0


def _over_training(comparison: Comparison, rows: list[str], where: str) -> Table:
    names = {"IQM": "final", BEST: BEST, LOST: LOST, AREA: AREA}
    found = [comparison.over_training.get(row, {}) for row in rows]
    body = [
        [row, *(interval(own.get(name, NOTHING), ".3f") for name in names)]
        for row, own in zip(rows, found, strict=True)
    ]
    title = "IQM of the scores of the final return, the best epoch's, and the mean over training (area under the curve)"
    return Table(title + where, ["method", *names.values()], body, key="over-training")


def _heading(name: str, actors: list[str]) -> str:
    return {SPARSITY: "critic sparsity" if actors else "sparsity", ACTOR_SPARSITY: "actor sparsity"}.get(name, name)


def _by_task(comparison: Comparison, tasks: list[str], rows: list[str], name: str, block: int) -> Table:
    """Make a table with tasks of one family down and methods across; returns stand beside random and reference ones."""
    known = [scores.reference(task, comparison.settings.references) for task in tasks]
    short = scores.short_names(comparison.grid.tasks)
    noun, returns = scores.noun(tasks), name == RETURN
    names = scores.names(tasks, comparison.settings.references)
    header = [noun, *(["random", " or ".join(names)] if returns else []), *rows]
    actors = [task for task in tasks if task in comparison.actors]
    what, spec, unit = {
        RETURN: ("mean return", "", 1.0),
        SECONDS: ("hours of wall time", ".3g", HOUR),
        OPERATIONS: ("operations of training", ".3g", 1.0),
    }.get(name, (f"final {_heading(name, actors)}", ".3f", 1.0))
    body, bold = [], set()
    for i, task in enumerate(known):
        cells = [short[task.name]]
        if returns:
            cells += [number(task.random), number(task.reference)]
        for row in rows:
            if returns and (row, task.name) in comparison.best[block]:
                bold.add((i, len(cells)))
            estimate = comparison.on_task[row, task.name].get(name, NOTHING)
            seeds = _seeds(estimate.seeds, comparison.grid.seeds(row, task.name))
            cells.append(f"{interval(_in(unit, estimate), spec)} ({seeds})")
        body.append(cells)
    brackets = _brackets(comparison.on_task[row, task].get(name, NOTHING) for row in rows for task in tasks)
    title = f"{_capital(what)} per {noun}{brackets} (seeds){comparison.where(block)}"
    key = f"{name.replace('_', '-')}-{known[0].family}"
    return Table(title, header, body, bold=bold, key=key, methods=len(rows))


def _brackets(estimates: Iterable[Estimate]) -> str:
    """Explain the brackets of a table of single tasks, for its title; empty if it has none."""
    few = {estimate.seeds < FEW_SEEDS for estimate in estimates if estimate.low is not None}
    if not few:
        return ""
    if few == {True}:
        return " [range of runs]"
    return f" [95 % interval; range if fewer than {FEW_SEEDS} runs]" if True in few else " [95 % interval]"


def clear_best(estimates: Sequence[Estimate], lower: bool = False) -> int | None:
    """Return the place of the best estimate, if its interval overlaps no other's and all have FEW_SEEDS seeds or more.

    Otherwise return None, also if fewer than two estimates have a value. With `lower`, the lowest value is the best.
    """
    there = [(i, estimate) for i, estimate in enumerate(estimates) if estimate.value is not None]
    if len(there) < 2 or any(e.low is None or e.high is None or e.seeds < FEW_SEEDS for _, e in there):
        return None
    sign = -1 if lower else 1
    spans = {i: sorted((sign * portable(e.low), sign * portable(e.high))) for i, e in there}  # type: ignore[arg-type]
    best = max(there, key=lambda pair: sign * pair[1].value)[0]  # type: ignore[operator]
    return best if all(spans[best][0] > high for i, (_, high) in spans.items() if i != best) else None


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _seeds(there: int, expected: int) -> str:
    return str(there) if there == expected else f"{there} of {expected}"


def _seeds_of_tasks(comparison: Comparison, row: str) -> str:
    """State how many runs a row has on the tasks, and how many it should have if some are missing."""
    grid = comparison.grid
    counts = {task: comparison.on_task[row, task].get(RETURN, NOTHING).seeds for task in grid.tasks}
    few, many = min(counts.values()), max(counts.values())
    there = str(few) if few == many else f"{few} to {many}"
    return there + f" of {grid.seeds(row)}" * any(count < grid.seeds(row, task) for task, count in counts.items())


def _in(unit: float, estimate: Estimate) -> Estimate:
    value, low, high = (None if part is None else part / unit for part in estimate[:3])
    return Estimate(value, low, high, estimate.seeds)


def interval(estimate: Estimate, spec: str) -> str:
    """Format an estimate as "0.31 [0.20, 0.42]"; without brackets if it has no interval, NONE if it has no value."""
    if estimate.value is None:
        return NONE
    if estimate.low is None or estimate.high is None:
        return number(estimate.value, spec)
    return f"{number(estimate.value, spec)} [{number(estimate.low, spec)}, {number(estimate.high, spec)}]"


def number(value: float | None, spec: str = "") -> str:
    """Format a number. Without a spec: one decimal, none from 1,000 on. A negative zero is a zero."""
    if value is None:
        return NONE
    value = portable(value)
    text = format(value, spec or (",.1f" if abs(value) < 1000 else ",.0f"))
    return text.removeprefix("-") if not text.strip("-0.") else text


def lists(comparison: Comparison) -> list[tuple[str, list[str]]]:
    """Return (title, lines) of the cells without a result, at most MOST_GAPS of them, and of the notes."""
    gaps = comparison.gaps
    lines = [
        f"{cell}: {textwrap.shorten(why, 240, placeholder=' ...')}"
        for cell, why in itertools.islice(gaps.items(), MOST_GAPS)
    ]
    if len(gaps) > MOST_GAPS:
        lines.append(f"{len(gaps) - MOST_GAPS:,} more, all of them in details.csv")
    named = [
        (f"Cells without a result ({len(gaps):,} of {len(comparison.grid.runs):,})", lines),
        ("Notes", comparison.notes),
    ]
    return [(title, lines) for title, lines in named if lines]
