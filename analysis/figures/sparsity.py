"""Figures of sparsity: beside the score, by layer, and through a run's elections."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator
from matplotlib.transforms import Transform, offset_copy

from analysis.figures.style import COLUMN, GREY, blank, legend, markers, short, steps, styled, styles, wrapped
from analysis.stats import election_log
from analysis.stats.election_log import IDLE, REFUSED, TAKEN
from analysis.stats.pareto import Outcome, region

BLUE, ORANGE, _, RED = sns.color_palette("colorblind", n_colors=4)
KEY: dict[str, Any] = {
    "frameon": True, "framealpha": 0.8, "edgecolor": "none", "borderpad": 0.2,
    "handlelength": 1.4, "columnspacing": 0.8,
}  # fmt: skip
RECENT = 15  # elections over which a running median is taken


@styled
def pareto(
    found: Mapping[str, Outcome],
    methods: Mapping[str, str],
    fronts: Mapping[str, float],
    sweeps: Mapping[str, Sequence[str]],
    kept: tuple[str, float] | None = None,
    over: str = "IQM of scores",
) -> Figure:
    """Points with their confidence regions (analysis.stats.pareto.region), lines along the sweeps; `fronts` is the
    probability of each row to be on the Pareto front, said in the legend; `kept` what a line is drawn for, and
    its score."""
    figure = blank(COLUMN, 2.2)
    axis = figure.subplots()
    looks, shapes = styles(methods), markers(methods)
    for rows in sweeps.values():
        points = np.array(sorted(found[row].point.tolist() for row in rows if row in found))
        if len(points) > 1:
            axis.plot(*points.T, color=GREY, linewidth=0.7, zorder=1)
    for row, outcome in found.items():
        look = looks[row] | {"label": f"{row} ({fronts[row]:.2f})" if row in fronts else row}
        mark(axis, outcome.point, outline(outcome), shapes[row], look, _beside(found, row, figure, axis))
    if kept is not None:
        axis.axhline(kept[1], color=GREY, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1, label=kept[0])
    axis.set_xlim(-0.04, 1.04)
    axis.set_ylim(*limits(found))
    axis.set_xlabel("sparsity")
    axis.set_ylabel(over)
    sns.despine(ax=axis)
    legend(figure, axis, COLUMN)
    return figure


def mark(
    axis: Axes,
    point: np.ndarray,
    outline: np.ndarray | None,
    shape: str,
    look: Mapping[str, Any],
    place: Transform | None = None,
) -> None:
    """A point [2] in the colour and with the label of `look`, and its region's outline [points, 2], if it has one."""
    place = axis.transData if place is None else place
    if outline is not None:
        face, edge = (*look["color"], 0.16), (*look["color"], 0.6)
        axis.add_patch(Polygon(outline, transform=place, facecolor=face, edgecolor=edge, linewidth=0.7))
    line: dict[str, Any] = {"markersize": 4.5, "markeredgecolor": "white", "markeredgewidth": 0.4, "zorder": 3}
    axis.plot(*point, shape, color=look["color"], label=look["label"], transform=place, **line)


def outline(outcome: Outcome) -> np.ndarray | None:
    area = region(outcome)
    return None if area is None else area.outline()


def _beside(found: Mapping[str, Outcome], row: str, figure: Figure, axis: Axes) -> Transform:
    """Rows of the same fixed sparsity stand beside each other: a few points off it, left and right."""
    fixed = [other for other, outcome in found.items() if np.ptp(outcome.draws[:, 0]) == 0]
    same = [other for other in fixed if abs(found[other].point[0] - found[row].point[0]) < 0.01]
    if row not in same:
        return axis.transData
    return offset_copy(axis.transData, figure, x=5 * (same.index(row) - (len(same) - 1) / 2), units="points")


