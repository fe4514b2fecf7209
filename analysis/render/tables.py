"""A comparison as Markdown, as a LaTeX document (booktabs), and as tidy CSV."""

import csv
import io
import textwrap
from collections.abc import Sequence

from analysis.data import scores
from analysis.data.provenance import letter
from analysis.render.markup import (
    NONE,
    Table,
    latex_document,
    latex_list,
    latex_table,
    latex_text,
    markdown_list,
    markdown_table,
)
from analysis.stats.comparison import ACTOR_SPARSITY, OPERATIONS, RETURN, SECONDS, SPARSITY, Comparison
from analysis.stats.metrics import FEW_SEEDS, NOTHING, SCORE_STATISTICS, Estimate

ACROSS = 4  # methods beside each other; more go into a further table
CSV_COLUMNS = ("method", "task", "statistic", "value", "low", "high", "seeds", "expected_seeds", "gaps")
LOWER_IS_BETTER = ("optimality gap",)
HOUR = 3600.0


def markdown(comparison: Comparison, more: Sequence[Table] = ()) -> str:
    source = [f"{name}: {f'`{text}`' if name == 'Command' else text}" for name, text in comparison.source]
    parts = [
        "# Comparison",
        *(markdown_table(table) for table in (*all_tables(comparison), *more)),
        *(markdown_list(title, lines) for title, lines in lists(comparison)),
        markdown_list("Source", source),
    ]
    return "\n\n".join(parts) + "\n"


def latex(comparison: Comparison, more: Sequence[Table] = ()) -> str:
    parts = [latex_table(table) for table in (*all_tables(comparison), *more)]
    parts.append("\\raggedright\\sloppy\\small")
    for title, lines in lists(comparison):
        parts.append(latex_list(title, [latex_text(line) for line in lines]))
    source = [
        f"{latex_text(name)}: " + (f"\\texttt{{{latex_text(text)}}}" if name == "Command" else latex_text(text))
        for name, text in comparison.source
    ]
    return latex_document([*parts, latex_list("Source", source)])


