"""Tables and lists as Markdown and as LaTeX (booktabs)."""

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

NONE = "—"

#: Layout of a LaTeX document -> its geometry, and the points that a table may be wide; None for any width. 397 pt is
#: the text width of the usual conference styles.
PORTRAIT = "a4paper,textwidth=397pt,textheight=24cm"
LAYOUTS: dict[str, tuple[str, float | None]] = {
    "landscape": ("landscape,margin=1.5cm", None),
    "portrait": (PORTRAIT, 397.0),
    "longtable": (PORTRAIT, 397.0),  # its tables break over pages
}
#: Points: what lies between columns, and the widest letters and digits on average, in \\scriptsize.
COLUMN_GAP, CHARACTER = 8.0, 4.3


@dataclass(frozen=True)
class Table:
    """Cells as plain text. The first `words` columns are text, the others numbers; `bold` are (line, column) pairs."""

    title: str
    header: list[str]
    body: list[list[str]]
    words: int = 1
    bold: set[tuple[int, int]] = field(default_factory=set)
    key: str = "table"  # of its \\label
    methods: int = 0  # how many of the last columns are those of methods


def portable(value: float) -> float:
    """Round to ten digits and twelve decimals. Processors add in different orders, so they differ in later ones.

    >>> portable(0.1 + 0.2), portable(-1e-17)
    (0.3, 0.0)
    """
    return float(f"{round(value, 12):.10g}") + 0.0


def significant(value: float) -> str:
    """Format a number with at least three significant digits, and no exponent: 0.0123, 4.00, 12,345."""
    size = math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0
    return format(value, f",.{max(2 - size, 0)}f")


def markdown_table(table: Table) -> str:
    """Write a table as Markdown, with padded cells, so that it also reads well in a terminal."""
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
    """Write a bulleted list in Markdown, below its title in bold. Nothing is escaped."""
    return "\n".join([f"**{title}**", "", *(f"- {line}" for line in lines)])


_ESCAPES = {
    "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "_": "\\_", "%": "\\%", "&": "\\&", "#": "\\#", "$": "\\$",
    "~": "\\textasciitilde{}", "^": "\\textasciicircum{}",
    "<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}",
    "[": "{[}", "]": "{]}", "*": "{*}",  # a line that began with [ or * would belong to the \\ before it
    NONE: "---", "±": "$\\pm$",
}  # fmt: skip


_COMMANDS = [
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
    "omicron", "pi", "rho", "varsigma", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
]  # fmt: skip
_OWN_CAPITALS = ("gamma", "delta", "theta", "lambda", "xi", "pi", "sigma", "upsilon", "phi", "psi", "omega")
#: Greek letter -> its command; LaTeX has none for letters that look like Latin ones.
_GREEK = {chr(0x3B1 + i): f"\\{name}" if name != "omicron" else "o" for i, name in enumerate(_COMMANDS)}
_GREEK |= {
    chr(0x391 + i): f"\\{name.capitalize()}" if name in _OWN_CAPITALS else f"\\mathrm{{{latin}}}"
    for i, (name, latin) in enumerate(zip(_COMMANDS, "AB\0\0EZH\0IK\0MN\0O\0P\0\0T\0\0X\0\0", strict=True))
    if name != "varsigma"
}
_GREEK["\N{MICRO SIGN}"] = "\\mu"


def latex_text(text: str) -> str:
    """Escape a text so that LaTeX prints it; a character that a font may lack becomes a question mark."""
    return re.sub("(-)(?=-)|.", _latex_character, text, flags=re.DOTALL)


def _latex_character(found: re.Match[str]) -> str:
    if found[1]:  # of two hyphens, as in --epoch, TeX would make a dash
        return "-{}"
    c = found[0]
    return _ESCAPES.get(c) or (c if c.isascii() and c.isprintable() else _not_ascii(c))


def _not_ascii(character: str) -> str:
    """Write a Greek letter in mathematics, a letter of Western European languages as it is, and "?" for others.

    LaTeX's standard fonts have no form of the Icelandic letters.
    """
    if character in _GREEK:
        return f"${_GREEK[character]}$"
    western = "\xc0" <= character <= "\xff" and character.isalpha() and character not in "ÐÞðþ"
    return character if western else "?"


def breakable(text: str) -> str:
    """Escape a text as latex_text does, and let a line end within a path or a long name."""
    return re.sub(r"(/|\\_|=)(?=\S)", r"\1\\allowbreak{}", latex_text(text))


def _latex_number(cell: str) -> str:
    """Escape a cell as latex_text does, with a minus sign for the hyphen of a negative number."""
    return re.sub(r"-(?=\d)", "$-$", latex_text(cell))


