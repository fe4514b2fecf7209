"""Figures of sparsity: by layer, and in the elections of a run."""

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from analysis.figures.style import COLUMN, GREY, blank, short, steps, styled, wrapped
from analysis.stats import election_log
from analysis.stats.election_log import IDLE, REFUSED, TAKEN

BLUE, ORANGE, _, RED = sns.color_palette("colorblind", n_colors=4)
KEY: dict[str, Any] = {
    "frameon": True, "framealpha": 0.8, "edgecolor": "none", "borderpad": 0.2,
    "handlelength": 1.4, "columnspacing": 0.8,
}  # fmt: skip
RECENT = 15  # elections over which a running median is taken


@styled
def layers(table: pd.DataFrame) -> Figure:
    """Draw a heat map of final sparsities: index = layers from input to output, columns = rows of the table."""
    labels = [wrapped(str(row), 22) for row in table.columns]
    longest = max(len(part) for label in labels for part in label.split("\n"))
    level = longest * len(labels) <= 36  # the names fit beside each other
    figure = blank(COLUMN, 0.35 + 0.2 * len(table) + (0.0 if level else 0.062 * longest))
    axis = figure.subplots()
    sns.heatmap(
        table,
        ax=axis,
        vmin=0,
        vmax=1,
        cmap="cividis_r",
        annot=len(table.columns) <= 10,
        fmt=".2f",
        annot_kws={"size": 5.5 if len(table.columns) > 5 else 7},
        cbar=len(table.columns) > 10,
        linewidths=0.5,
        yticklabels=[str(layer) for layer in table.index],
    )
    axis.set_xticks(np.arange(len(labels)) + 0.5, labels, rotation=0 if level else 90, linespacing=0.9)
    if level:
        axis.set_xticks(axis.get_xticks(), labels, va="baseline")
        axis.tick_params(axis="x", pad=8)
    axis.tick_params(axis="y", rotation=0)
    axis.tick_params(length=0)
    axis.set_xlabel("")
    axis.set_ylabel("")
    return figure


@styled
def elections(log: pd.DataFrame, title: str, label: str = "agent steps") -> Figure:
    """Draw an election log with one election or more, to show why pruning stopped.

    The panels show the sparsity of the elected network and the least sparse offer; the loss of the best sparser network
    over that of the kept copy; and which network won. `label` is of the x axis.
    """
    figure = blank(COLUMN, 3.5)
    above, middle, below = figure.subplots(3, 1, sharex=True, height_ratios=[1.1, 1.1, 0.8])
    x = log["agent_step"]
    stop = election_log.stopped(log)
    above.step(x, log["level"], where="post", color=BLUE, linewidth=1.3, label="elected")
    offered = log["level"] - log["step"] + log["smallest_offer"]
    above.plot(x, offered, ".", color=ORANGE, markersize=2, label="least sparse offer")
    above.set_ylim(bottom=min(0.0, -0.03 * log["level"].max()))
    above.set_ylabel("sparsity")
    above.set_title(title)
    _challenge(middle, log)
    _winners(below, log)
    if stop is not None and stop >= 0:
        for axis in (above, middle, below):
            axis.axvline(x.iloc[stop], color=RED, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1, label="last step")
    above.legend(loc="lower right", **KEY)
    steps(below)
    below.set_xlabel(label)
    for axis in (above, middle, below):
        sns.despine(ax=axis)
    figure.align_ylabels()
    return figure


def _challenge(axis: Axes, log: pd.DataFrame) -> None:
    """Draw the loss of the best sparser network over the kept copy's, on a logarithmic axis."""
    ratio = log["challenge"].where(log["challenge"] > 0)
    for outcome, colour, shape in ((TAKEN, BLUE, "o"), (REFUSED, RED, "x")):
        own = log["outcome"] == outcome
        axis.plot(
            log["agent_step"][own], ratio[own], shape, color=colour, markersize=2.2, markeredgewidth=0.6, label=outcome
        )
    running = ratio.rolling(RECENT, min_periods=3, center=True).median()
    axis.plot(log["agent_step"], running, color="0.25", linewidth=0.9, label=f"median of {RECENT}")
    axis.axhline(1, color=GREY, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
    axis.set_yscale("log")
    low, high = np.nanmin([0.9, *ratio.dropna()]), np.nanmax([1.1, *ratio.dropna()])
    axis.set_ylim(low / 1.05, high * (high / low) ** 0.25)
    ticks = [
        t
        for t in (0.01, 0.1, 0.5, 0.8, 0.9, 1, 1.1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100, 1000)
        if low / 1.05 <= t <= high * 1.05
    ]
    axis.set_yticks(_apart(ticks, low, high))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(FuncFormatter(short))
    axis.set_ylabel("loss / kept copy's")
    axis.legend(loc="upper left", ncols=3, **KEY)


def _apart(ticks: list[float], low: float, high: float) -> list[float]:
    """Choose ticks that do not overlap on a logarithmic axis: always 1, then those nearest to it."""
    chosen: list[float] = [1.0]
    for tick in sorted(ticks, key=lambda t: abs(np.log(t))):
        if all(abs(np.log(tick / other)) > 0.16 * np.log(high / low) for other in chosen):
            chosen.append(tick)
    return sorted(chosen)


def _winners(axis: Axes, log: pd.DataFrame) -> None:
    """Draw a tick for each election, at the winner's rank by sparsity."""
    looks: dict[str, Any] = {TAKEN: BLUE, REFUSED: RED, IDLE: GREY}
    for outcome, colour in looks.items():
        own = log[log["outcome"] == outcome]
        axis.vlines(own["agent_step"], own["rank"] - 0.38, own["rank"] + 0.38, color=colour, linewidth=0.8)
    top = int(log["rank"].max())
    axis.set_yticks(range(top + 1), ["kept" if log["kept_loss"].notna().any() else "0", *map(str, range(1, top + 1))])
    axis.set_ylim(-0.6, top + 0.6)
    axis.grid(axis="y", visible=False)
    axis.set_ylabel("winner")
