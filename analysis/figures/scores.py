"""Figures of scores over all tasks: aggregates, performance profiles, sample efficiency, probability of improvement."""

from collections.abc import Mapping

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.figures.looks import looks
from analysis.figures.style import (
    COLUMN,
    GREY,
    MOST_LINES,
    PAGE,
    blank,
    legend,
    line,
    short,
    steps,
    styled,
    wrapped,
)
from analysis.stats.metrics import Estimate
from analysis.stats.profiles import Curve

ACROSS = 4  # panels beside each other
FAR = 5.0  # a score; profiles that extend beyond are drawn on a log axis from 1 on


@styled
def intervals(
    estimates: Mapping[str, Mapping[str, Estimate]],
    methods: Mapping[str, str],
    marked: Mapping[str, float] | None = None,
    over: str = "",
) -> Figure:
    """Draw {statistic: {row: estimate}}, a panel for each statistic: a tick at the value, a bar over its 95 % interval.

    `marked` maps a statistic to a value at which a line is drawn. A row without a value has an empty place.
    `over` names the scores.
    """
    rows = [row for row in methods if any(row in found for found in estimates.values())]
    labels = {row: wrapped(row) for row in rows}
    lines = len(rows) * max(1.6, 1.25 + max((label.count("\n") for label in labels.values()), default=0))
    across = min(len(estimates), 2)
    down = -(-len(estimates) // across)
    figure = blank(COLUMN, down * (0.125 * lines + 0.4) + 0.1 + 0.15 * bool(over))
    axes = figure.subplots(down, across, squeeze=False, sharey=True)
    shown = looks(methods)
    for place, axis in enumerate(axes.flat):
        if place >= len(estimates):
            axis.set_axis_off()
            continue
        axis.use_sticky_edges = False  # no bar begins at the axis
        name, found = list(estimates.items())[place]
        for y, row in enumerate(rows):
            estimate = found.get(row)
            if estimate is None or estimate.value is None:
                continue
            if estimate.low is not None and estimate.high is not None:
                width = estimate.high - estimate.low
                axis.barh(y, width, 0.6, estimate.low, color=shown[row].colour, alpha=0.55, linewidth=0)
            axis.plot([estimate.value] * 2, [y - 0.3, y + 0.3], color="black", linewidth=1.2, solid_capstyle="butt")
        if marked and name in marked:
            axis.axvline(marked[name], color=GREY, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
        axis.set_title(name)
        axis.set_yticks(range(len(rows)), [labels[row] for row in rows])
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.grid(axis="y", visible=False)
        axis.xaxis.set_major_locator(MaxNLocator(4, min_n_ticks=2))
        sns.despine(ax=axis)
    if over:
        figure.supxlabel(over, fontsize=8)
    return figure


@styled
def profiles(found: Mapping[str, Curve], methods: Mapping[str, str], over: str = "score") -> Figure:
    """Draw {row: share of runs above each score} (Agarwal et al. 2021, section 4.2)."""
    labels = f"{over} \N{GREEK SMALL LETTER TAU}", "share of runs above \N{GREEK SMALL LETTER TAU}"
    figure, axes = _lines(found, methods, *labels)
    for axis in axes:
        if any(curve[0][-1] > FAR for curve in found.values()):
            axis.set_xscale("symlog", linthresh=1.0)
            axis.xaxis.set_major_formatter(FuncFormatter(short))
        axis.set_ylim(-0.03, 1.03)
        axis.margins(x=0)
    return figure


@styled
def efficiency(
    found: Mapping[str, Curve], methods: Mapping[str, str], label: str = "IQM of scores", x: str = "agent steps"
) -> Figure:
    """Draw {row: an aggregate over training}. `label` is of the y axis, and `x` of the x axis."""
    figure, axes = _lines(found, methods, x, label)
    for axis in axes:
        steps(axis)
    return figure


def _lines(found: Mapping[str, Curve], methods: Mapping[str, str], x: str, y: str) -> tuple[Figure, list[Axes]]:
    """Draw a line for each row in one panel, or, if they are many, in a panel each with the others in grey."""
    shown = {row: look for row, look in looks(methods).items() if row in found}
    if len(shown) <= MOST_LINES:
        figure = blank(COLUMN, 2.0)
        axis = figure.subplots()
        for row, look in shown.items():
            line(axis, *found[row], look)
        axis.set(xlabel=x, ylabel=y)
        sns.despine(ax=axis)
        legend(figure, axis, COLUMN)
        return figure, [axis]
    down = -(-len(shown) // ACROSS)
    figure = blank(PAGE, 0.3 + 1.15 * down)
    grid = figure.subplots(down, ACROSS, sharex=True, sharey=True, squeeze=False)
    for axis in grid.flat[len(shown) :]:
        axis.set_axis_off()
    axes = list(grid.flat[: len(shown)])
    for axis, (row, look) in zip(axes, shown.items(), strict=True):
        for other in (other for other in shown if other != row):
            axis.plot(*found[other][:2], color="0.8", linewidth=0.5, zorder=1)
        line(axis, *found[row], look)
        axis.set_title(wrapped(row, 26), color=look.colour)
        sns.despine(ax=axis)
    figure.supxlabel(x, fontsize=8)
    figure.supylabel(y, fontsize=8)
    return figure, axes
