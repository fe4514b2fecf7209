"""One HTML page that holds all it shows: figures, tables that can be sorted, and nothing from outside.

The page's own policy forbids every request, so that it looks the same from file://, on a server, and in ten years.
"""

import base64
import html
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.render.markup import NONE, Table

PARTS = Path(__file__).parent
MOST_POINTS = 15_000  # of a figure's lines; one with more is shown as PNG, as its SVG would be megabytes
SCREEN_DPI = 160
MOST_ROWS = 100  # of a table that stands open


class Picture(NamedTuple):
    """A figure to be drawn; `name` is that of the files beside the page."""

    name: str
    caption: str
    draw: Callable[[], Figure]


Part = str | Picture  # a str is HTML


class Section(NamedTuple):
    title: str
    parts: Sequence[Part]


def page(title: str, sections: Iterable[Section], show: Callable[[Picture], str]) -> str:
    """The whole document; `show` makes HTML of a picture. Sections without a part are left out."""
    shown = [section for section in sections if section.parts]
    anchors = {section.title: re.sub(r"\W+", "-", section.title.lower()) for section in shown}
    contents = " ".join(f'<a href="#{anchors[s.title]}">{text(s.title)}</a>' for s in shown)
    body = "\n".join(
        f'<section id="{anchors[section.title]}">\n<h2>{text(section.title)}</h2>\n'
        + "\n".join(show(part) if isinstance(part, Picture) else part for part in section.parts)
        + "\n</section>"
        for section in shown
    )
    template = Template((PARTS / "page.html").read_text(encoding="utf-8"))
    style, script = (PARTS / "style.css").read_text(encoding="utf-8"), (PARTS / "script.js").read_text(encoding="utf-8")
    return template.substitute(title=text(title), style=style, contents=contents, body=body, script=script)


def text(words: str) -> str:
    """Any text, so that it is read as text."""
    return html.escape(words)


def paragraph(words: str) -> str:
    return f"<p>{text(words)}</p>"


def listing(lines: Iterable[str], title: str = "") -> str:
    items = "\n".join(f"<li>{text(line)}</li>" for line in lines)
    return (f"<h3>{text(title)}</h3>\n" if title else "") + f"<ul>\n{items}\n</ul>"


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """(name, text) pairs."""
    lines = "\n".join(f"<dt>{text(name)}</dt><dd>{text(words)}</dd>" for name, words in pairs)
    return f"<dl>\n{lines}\n</dl>"


def command(words: str) -> str:
    """A shell command, folded, as most are long."""
    return f"<details><summary>command</summary><code>{text(words)}</code></details>"


def drawing(figure: Figure, name: str, caption: str) -> str:
    """A drawn figure with its caption."""
    if sum(np.size(line.get_xdata()) for axis in figure.axes for line in axis.lines) > MOST_POINTS:
        pixels = io.BytesIO()
        figure.savefig(pixels, format="png", dpi=SCREEN_DPI)
        coded = base64.b64encode(pixels.getvalue()).decode()
        element = f'<img alt="{text(caption)}" src="data:image/png;base64,{coded}">'
    else:
        element = style.markup(figure).replace("<svg", f'<svg role="img" aria-label="{text(caption)}"', 1)
    wide = ' class="wide"' if figure.get_figwidth() > style.COLUMN else ""
    return f'<figure id="figure-{name}"{wide}>\n{element}\n<figcaption>{text(caption)}</figcaption>\n</figure>'


def sortable(table: Table, more: Mapping[str, Sequence[str]] | None = None) -> str:
    """A table whose headers sort it, folded when it is long. `more` are further columns of HTML by their headers, which
    do not."""
    heads = []
    for column, name in enumerate(table.header):
        kind = "text" if column < table.words else "number"
        heads.append(f'<th scope="col" data-kind="{kind}"><button type="button">{text(name)}</button></th>')
    heads += [f'<th scope="col">{text(name)}</th>' for name in more or {}]
    lines = []
    for i, cells in enumerate(table.body):
        line = [_cell(cell, j >= table.words, (i, j) in table.bold) for j, cell in enumerate(cells)]
        line += [f"<td>{column[i]}</td>" for column in (more or {}).values()]
        lines.append(f"<tr>{''.join(line)}</tr>")
    shown = (
        f'<div class="scroll"><table class="sortable"><caption>{text(table.title)}</caption>\n'
        f"<thead><tr>{''.join(heads)}</tr></thead>\n<tbody>\n" + "\n".join(lines) + "\n</tbody></table></div>"
    )
    if len(lines) <= MOST_ROWS:
        return shown
    return f"<details><summary>{text(table.title)}: {len(lines):,} rows</summary>\n{shown}\n</details>"


def _cell(words: str, number: bool, bold: bool) -> str:
    shown = f"<b>{text(words)}</b>" if bold else text(words)
    return f'<td class="number" data-key="{key(words)}">{shown}</td>' if number else f"<td>{shown}</td>"


def key(words: str) -> str:
    """What a cell of numbers is sorted by, its first number: "4,810 [4,550, 5,069] (2)" -> "4810"; nothing: ""."""
    found = re.match(r"[<>≥≤~ ]*(-?[\d,]*\.?\d+(?:e[-+]?\d+)?)", words) if words != NONE else None
    return found.group(1).replace(",", "") if found else ""