def limits(found: Mapping[str, Outcome]) -> tuple[float, float]:
    """Room for the regions, but no more than three times what the points take: a region of few seeds is huge."""
    scores = np.array([outcome.point[1] for outcome in found.values()])
    areas = [region(outcome) for outcome in found.values()]
    heights = [area.outline()[:, 1] for area in areas if area is not None]
    spread = max(float(np.ptp(scores)), 0.1 * float(np.abs(scores).max()), 1e-3)
    low = max(min([scores.min(), *(h.min() for h in heights)]), scores.min() - spread)
    high = min(max([scores.max(), *(h.max() for h in heights)]), scores.max() + spread)
    return low - 0.06 * (high - low) - 0.02 * spread, high + 0.06 * (high - low) + 0.02 * spread


@styled
def layers(table: pd.DataFrame) -> Figure:
    """A heat map of final sparsities: index = layers from input to output, columns = rows of the table."""
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
def elections(book: pd.DataFrame, title: str) -> Figure:
    """Why pruning stopped where it did, from a ledger with one election or more: the level reached and what was
    offered; how the best sparser network did against the kept copy; which network won."""
    figure = blank(COLUMN, 3.5)
    above, middle, below = figure.subplots(3, 1, sharex=True, height_ratios=[1.1, 1.1, 0.8])
    x = book["agent_step"]
    stop = election_log.stopped(book)
    above.step(x, book["level"], where="post", color=BLUE, linewidth=1.3, label="elected")
    offered = book["level"] - book["step"] + book["smallest_offer"]
    above.plot(x, offered, ".", color=ORANGE, markersize=2, label="least sparse offer")
    above.set_ylim(bottom=min(0.0, -0.03 * book["level"].max()))
    above.set_ylabel("sparsity")
    above.set_title(title)
    _challenge(middle, book)
    _winners(below, book)
    if stop is not None and stop >= 0:
        for axis in (above, middle, below):
            axis.axvline(x.iloc[stop], color=RED, linewidth=0.8, linestyle=(0, (4, 2)), zorder=1, label="last step")
    above.legend(loc="lower right", **KEY)
    steps(below)
    below.set_xlabel("agent steps")
    for axis in (above, middle, below):
        sns.despine(ax=axis)
    figure.align_ylabels()
    return figure


def _challenge(axis: Axes, book: pd.DataFrame) -> None:
    """Loss of the best sparser network over the kept copy's, on a logarithmic axis."""
    ratio = book["challenge"].where(book["challenge"] > 0)
    for outcome, colour, shape in ((TAKEN, BLUE, "o"), (REFUSED, RED, "x")):
        own = book["outcome"] == outcome
        axis.plot(
            book["agent_step"][own], ratio[own], shape, color=colour, markersize=2.2, markeredgewidth=0.6, label=outcome
        )
    running = ratio.rolling(RECENT, min_periods=3, center=True).median()
    axis.plot(book["agent_step"], running, color="0.25", linewidth=0.9, label=f"median of {RECENT}")
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
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.yaxis.set_major_formatter(FuncFormatter(short))
    axis.set_ylabel("loss / kept copy's")
    axis.legend(loc="upper left", ncols=3, **KEY)


def _apart(ticks: list[float], low: float, high: float) -> list[float]:
    """Those of the ticks that have room on a logarithmic axis: 1 always, the others away from it."""
    chosen: list[float] = [1.0]
    for tick in sorted(ticks, key=lambda t: abs(np.log(t))):
        if all(abs(np.log(tick / other)) > 0.16 * np.log(high / low) for other in chosen):
            chosen.append(tick)
    return sorted(chosen)


def _winners(axis: Axes, book: pd.DataFrame) -> None:
    """A tick for each election, in the line of the winner's rank by sparsity."""
    looks: dict[str, Any] = {TAKEN: BLUE, REFUSED: RED, IDLE: GREY}
    for outcome, colour in looks.items():
        own = book[book["outcome"] == outcome]
        axis.vlines(own["agent_step"], own["rank"] - 0.38, own["rank"] + 0.38, color=colour, linewidth=0.8)
    top = int(book["rank"].max())
    axis.set_yticks(range(top + 1), ["kept" if book["kept_loss"].notna().any() else "0", *map(str, range(1, top + 1))])
    axis.set_ylim(-0.6, top + 0.6)
    axis.grid(axis="y", visible=False)
    axis.set_ylabel("winner")
