"""One HTML page that holds all it shows: figures, tables that can be sorted, and nothing from outside.

The page's own policy forbids every request, so that it looks the same from file://, on a server, and in ten years.
"""

import base64
import html
import io
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from analysis import figures
from analysis.tables import NONE, Table

LARGEST = 400_000  # characters of an SVG; a larger figure is shown as PNG
SCREEN_DPI = 160


class Section(NamedTuple):
    title: str
    parts: Sequence[str]  # HTML


def page(title: str, sections: Iterable[Section]) -> str:
    """The whole document. Sections without a part are left out."""
    shown = [section for section in sections if section.parts]
    anchors = {section.title: re.sub(r"\W+", "-", section.title.lower()) for section in shown}
    contents = " ".join(f'<a href="#{anchors[s.title]}">{text(s.title)}</a>' for s in shown)
    body = "\n".join(
        f'<section id="{anchors[section.title]}">\n<h2>{text(section.title)}</h2>\n'
        + "\n".join(section.parts)
        + "\n</section>"
        for section in shown
    )
    return _PAGE.format(title=text(title), style=_STYLE, contents=contents, body=body, script=_SCRIPT)


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
    """A figure with its caption; `name` is that of the files beside the page."""
    element = figures.markup(figure)
    if len(element) > LARGEST:
        pixels = io.BytesIO()
        figure.savefig(pixels, format="png", dpi=SCREEN_DPI)
        coded = base64.b64encode(pixels.getvalue()).decode()
        element = f'<img alt="{text(caption)}" src="data:image/png;base64,{coded}">'
    else:
        element = element.replace("<svg", f'<svg role="img" aria-label="{text(caption)}"', 1)
    wide = ' class="wide"' if figure.get_figwidth() > figures.COLUMN else ""
    return f'<figure id="figure-{name}"{wide}>\n{element}\n<figcaption>{text(caption)}</figcaption>\n</figure>'


def sortable(table: Table, markup: Sequence[Sequence[str]] | None = None) -> str:
    """A table whose headers sort it. `markup` holds further cells of each line, HTML, under the last headers."""
    heads = []
    for column, name in enumerate(table.header):
        kind = "text" if column < table.words else "number"
        heads.append(f'<th scope="col" data-kind="{kind}"><button type="button">{text(name)}</button></th>')
    lines = []
    for number, cells in enumerate(table.body):
        line = [_cell(cell, column >= table.words) for column, cell in enumerate(cells)]
        line += [f'<td data-key="">{cell}</td>' for cell in (markup[number] if markup else ())]
        lines.append(f"<tr>{''.join(line)}</tr>")
    return (
        f'<div class="scroll"><table class="sortable"><caption>{text(table.title)}</caption>\n'
        f"<thead><tr>{''.join(heads)}</tr></thead>\n<tbody>\n" + "\n".join(lines) + "\n</tbody></table></div>"
    )


def _cell(words: str, number: bool) -> str:
    if not number:
        return f"<td>{text(words)}</td>"
    return f'<td class="number" data-key="{key(words)}">{text(words)}</td>'


def key(words: str) -> str:
    """What a cell of numbers is sorted by, its first number: "4,810 [4,550, 5,069] (2)" -> "4810"; nothing: ""."""
    found = re.match(r"[<>≥≤~ ]*(-?[\d,]*\.?\d+(?:e[-+]?\d+)?)", words) if words != NONE else None
    return found.group(1).replace(",", "") if found else ""


_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 76rem; margin: 0 auto; padding: 1rem 1.5rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; border-bottom: 1px solid #ccc; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
nav { position: sticky; top: 0; background: #fff; padding: .4rem 0; border-bottom: 1px solid #eee; } nav a { margin-right: 1rem; }
a { color: #0058a3; }
figure { display: inline-block; vertical-align: top; width: 33rem; max-width: 100%; margin: 0 1.5rem 1.5rem 0; }
figure.wide { width: 70rem; } figure svg, figure img { width: 100%; height: auto; }
figcaption { color: #555; font-size: .85rem; }
.scroll { overflow-x: auto; margin: 0 0 1.5rem; } table { border-collapse: collapse; font-size: .87rem; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th { text-align: left; border-bottom: 2px solid #999; padding: 0; } td { border-bottom: 1px solid #e6e6e6; padding: .2rem .7rem .2rem 0; vertical-align: top; }
td.number, th[data-kind=number] button { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th button { all: unset; cursor: pointer; display: block; width: 100%; box-sizing: border-box; padding: .2rem .7rem .2rem 0; font-weight: 600; }
th button:focus-visible { outline: 2px solid #0058a3; } th button::after { content: "\\2003"; }
th[aria-sort=ascending] button::after { content: " \\25b2"; } th[aria-sort=descending] button::after { content: " \\25bc"; }
code { font-size: .85em; overflow-wrap: anywhere; } dt { font-weight: 600; } dd { margin: 0 0 .4rem 1rem; overflow-wrap: anywhere; }
@media print { nav { display: none; } details > * { display: revert; } }
"""

# Rows without a number stay below, whichever way the others are sorted.
_SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const key = row => row.cells[column].dataset.key ?? row.cells[column].textContent;
    const compare = head.dataset.kind === "number" ? (a, b) => a - b : (a, b) => a.localeCompare(b, "en", {numeric: true});
    body.append(...[...body.rows].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      return up ? compare(x, y) : compare(y, x);
    }));
  }));
}
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
<nav>{contents}</nav>
{body}
<script>{script}</script>
</body>
</html>
"""
