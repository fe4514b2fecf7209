"""Figures of what is measured of networks over training."""

from collections.abc import Mapping

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from analysis.figures.looks import looks
from analysis.figures.style import PAGE, blank, legend, steps, styled, x_label
from analysis.stats.diagnostics import MEASURES

ACROSS = 3  # panels beside each other


@styled
def over_training(found: pd.DataFrame, methods: Mapping[str, str]) -> Figure:
    """Draw a panel for each measure of one part (analysis.stats.diagnostics.frame): means over tasks and seeds.

    Epochs are placed at their mean agent step. `methods`: row of the table -> its method, in the legend's order.
    """
    shown = [key for key in MEASURES if found[key].notna().any()]
    rows = -(-len(shown) // ACROSS)
    figure = blank(PAGE, 0.2 + 1.5 * rows)
    axes = figure.subplots(rows, ACROSS, squeeze=False)
    for axis in axes.flat[len(shown) :]:
        axis.set_axis_off()
    for axis, key in zip(axes.flat, shown, strict=False):
        for row, look in looks(methods).items():
            means = found[found["row"] == row].groupby("epoch")[["agent_step", key]].mean().dropna()
            marks = look.points(3.0) if len(means) == 1 else {}
            axis.plot(means["agent_step"], means[key], **(look.line() | marks))
        axis.set_title(MEASURES[key])
        axis.set_xlabel(x_label("agent_step", found["task"].unique()))
        steps(axis)
        sns.despine(ax=axis)
    legend(figure, axes[0, 0], PAGE)
    return figure
