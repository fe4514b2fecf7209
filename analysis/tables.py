"""A comparison as Markdown, as a LaTeX document (booktabs), and as tidy CSV."""

import csv
import io
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from analysis import scores
from analysis.comparison import ACTOR_SPARSITY, RETURN, SPARSITY, Comparison
from analysis.metrics import Estimate
from suite.tasks import FAMILIES

NONE = "—"
ACROSS = 4  # methods beside each other; more go into a further table
CSV_COLUMNS = ("method", "task", "statistic", "value", "low", "high", "seeds", "expected_seeds", "gaps")


@dataclass(frozen=True)
class Table:
    """Cells as plain text. The first `words` columns are text, the others numbers."""

    title: str
    header: list[str]
    body: list[list[str]]
    words: int = 1


def markdown(comparison: Comparison, more: Sequence[Table] = ()) -> str:
    parts = [
        "# Comparison",
        *(markdown_table(table) for table in (*_all_tables(comparison), *more)),
    ]
    for title, lines in _lists(comparison):
        parts.append("\n".join([f"**{title}**", "", *(f"- {line}" for line in lines)]))
    parts.append("\n".join(["**Source**", "", *(f"- {name}: {_code(name, text)}" for name, text in comparison.source)]))
    return "\n\n".join(parts) + "\n"


def latex(comparison: Comparison, more: Sequence[Table] = ()) -> str:
    """A document that compiles as it stands; each table can also be taken out on its own (it needs booktabs)."""
    parts = [
        "% Compiles as it stands. For a paper, copy a table environment; it needs \\usepackage{booktabs}.",
        "\\documentclass[a4paper,10pt]{article}\n\\usepackage[landscape,margin=1.5cm]{geometry}\n\\usepackage{booktabs}\n\\begin{document}",
    ]
    parts += [_latex_table(table) for table in (*_all_tables(comparison), *more)]
    parts.append("\\raggedright\\sloppy\\small")
    for title, lines in _lists(comparison):
        parts.append(_latex_list(title, [latex_text(line) for line in lines]))
    source = [
        f"{latex_text(name)}: " + (f"\\texttt{{{latex_text(text)}}}" if name == "Command" else latex_text(text))
        for name, text in comparison.source
    ]
    parts += [_latex_list("Source", source), "\\end{document}"]
    return "\n\n".join(parts) + "\n"


