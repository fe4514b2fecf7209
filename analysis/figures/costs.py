"""Figures of a policy's cost against its score or return. Better and cheaper policies are further up and left."""

from collections.abc import Mapping

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from analysis.figures.looks import looks
from analysis.figures.plane import POINT, limits, mark, outline
from analysis.figures.style import COLUMN, GREY, PAGE, blank, legend, short, styled
from analysis.stats import pareto
from analysis.stats.pareto import Outcome

ACROSS = 3  # panels beside each other


@styled
def tradeoffs(
    panels: Mapping[str, Mapping[str, Outcome]], methods: Mapping[str, str], cost: str, reached: str
) -> Figure:
    """Draw a panel for each title: points (cost, what is reached) with 95 % regions, and a line along the Pareto front.

    The first axis of an outcome is minus the decimal logarithm of the cost, so that higher is better on both axes.
    `cost` and `reached` label the axes.
    """
    across = min(len(panels), ACROSS)
    rows = -(-len(panels) // across)
    width = COLUMN if across == 1 else PAGE * across / ACROSS
    figure = blank(width, 0.2 + 1.8 * rows)
    axes = figure.subplots(rows, across, squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    shown = looks(methods)
    for number, (axis, (title, found)) in enumerate(zip(axes.flat, panels.items(), strict=False)):
        _front(axis, np.stack([outcome.point for outcome in found.values()]))
        for row, look in shown.items():
            if row in found:
                area = outline(found[row])
                mark(axis, _spent(found[row].point), None if area is None else _spent(area), look)
            else:  # keeps its place in the legend
                axis.plot([], [], linestyle="none", label=row, **look.points(POINT))
        _axes(axis, found)
        axis.set_title(title)
        if number + across >= len(panels):
            axis.set_xlabel(cost)
        if number % across == 0:
            axis.set_ylabel(reached)
        sns.despine(ax=axis)
    legend(figure, axes[0, 0], width)
    return figure


def _spent(points: np.ndarray) -> np.ndarray:
    """Return points [..., 2] with the cost itself on the first axis."""
    return np.stack([10 ** -points[..., 0], points[..., 1]], axis=-1)


def _front(axis: Axes, points: np.ndarray) -> None:
    best = _spent(points[pareto.front(points)])
    best = best[np.argsort(best[:, 0])]
    axis.plot(*best.T, color=GREY, linewidth=0.8, drawstyle="steps-post", zorder=1, label="Pareto front")


def _axes(axis: Axes, found: Mapping[str, Outcome]) -> None:
    costs = [_spent(outcome.point)[0] for outcome in found.values()]
    axis.set_xscale("log")
    axis.set_xlim(min(costs) / 1.6, max(costs) * 1.6)  # a region of few seeds may be wider than any axis
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=6))
    axis.xaxis.set_major_formatter(FuncFormatter(short))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_ylim(*limits(found))
    axis.yaxis.set_major_formatter(FuncFormatter(short))
