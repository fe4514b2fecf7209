"""The style of all figures, how they are written, and the learning curves: a panel for each task, a line for each row.

Figures fit a paper's column (COLUMN) or, with many tasks, its page (PAGE). analysis.figures.looks gives the colours;
line styles and markers tell methods apart without colour. Text stays text in PDF and SVG.
"""

import functools
import io
import re
import textwrap
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.data.scores import PUBLISHED, References, offline, reference, short_names
from analysis.figures.looks import Look, looks
from analysis.stats.metrics import band

COLUMN, PAGE = 3.3, 7.0  # inches: a column, and the text width, of a two-column paper
DPI = 300
ACTOR: dict[str, Any] = {"linestyle": (0, (3, 2)), "linewidth": 0.8}  # thinner than any method's dashes
GREY = "0.45"
MOST_LINES = 8  # rows of one panel; with more, panels are larger or one for each row
MOST_EPOCHS = 60  # of a run in learning curves: a panel is as wide as two points a millimetre
MOST_MARKED = 12  # points of a line that has markers
# Columns that curves need beside their own.
PLACED = ["task", "row", "seed", "epoch", "agent_step", "frame", "actor_sparsity"]
STYLE: dict[Any, Any] = {
    "font.sans-serif": ["DejaVu Sans", "sans-serif"],  # each text of an SVG repeats the list
    "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7,
    "legend.fontsize": 7, "axes.linewidth": 0.6, "grid.linewidth": 0.4, "xtick.major.width": 0.6,
    "ytick.major.width": 0.6, "xtick.major.size": 2.5, "ytick.major.size": 2.5, "axes.edgecolor": "0.3",
    "grid.color": "0.9", "xtick.major.pad": 2, "ytick.major.pad": 2, "axes.labelpad": 2,
    "pdf.fonttype": 42, "svg.fonttype": "none",  # text stays text
    "text.parse_math": False,  # a name may hold dollar signs
    "svg.hashsalt": "eaudeqn",  # the same drawing gives the same file
}  # fmt: skip

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorate a function that draws, so that it draws in the style of all figures."""

    @functools.wraps(draw)
    def drawing(*arguments: P.args, **options: P.kwargs) -> Figure:
        with sns.axes_style("whitegrid", rc=STYLE), matplotlib.rc_context(STYLE):
            return draw(*arguments, **options)

    return drawing


def blank(width: float, height: float) -> Figure:
    """Return an empty figure of this size in inches."""
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def save(figure: Figure, paths: Iterable[Path | io.StringIO]) -> None:
    """Write a figure into each path, in the format of its suffix (.png, .pdf, .svg), or as SVG into an open text.

    No date is written, so two drawings of the same data are the same file. Raises OSError.
    """
    with matplotlib.rc_context(STYLE):
        for path in paths:
            if isinstance(path, io.StringIO):
                figure.savefig(path, format="svg", metadata={"Date": None})
            else:
                undated = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
                figure.savefig(path, metadata=undated.get(path.suffix))
            figure.set_layout_engine("none")  # the first layout is kept: layout takes longer than drawing


def markup(figure: Figure) -> str:
    """Return the figure as an <svg> element that can share a page with others, without what doubles its size."""
    text = io.StringIO()
    save(figure, [text])
    element = re.sub(r"^.*?(?=<svg)", "", text.getvalue(), flags=re.DOTALL)
    element = re.sub(r'<g id="[^"]*"', "<g", element)  # all figures use the same ids for groups; nothing refers to them
    element = re.sub(r"\s*<g/>", "", element)
    element = re.sub(r"\n\s+", "\n", element)
    return re.sub(r' d="[^"]*"', _rounded, element)


def _rounded(path: re.Match[str]) -> str:
    """Write the coordinates of a path, points of 1/72 inch, with two decimals instead of matplotlib's six."""
    return re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), path[0])