def tidy_csv(comparison: Comparison) -> str:
    """One line a method, task ("all" for the aggregates) and statistic; `gaps` names the cells without a result."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in comparison.grid.rows:
        entries = [("all", name, estimate) for name, estimate in comparison.overall[row].items()]
        for task in comparison.grid.tasks:
            entries += [(task, name, estimate) for name, estimate in comparison.on_task[row, task].items()]
        for task, name, estimate in entries:
            gaps = [
                f"{cell.task} seed {cell.seed}: {why}"
                for cell, why in comparison.gaps.items()
                if cell.row == row and task in ("all", cell.task)
            ]
            expected = len(comparison.grid.seeds) if task == "all" else comparison.expected_seeds(row, task)
            numbers = ["" if number is None else repr(number) for number in estimate[:3]]
            writer.writerow([row, task, name, *numbers, estimate.seeds, expected, "; ".join(gaps)])
    return out.getvalue()


def _all_tables(comparison: Comparison) -> list[Table]:
    rows = comparison.grid.rows
    width = -(-len(rows) // -(-len(rows) // ACROSS))  # as few tables as fit, of equal width
    chunks = [rows[i : i + width] for i in range(0, len(rows), width)]
    families = scores.by_family(comparison.grid.tasks).values()
    tables = [_overall(comparison)]
    for name in (RETURN, SPARSITY, ACTOR_SPARSITY):
        for tasks in families:
            if name != ACTOR_SPARSITY or tasks[0] in comparison.actors:
                tables += [_by_task(comparison, tasks, chunk, name) for chunk in chunks]
    return tables


def _overall(comparison: Comparison) -> Table:
    tasks, scored = comparison.grid.tasks, comparison.scored
    names = list(next(iter(comparison.overall.values())))
    body = []
    for row in comparison.grid.rows:
        estimates = comparison.overall[row]
        seeds = _seeds(estimates[names[0]].seeds, len(comparison.grid.seeds))
        body.append([row, *(_interval(estimates[name], ".3f") for name in names), seeds])
    count = f"{len(scored)} of {len(tasks)}" if 0 < len(scored) < len(tasks) else str(len(tasks))
    over = f"over {count} {scores.noun(tasks)}{'s' * (len(tasks) != 1)}"
    kind = "- or ".join(name.replace(" ", "-") for name in scores.references(scored)) + "-normalised score"
    sparsity = "final sparsity" + " of critics and actor" * bool(comparison.actors)
    title = f"{kind} {over}, and {sparsity}" if scored else f"{sparsity} {over}"
    header = ["method", *(_heading(name, comparison.actors) for name in names), "seeds"]
    return Table(_capital(title), header, body)


def _heading(name: str, actors: list[str]) -> str:
    return {SPARSITY: "critic sparsity" if actors else "sparsity", ACTOR_SPARSITY: "actor sparsity"}.get(name, name)


def _by_task(comparison: Comparison, tasks: list[str], rows: list[str], name: str) -> Table:
    """Tasks of one family down, methods across; returns stand beside the random and the reference one."""
    known = [scores.reference(task) for task in tasks]
    noun, returns = scores.noun(tasks), name == RETURN
    header = [noun, *(["random", FAMILIES[known[0].family].reference] if returns else []), *rows]
    body = []
    for task in known:
        cells = [task.environment]
        if returns:
            cells += [_number(task.random), NONE if task.reference is None else _number(task.reference)]
        for row in rows:
            estimate = comparison.on_task[row, task.name][name]
            seeds = _seeds(estimate.seeds, comparison.expected_seeds(row, task.name))
            cells.append(f"{_interval(estimate, '' if returns else '.3f')} ({seeds})")
        body.append(cells)
    actors = [task for task in tasks if task in comparison.actors]
    what = "mean return" if returns else f"final {_heading(name, actors)}"
    return Table(f"{_capital(what)} per {noun} [95 % interval] (seeds)", header, body)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _seeds(there: int, expected: int) -> str:
    return str(there) if there == expected else f"{there} of {expected}"


def _interval(estimate: Estimate, form: str) -> str:
    if estimate.value is None:
        return NONE
    if estimate.low is None or estimate.high is None:
        return _number(estimate.value, form)
    return f"{_number(estimate.value, form)} [{_number(estimate.low, form)}, {_number(estimate.high, form)}]"


def _number(value: float, form: str = "") -> str:
    """Without a form: one decimal, none from 1,000 on. A negative zero is a zero."""
    text = format(value, form or (",.1f" if abs(value) < 1000 else ",.0f"))
    return text.removeprefix("-") if not text.strip("-0.") else text


def _lists(comparison: Comparison) -> list[tuple[str, list[str]]]:
    gaps = [f"{cell}: {textwrap.shorten(why, 240, placeholder=' ...')}" for cell, why in comparison.gaps.items()]
    named = [
        (f"Cells without a result ({len(gaps)} of {len(comparison.grid.runs)})", gaps),
        ("Notes", comparison.notes),
    ]
    return [(title, lines) for title, lines in named if lines]


# Markdown ----------


def markdown_table(table: Table) -> str:
    """Padded, so that it also reads well in a terminal."""
    lines = [[cell.replace("|", "\\|") for cell in line] for line in (table.header, *table.body)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]

    def padded(line: list[str]) -> str:
        cells = [
            cell.ljust(width) if i < table.words else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        return f"| {' | '.join(cells)} |"

    rule = ["-" * (w + 2) if i < table.words else "-" * (w + 1) + ":" for i, w in enumerate(widths)]
    return "\n".join([f"**{table.title}**", "", padded(lines[0]), f"|{'|'.join(rule)}|", *map(padded, lines[1:])])


def _code(name: str, text: str) -> str:
    return f"`{text}`" if name == "Command" else text


# LaTeX ----------

_ESCAPES = {
    "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "_": "\\_", "%": "\\%", "&": "\\&", "#": "\\#", "$": "\\$",
    "~": "\\textasciitilde{}", "^": "\\textasciicircum{}",
    "<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}",
    "[": "{[}", "]": "{]}",  # a line that began with [ would be read as an argument of the \\ before it
    NONE: "---", "±": "$\\pm$",
}  # fmt: skip


def latex_text(text: str) -> str:
    """Any text, so that LaTeX prints it; what is not ASCII, which a font may lack, becomes a question mark."""
    return "".join(_ESCAPES.get(c, c if c.isascii() and c.isprintable() else "?") for c in text)


def _latex_number(cell: str) -> str:
    """Like latex_text, with a minus sign for the hyphen of a negative number."""
    return re.sub(r"-(?=\d)", "$-$", latex_text(cell))


def _latex_table(table: Table) -> str:
    def line(cells: list[str], body: bool = True) -> str:
        done = [_latex_number(c) if body and i >= table.words else latex_text(c) for i, c in enumerate(cells)]
        return "  " + " & ".join(done) + " \\\\"

    columns = "l" * table.words + "r" * (len(table.header) - table.words)
    return "\n".join(
        [
            "\\begin{table}[htbp]",
            "\\centering\\scriptsize\\setlength{\\tabcolsep}{4pt}",
            f"\\caption{{{latex_text(table.title)}}}",
            f"\\begin{{tabular}}{{{columns}}}",
            "  \\toprule",
            line(table.header, body=False),
            "  \\midrule",
            *map(line, table.body),
            "  \\bottomrule",
            "\\end{tabular}",
            "\\end{table}",
        ]
    )


def _latex_list(title: str, lines: list[str]) -> str:
    items = "\n".join(f"  \\item {line}" for line in lines)
    return f"\\paragraph{{{latex_text(title)}}}\n\\begin{{itemize}}\n{items}\n\\end{{itemize}}"