def latex_document(parts: list[str], layout: str = "landscape") -> str:
    """Join parts in LaTeX to a document that compiles as it stands. `layout` is a key of LAYOUTS.

    Each table can also be copied into a paper, which then needs the packages that the first line names.
    """
    packages = "booktabs,longtable" if layout == "longtable" else "booktabs"
    head = [
        f"% Compiles as it stands. For a paper, copy a table environment; it needs \\usepackage{{{packages}}}.",
        f"\\documentclass[a4paper,10pt]{{article}}\n\\usepackage[{LAYOUTS[layout][0]}]{{geometry}}\n"
        f"\\usepackage{{{packages}}}\n\\begin{{document}}",
    ]
    return "\n\n".join([*head, *parts, "\\end{document}"]) + "\n"


def fitting(tables: Iterable[Table], width: float | None) -> list[Table]:
    """Split tables that are wider than so many points, and give each its own key, of letters that a label may have.

    Every part has the columns of words, which say what a line is of. A single column that is too wide stays so.
    """
    parts = [part for table in tables for part in (_split(table, width) if width else [table])]
    counts: Counter[str] = Counter()
    for i, part in enumerate(parts):
        key = re.sub("[^a-z0-9]+", "-", part.key.lower()).strip("-")
        counts[key] += 1
        parts[i] = replace(part, key=f"{key}-{counts[key]}" if counts[key] > 1 else key)
    return parts


def _split(table: Table, width: float) -> list[Table]:
    lines = [table.header, *table.body]
    bold = {
        (i, j): 1.15 if (i - 1, j) in table.bold else 1.0 for i in range(len(lines)) for j in range(len(table.header))
    }
    widths = [
        COLUMN_GAP + CHARACTER * max(len(line[j]) * bold[i, j] for i, line in enumerate(lines))
        for j in range(len(table.header))
    ]
    words = list(range(table.words))
    groups: list[list[int]] = [[]]
    for j in range(table.words, len(table.header)):
        if groups[-1] and sum(widths[k] for k in (*words, *groups[-1], j)) > width:
            groups.append([])
        groups[-1].append(j)
    parts = []
    for number, group in enumerate(groups):
        kept = [*words, *group]
        parts.append(
            Table(
                table.title + " (continued)" * (number > 0),
                [table.header[j] for j in kept],
                [[line[j] for j in kept] for line in table.body],
                words=table.words,
                bold={(i, kept.index(j)) for i, j in table.bold if j in kept},
                key=table.key,
            )
        )
    return parts


def latex_table(table: Table, layout: str = "landscape") -> str:
    """Write a table in LaTeX with caption and label; its texts are escaped. `layout` is a key of LAYOUTS."""

    def line(cells: list[str], number: int | None) -> str:
        done = [
            _latex_number(c) if number is not None and i >= table.words else latex_text(c) for i, c in enumerate(cells)
        ]
        shown = [f"\\textbf{{{c}}}" if (number, i) in table.bold else c for i, c in enumerate(done)]
        return "  " + " & ".join(shown) + " \\\\"

    columns = "l" * table.words + "r" * (len(table.header) - table.words)
    caption = f"\\caption{{{latex_text(table.title)}}}\\label{{tab:{table.key}}}"
    header, body = line(table.header, None), [line(cells, number) for number, cells in enumerate(table.body)]
    small = "\\scriptsize\\setlength{\\tabcolsep}{4pt}"
    if layout == "longtable":
        begin = [f"\\begingroup{small}\\setlength{{\\LTcapwidth}}{{\\textwidth}}", f"\\begin{{longtable}}{{{columns}}}"]
        top = [f"{caption} \\\\", "  \\toprule", header, "  \\midrule", "  \\endhead", "  \\bottomrule", "  \\endfoot"]
        return "\n".join([*begin, *top, *body, "\\end{longtable}", "\\endgroup"])
    begin = ["\\begin{table}[htbp]", f"\\centering{small}", caption, f"\\begin{{tabular}}{{{columns}}}"]
    top, end = ["  \\toprule", header, "  \\midrule"], ["  \\bottomrule", "\\end{tabular}", "\\end{table}"]
    return "\n".join([*begin, *top, *body, *end])


def latex_list(title: str, lines: list[str]) -> str:
    """Write a bulleted list in LaTeX, below its title. The title is escaped; `lines` are LaTeX already."""
    items = "\n".join(f"  \\item {line}" for line in lines)
    return f"\\paragraph{{{latex_text(title)}}}\n\\begin{{itemize}}\n{items}\n\\end{{itemize}}"