def tidy_csv(comparison: Comparison) -> str:
    """One line a method, task ("all" for the aggregates) and statistic; `gaps` names the cells without a result."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in comparison.grid.rows:
        entries = [("all", name, estimate) for name, estimate in comparison.overall[row].items()]
        if row in comparison.against:
            other, pair = comparison.against[row]
            entries.append(("all", f"difference to {other}", pair.difference))
            entries.append(("all", f"probability of improvement over {other}", pair.improvement))
        for task in comparison.grid.tasks:
            entries += [(task, name, estimate) for name, estimate in comparison.on_task[row, task].items()]
        for task, name, estimate in entries:
            gaps = [
                f"{cell.task} seed {cell.seed}: {why}"
                for cell, why in comparison.gaps.items()
                if cell.row == row and task in ("all", cell.task)
            ]
            expected = comparison.grid.seeds(row, None if task == "all" else task)
            numbers = ["" if number is None else repr(number) for number in estimate[:3]]
            writer.writerow([row, task, name, *numbers, estimate.seeds, expected, "; ".join(gaps)])
    return out.getvalue()


def all_tables(comparison: Comparison) -> list[Table]:
    """For each block of one protocol: the aggregates, the comparison with the reference, then task by task."""
    families = list(scores.by_family(comparison.grid.tasks).values())
    tables = []
    for i, block in enumerate(comparison.blocks):
        where = f" (protocol {letter(i)})" if len(comparison.blocks) > 1 else ""
        width = -(-len(block) // -(-len(block) // ACROSS))  # as few tables as fit, of equal width
        chunks = [block[j : j + width] for j in range(0, len(block), width)]
        if any(comparison.overall[row] for row in block):
            tables.append(_overall(comparison, block, where))
        if any(row in comparison.against for row in block):
            tables.append(_compared(comparison, block, where))
        for name in (RETURN, SPARSITY, ACTOR_SPARSITY, SECONDS, OPERATIONS):
            for tasks in families:
                if any(name in comparison.on_task[row, task] for row in block for task in tasks):
                    tables += [_by_task(comparison, tasks, chunk, name, where) for chunk in chunks]
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
        there = columns[0][i].seeds if columns else 0
        body.append([row, *(interval(c[i], ".3f") for c in columns), _seeds(there, comparison.grid.seeds(row))])
    bold = {
        (best, j)
        for j, (name, column) in enumerate(zip(names, columns, strict=True), start=1)
        if name in SCORE_STATISTICS and (best := clear_best(column, name in LOWER_IS_BETTER)) is not None
    }
    count = f"{len(scored)} of {len(tasks)}" if 0 < len(scored) < len(tasks) else str(len(tasks))
    over = f"over {count} {scores.noun(tasks)}{'s' * (len(tasks) != 1)}"
    references = scores.names(scored, comparison.references)
    kind = "- or ".join(name.replace(" ", "-") for name in references) + "-normalised score"
    sparsity = "final sparsity" + " of critics and actor" * bool(comparison.actors)
    title = f"{kind} {over}, and {sparsity}" if scored else f"{sparsity} {over}"
    header = ["method", *(_heading(name, comparison.actors) for name in names), "seeds"]
    return Table(_capital(title) + where, header, body, bold=bold)


def _compared(comparison: Comparison, rows: list[str], where: str) -> Table:
    noun = scores.noun(comparison.grid.tasks)
    header = ["method", "compared with", "difference of mean score", "probability of improvement"]
    header += [f"{noun}s better", f"{noun}s worse", f"{noun}s", "seeds needed"]
    body = []
    for row in rows:
        if row in comparison.against:
            other, pair = comparison.against[row]
            needed = NONE if pair.seeds_needed is None else f"{pair.seeds_needed:,}"
            apart = [str(len(names)) if pair.judged else NONE for names in (pair.better, pair.worse)]
            difference, improvement = interval(pair.difference, ".3f"), interval(pair.improvement, ".2f")
            body.append([row, other, difference, improvement, *apart, str(len(pair.tasks)), needed])
    return Table(f"Each method against a reference, {noun} by {noun}{where}", header, body, words=2)


def _heading(name: str, actors: list[str]) -> str:
    return {SPARSITY: "critic sparsity" if actors else "sparsity", ACTOR_SPARSITY: "actor sparsity"}.get(name, name)


def _by_task(comparison: Comparison, tasks: list[str], rows: list[str], name: str, where: str) -> Table:
    """Tasks of one family down, methods across; returns stand beside the random and the reference one."""
    known = [scores.reference(task, comparison.references) for task in tasks]
    noun, returns = scores.noun(tasks), name == RETURN
    names = scores.names(tasks, comparison.references)
    header = [noun, *(["random", " or ".join(names)] if returns else []), *rows]
    actors = [task for task in tasks if task in comparison.actors]
    what, form, unit = {
        RETURN: ("mean return", "", 1.0),
        SECONDS: ("hours of wall time", ".3g", HOUR),
        OPERATIONS: ("operations of training", ".3g", 1.0),
    }.get(name, (f"final {_heading(name, actors)}", ".3f", 1.0))
    body, bold = [], set()
    for i, task in enumerate(known):
        cells = [task.environment]
        if returns:
            cells += [_number(task.random), NONE if task.reference is None else _number(task.reference)]
        if returns and (best := _best_of_block(comparison, task.name, rows)) is not None:
            bold.add((i, len(cells) + best))
        for row in rows:
            estimate = comparison.on_task[row, task.name].get(name, NOTHING)
            seeds = _seeds(estimate.seeds, comparison.grid.seeds(row, task.name))
            cells.append(f"{interval(_in(unit, estimate), form)} ({seeds})")
        body.append(cells)
    return Table(f"{_capital(what)} per {noun} [95 % interval] (seeds){where}", header, body, bold=bold)


def _best_of_block(comparison: Comparison, task: str, rows: list[str]) -> int | None:
    """The place among `rows` of the clear best of their whole block, if it is one of them."""
    block = next(block for block in comparison.blocks if rows[0] in block)
    best = clear_best([comparison.on_task[row, task].get(RETURN, NOTHING) for row in block])
    return rows.index(block[best]) if best is not None and block[best] in rows else None


def clear_best(estimates: Sequence[Estimate], lower: bool = False) -> int | None:
    """The place of the best of several estimates, if its interval overlaps no other's and all rest on enough seeds."""
    there = [(i, estimate) for i, estimate in enumerate(estimates) if estimate.value is not None]
    if len(there) < 2 or any(e.low is None or e.high is None or e.seeds < FEW_SEEDS for _, e in there):
        return None
    sign = -1 if lower else 1
    spans = {i: sorted((sign * e.low, sign * e.high)) for i, e in there}  # type: ignore[operator]
    best = max(there, key=lambda pair: sign * pair[1].value)[0]  # type: ignore[operator]
    return best if all(spans[best][0] > high for i, (_, high) in spans.items() if i != best) else None


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _seeds(there: int, expected: int) -> str:
    return str(there) if there == expected else f"{there} of {expected}"


def _in(unit: float, estimate: Estimate) -> Estimate:
    value, low, high = (None if number is None else number / unit for number in estimate[:3])
    return Estimate(value, low, high, estimate.seeds)


def interval(estimate: Estimate, form: str) -> str:
    if estimate.value is None:
        return NONE
    if estimate.low is None or estimate.high is None:
        return _number(estimate.value, form)
    return f"{_number(estimate.value, form)} [{_number(estimate.low, form)}, {_number(estimate.high, form)}]"


def _number(value: float, form: str = "") -> str:
    """Without a form: one decimal, none from 1,000 on. A negative zero is a zero."""
    text = format(value, form or (",.1f" if abs(value) < 1000 else ",.0f"))
    return text.removeprefix("-") if not text.strip("-0.") else text


def lists(comparison: Comparison) -> list[tuple[str, list[str]]]:
    gaps = [f"{cell}: {textwrap.shorten(why, 240, placeholder=' ...')}" for cell, why in comparison.gaps.items()]
    named = [
        (f"Cells without a result ({len(gaps)} of {len(comparison.grid.runs)})", gaps),
        ("Notes", comparison.notes),
    ]
    return [(title, lines) for title, lines in named if lines]
