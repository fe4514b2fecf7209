"""One HTML page that needs no other file: figures, tables that can be sorted, lists and text.

A section lists its parts as data, and a template of this folder renders each kind of part. Templates escape all text.
The page's content security policy forbids every request, so it looks the same from file://, on a server, and in ten
years.
"""

import base64
import functools
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from analysis.figures import style
from analysis.page.charts import Chart, columns
from analysis.render.markup import NONE, Table

FOLDER = Path(__file__).parent
MOST_POINTS = 15_000  # of a figure's lines; a figure with more is shown as PNG, as its SVG would take megabytes
SCREEN_DPI = 160
MOST_ROWS = 100  # a longer table is folded


class Paragraph(NamedTuple):
    """A paragraph of plain text, without markup."""

    text: str


class Answer(NamedTuple):
    """The first lines of a report: (name, text) pairs."""

    lines: Sequence[tuple[str, str]]


class Listing(NamedTuple):
    """A bulleted list."""

    lines: Sequence[str]
    title: str = ""


class Facts(NamedTuple):
    """A list of (name, text) pairs."""

    pairs: Sequence[tuple[str, str]]


class Command(NamedTuple):
    """A shell command. It is folded, as most are long."""

    text: str


class SortableTable(NamedTuple):
    """A table whose headers sort it; it is folded if it is long. `more` are further columns, which do not sort it:
    header -> a cell for each row."""

    table: Table
    more: Mapping[str, Sequence[str | Command]] = {}


class Picture(NamedTuple):
    """A figure to be drawn. `name` is that of its files beside the page. A chart replaces it on a screen."""

    name: str
    caption: str
    draw: Callable[[], Figure]
    chart: Chart | None = None


Written = Answer | Paragraph | Listing | Facts | Command | SortableTable  # what a template renders
Part = Written | Picture

TEMPLATES: dict[type, str] = {
    Answer: "answer.html",
    Paragraph: "paragraph.html",
    Listing: "listing.html",
    Facts: "facts.html",
    Command: "command.html",
    SortableTable: "table.html",
}


class Filters(NamedTuple):
    """What a reader may leave out: tasks, which are mapped to their short names, and rows of the table."""

    tasks: Mapping[str, str] = {}
    methods: Sequence[str] = ()


NO_FILTERS = Filters()


class Section(NamedTuple):
    """A heading and what follows it. The page leaves out a section without parts."""

    title: str
    parts: Sequence[Part]

    @property
    def anchor(self) -> str:
        """The section's id in the page."""
        return re.sub(r"\W+", "-", self.title.lower())


def page(
    title: str, sections: Iterable[Section], show: Callable[[Picture], Markup], filters: Filters = NO_FILTERS
) -> str:
    """Render the whole document. `show` gives the HTML of a picture. Sections without a part are left out."""
    style, script = (Markup((FOLDER / name).read_text(encoding="utf-8")) for name in ("style.css", "script.js"))
    shown = [section for section in sections if section.parts]
    pictures = [part for section in shown for part in section.parts if isinstance(part, Picture)]
    charts = {part.name: part.chart for part in pictures if part.chart is not None}

    def rendered(part: Part) -> Markup:
        if not isinstance(part, Picture):
            return render(part)
        return Markup('<div data-chart="{}">{}</div>').format(part.name, show(part)) if part.chart else show(part)

    template = ENVIRONMENT.get_template("page.html")
    values = {"title": title, "sections": shown, "rendered": rendered, "style": style, "script": script}
    return template.render(**values, charts=interactive(charts) if charts else "", filters=filters) + "\n"


def interactive(charts: Mapping[str, Chart]) -> Markup:
    """Return the scripts that draw charts: their data, Vega-Lite (0.9 MB), and what embeds them.

    Texts in the data cannot end the script that holds them: JSON has another form of "<".
    """
    data = list({id(chart.data): chart.data for chart in charts.values()}.items())
    places = {key: place for place, (key, _) in enumerate(data)}
    specs = {name: {"spec": chart.spec, "data": places[id(chart.data)]} for name, chart in charts.items()}
    content = {"charts": specs, "data": [columns(frame) for _, frame in data]}
    text = json.dumps(content, separators=(",", ":")).replace("<", "\\u003c")
    embed = (FOLDER / "charts.js").read_text(encoding="utf-8")
    scripts = f'<script type="application/json" id="charts">{text}</script>\n'
    return Markup(f"{scripts}<script>{vega_lite()}</script>\n<script>\n{embed}</script>")


@functools.cache
def vega_lite() -> str:
    """Return the library that draws charts in a browser, as the text of a script element."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", "<\\/script")


def render(part: Written) -> Markup:
    """Render a part as HTML."""
    return Markup(ENVIRONMENT.get_template(TEMPLATES[type(part)]).render(part=part, most_rows=MOST_ROWS))


def drawing(figure: Figure, name: str, caption: str) -> Markup:
    """Render a drawn figure with its caption."""
    if sum(np.size(line.get_xdata()) for axis in figure.axes for line in axis.lines) > MOST_POINTS:
        pixels = io.BytesIO()
        figure.savefig(pixels, format="png", dpi=SCREEN_DPI)
        values = {"png": base64.b64encode(pixels.getvalue()).decode()}
    else:
        values = {"svg": Markup(style.markup(figure).removeprefix("<svg"))}  # matplotlib has escaped its texts
    template = ENVIRONMENT.get_template("figure.html")
    wide = figure.get_figwidth() > style.COLUMN
    return Markup(template.render(name=name, caption=caption, wide=wide, **values))


def sort_key(cell: str) -> str:
    """Return the number that a cell begins with, by which a column is sorted; empty if there is none.

    >>> sort_key("4,810 [4,550, 5,069] (2)")
    '4810'
    """
    found = re.match(r"[<>≥≤~ ]*(-?[\d,]*\.?\d+(?:e[-+]?\d+)?)", cell) if cell != NONE else None
    return found.group(1).replace(",", "") if found else ""


ENVIRONMENT = Environment(
    loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
ENVIRONMENT.filters["sort_key"] = sort_key
ENVIRONMENT.globals["render"] = render
