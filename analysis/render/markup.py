"""Tables and lists as Markdown and as LaTeX (booktabs)."""

import math
import re
from dataclasses import dataclass, field

NONE = "—"


@dataclass(frozen=True)
class Table:
    """Cells as plain text. The first `words` columns are text, the others numbers; `bold` are (line, column) pairs."""

    title: str
    header: list[str]
    body: list[list[str]]
    words: int = 1
    bold: set[tuple[int, int]] = field(default_factory=set)


def significant(value: float, digits: int = 3) -> str:
    """A number with so many digits at least, and no exponent: 0.0123, 4.00, 12,345."""
    size = math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0
    return format(value, f",.{max(digits - 1 - size, 0)}f")


def markdown_table(table: Table) -> str:
    """Padded, so that it also reads well in a terminal."""
    body = [
        [f"**{cell}**" if (i, j) in table.bold else cell for j, cell in enumerate(line)]
        for i, line in enumerate(table.body)
    ]
    lines = [[cell.replace("|", "\\|") for cell in line] for line in (table.header, *body)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]

    def padded(line: list[str]) -> str:
        cells = [
            cell.ljust(width) if i < table.words else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        return f"| {' | '.join(cells)} |"

    rule = ["-" * (w + 2) if i < table.words else "-" * (w + 1) + ":" for i, w in enumerate(widths)]
    return "\n".join([f"**{table.title}**", "", padded(lines[0]), f"|{'|'.join(rule)}|", *map(padded, lines[1:])])


def markdown_list(title: str, lines: list[str]) -> str:
    return "\n".join([f"**{title}**", "", *(f"- {line}" for line in lines)])


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


def latex_document(parts: list[str]) -> str:
    """A document that compiles as it stands; each table can also be taken out on its own (it needs booktabs)."""
    head = [
        "% Compiles as it stands. For a paper, copy a table environment; it needs \\usepackage{booktabs}.",
        "\\documentclass[a4paper,10pt]{article}\n\\usepackage[landscape,margin=1.5cm]{geometry}\n"
        "\\usepackage{booktabs}\n\\begin{document}",
    ]
    return "\n\n".join([*head, *parts, "\\end{document}"]) + "\n"


def latex_table(table: Table) -> str:
    def line(cells: list[str], number: int | None) -> str:
        done = [
            _latex_number(c) if number is not None and i >= table.words else latex_text(c) for i, c in enumerate(cells)
        ]
        shown = [f"\\textbf{{{c}}}" if (number, i) in table.bold else c for i, c in enumerate(done)]
        return "  " + " & ".join(shown) + " \\\\"

    columns = "l" * table.words + "r" * (len(table.header) - table.words)
    return "\n".join(
        [
            "\\begin{table}[htbp]",
            "\\centering\\scriptsize\\setlength{\\tabcolsep}{4pt}",
            f"\\caption{{{latex_text(table.title)}}}",
            f"\\begin{{tabular}}{{{columns}}}",
            "  \\toprule",
            line(table.header, None),
            "  \\midrule",
            *(line(cells, number) for number, cells in enumerate(table.body)),
            "  \\bottomrule",
            "\\end{tabular}",
            "\\end{table}",
        ]
    )


def latex_list(title: str, lines: list[str]) -> str:
    """`lines` are LaTeX."""
    items = "\n".join(f"  \\item {line}" for line in lines)
    return f"\\paragraph{{{latex_text(title)}}}\n\\begin{{itemize}}\n{items}\n\\end{{itemize}}"