def wrapped(label: str, width: int = 18) -> str:
    """Break a label into lines of at most `width` characters, after its signs if possible."""
    parts = re.findall(r"[^,:=_ ]*[,:=_ ]?", label)
    lines = [""]
    for part in parts:
        if lines[-1] and len((lines[-1] + part).rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(piece for line in lines for piece in textwrap.wrap(line, width))


# Curves ----------


@styled
def curves(
    frame: pd.DataFrame,
    methods: Mapping[str, str],
    tasks: Sequence[str],
    panels: Mapping[str, str],
    seed: int,
    repetitions: int,
    width: float = PAGE,
    x: str = "agent_step",
    references: References = PUBLISHED,
) -> Figure:
    """Draw a tidy frame (analysis.data.runs.tidy), with one block of panels for each task.

    Lines are means over seeds at equal epochs, placed at their mean agent step or frame; bands are 95 % bootstrap
    intervals over seeds (none with one seed). If there are actors, `sparsity` is that of the critics, and the actors'
    is drawn dashed.

    Args:
        frame: the epochs of all runs.
        methods: row of the table -> its method, in the order of the legend; rows without runs are listed too.
        tasks: the tasks, in the order of the panels.
        panels: column of the frame (a return or a sparsity) -> label of its axis; one panel below the other.
        seed: of the bootstrap.
        repetitions: of the bootstrap.
        x: "agent_step" or "frame".
        width: of the figure, in inches, at most.
        references: of the tasks, for the returns of a random policy.
    """
    panels = {name: label for name, label in panels.items() if frame[name].notna().any()} or dict([*panels.items()][:1])
    many = len(methods) > MOST_LINES
    across = min(len(tasks), 2 if width <= COLUMN or many else 4)
    blocks = -(-len(tasks) // across)
    width = min(width, 3.5 * across)
    height = blocks * (len(panels) * (2.2 if many else 1.35) + 0.3) + 0.1
    figure = blank(width, height)
    axes = figure.subplots(len(panels) * blocks, across, squeeze=False)
    parts = dict(tuple(frame.groupby(["task", "row"], sort=False)))
    rows = looks(methods)
    for place in range(blocks * across):
        block, column = divmod(place, across)
        own = axes[len(panels) * block : len(panels) * (block + 1), column]
        if place >= len(tasks):
            for axis in own:
                axis.set_axis_off()
            continue
        lines = {row: parts[tasks[place], row] for row in methods if (tasks[place], row) in parts}
        for axis, (name, label) in zip(own, panels.items(), strict=True):
            _panel(axis, lines, rows, name, seed, repetitions, x)
            if column == 0:
                axis.set_ylabel(label)
            if name.endswith("return"):
                _random(axis, reference(tasks[place], references).random)
                axis.yaxis.set_major_formatter(FuncFormatter(short))
            else:
                fraction(axis)
        _stack(_filled(list(own), lines, panels), short_names(tasks)[tasks[place]], x_label(x, [tasks[place]]))
    if "sparsity" in panels and frame["actor_sparsity"].notna().any():
        axes[0, 0].plot([], [], color="0.3", label="actor", **ACTOR)
    legend(figure, axes[0, 0], width)
    return figure


def _filled(axes: Sequence[Axes], lines: Mapping[str, pd.DataFrame], panels: Iterable[str]) -> list[Axes]:
    """Hide the panels of a task for which no run has a number, and return the others; all if none has one."""
    full = [any(line[name].notna().any() for line in lines.values()) for name in panels]
    for axis, drawn in zip(axes, full, strict=True):
        if any(full) and not drawn:
            axis.set_axis_off()
    return [axis for axis in axes if axis.axison]


def _panel(
    axis: Axes,
    lines: Mapping[str, pd.DataFrame],
    rows: Mapping[str, Look],
    column: str,
    seed: int,
    repetitions: int,
    x: str,
) -> None:
    for row, look in rows.items():
        if row not in lines:
            axis.plot([], [], **look.line())  # keeps its place in the legend
            continue
        own = lines[row]
        steps = own.groupby("epoch")[x].mean().to_numpy()
        drawn: list[tuple[str, dict[str, Any]]] = [(column, {})]
        if column == "sparsity" and own["actor_sparsity"].notna().any():
            drawn.append(("actor_sparsity", ACTOR | {"label": None}))
        for name, options in drawn:
            values = own.pivot(index="seed", columns="epoch", values=name).to_numpy(dtype=float)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # a point where a seed has no number: a gap
                line(axis, steps, *band(values, seed, repetitions), look, **options)


def line(
    axis: Axes, x: np.ndarray, middle: np.ndarray, low: np.ndarray, high: np.ndarray, look: Look, **options: Any
) -> None:
    """Draw a line and its band, with markers if there are few points. `options` replace those of the look's line.

    All arrays are [points].
    """
    marks = look.points(3.0) if len(x) <= MOST_MARKED else {}
    axis.plot(x, middle, **(look.line() | marks | options))
    axis.fill_between(x, low, high, color=look.colour, alpha=0.18, linewidth=0)


def _random(axis: Axes, random: float | None) -> None:
    look: dict[str, Any] = {"color": GREY, "linewidth": 0.8, "linestyle": (0, (1, 2)), "zorder": 1}
    if random is not None:
        axis.axhline(random, label="random policy", **look)


def _stack(axes: Sequence[Axes], title: str, label: str) -> None:
    """Let the panels of one task, one below the other, share an x axis that shows the data of all of them."""
    axes[0].set_title(title)
    right = max(axis.dataLim.x1 for axis in axes)
    for axis in axes:
        if axis is not axes[-1]:
            axis.sharex(axes[-1])
            axis.tick_params(labelbottom=False)
        steps(axis)
        sns.despine(ax=axis)
    if 0 < right < np.inf:
        axes[-1].set_xlim(0, 1.02 * right)
    axes[-1].set_xlabel(label)


def x_label(x: str, tasks: Iterable[str]) -> str:
    """Return what an x axis counts: "agent_step" or "frame" of these tasks. Offline, an agent step is a batch."""
    if x == "frame":
        return "frames"
    tasks = list(tasks)
    return "batches" if offline(tasks) == tasks else "agent steps"


def steps(axis: Axes) -> None:
    """Format the x axis as agent steps or frames."""
    axis.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axis.xaxis.set_major_formatter(FuncFormatter(short))
    axis.set_xlim(left=0)
    axis.margins(x=0.02)


def fraction(axis: Axes) -> None:
    """Format the y axis as a fraction, from 0 to the highest one that is drawn."""
    top = axis.dataLim.y1
    top = min(max(top, 0.1), 1.0) if np.isfinite(top) else 1.0
    axis.set_ylim(-0.03 * top, 1.03 * top)
    axis.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))


def legend(figure: Figure, axis: Axes, width: float) -> None:
    """Put the legend of an axis above all panels, as wide as `width` inches; the figure grows by its height."""
    handles, labels = axis.get_legend_handles_labels()
    entry = 0.6 + 0.06 * max(map(len, labels), default=0)  # inches: the line and the gap, and the text
    across = max(1, min(len(labels), int(width / entry)))
    figure.set_figheight(figure.get_figheight() + 0.13 * -(-len(labels) // across))
    spaces = {"handlelength": 2.2, "columnspacing": 1.2, "labelspacing": 0.3}
    figure.legend(handles, labels, loc="outside upper center", ncols=across, frameon=False, **spaces)


def short(value: float, _: object = None) -> str:
    """Format a number shortly: 12000 -> 12k, 2500000 -> 2.5M, with a true minus sign."""
    size = abs(value)
    text = f"{size / 1e6:g}M" if size >= 1e6 else f"{size / 1e3:g}k" if size >= 1e4 else f"{size:g}"
    return f"\N{MINUS SIGN}{text}" if value < 0 else text
