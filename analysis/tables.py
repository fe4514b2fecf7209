"""A comparison as Markdown, as a LaTeX document (booktabs), and as tidy CSV."""

import csv
import io
import re
import textwrap
from dataclasses import dataclass

from analysis.comparison import ON_TASK, OVERALL, SPARSITY, Comparison
from analysis.metrics import Estimate
from analysis.scores import reference

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


def markdown(comparison: Comparison) -> str:
    parts = [
        "# Comparison",
        *(_markdown_table(table) for table in _all_tables(comparison)),
    ]
    for title, lines in _lists(comparison):
        parts.append("\n".join([f"**{title}**", "", *(f"- {line}" for line in lines)]))
    parts.append("\n".join(["**Source**", "", *(f"- {name}: {_code(name, text)}" for name, text in comparison.source)]))
    return "\n\n".join(parts) + "\n"


def latex(comparison: Comparison) -> str:
    """A document that compiles as it stands; each table can also be taken out on its own (it needs booktabs)."""
    parts = [
        "% Compiles as it stands. For a paper, copy a table environment; it needs \\usepackage{booktabs}.",
        "\\documentclass[a4paper,10pt]{article}\n\\usepackage[landscape,margin=1.5cm]{geometry}\n\\usepackage{booktabs}\n\\begin{document}",
    ]
    parts += [_latex_table(table) for table in _all_tables(comparison)]
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
        entries = [("all", name, comparison.overall[row][name]) for name in OVERALL]
        entries += [(t, name, comparison.on_task[row, t][name]) for t in comparison.grid.tasks for name in ON_TASK]
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
    return [
        _overall(comparison),
        *(_by_task(comparison, chunk, "return", "Mean return") for chunk in chunks),
        *(_by_task(comparison, chunk, SPARSITY, "Final sparsity") for chunk in chunks),
    ]


def _overall(comparison: Comparison) -> Table:
    games = len(comparison.grid.tasks)
    header = ["method", *OVERALL, "seeds"]
    body = []
    for row in comparison.grid.rows:
        estimates = [comparison.overall[row][name] for name in OVERALL]
        seeds = _seeds(estimates[0].seeds, len(comparison.grid.seeds))
        body.append([row, *(_interval(estimate, ".3f") for estimate in estimates), seeds])
    return Table(f"Human-normalised score over {games} game{'s' * (games != 1)}, and final sparsity", header, body)


def _by_task(comparison: Comparison, rows: list[str], name: str, title: str) -> Table:
    """Games down, methods across; returns stand beside the random and the human one."""
    returns = name == "return"
    header = ["game", *(["random", "human"] if returns else []), *rows]
    body = []
    for task in comparison.grid.tasks:
        cells = [task.removeprefix("atari/")]
        if returns:
            cells += [_number(reference(task).random), _number(reference(task).human)]
        for row in rows:
            estimate = comparison.on_task[row, task][name]
            seeds = _seeds(estimate.seeds, comparison.expected_seeds(row, task))
            cells.append(f"{_interval(estimate, '' if returns else '.3f')} ({seeds})")
        body.append(cells)
    return Table(f"{title} per game [95 % interval] (seeds)", header, body)


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


def _markdown_table(table: Table) -> str:
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
