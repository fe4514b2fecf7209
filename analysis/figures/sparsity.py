"""Figures of sparsity: against the score, by layer, and in the elections of a run."""

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

from analysis.figures.looks import Look, looks
from analysis.figures.style import COLUMN, GREY, blank, legend, short, steps, styled, wrapped
from analysis.stats import election_log
from analysis.stats.election_log import IDLE, REFUSED, TAKEN
from analysis.stats.pareto import Outcome, region

BLUE, ORANGE, _, RED = sns.color_palette("colorblind", n_colors=4)
KEY: dict[str, Any] = {
    "frameon": True, "framealpha": 0.8, "edgecolor": "none", "borderpad": 0.2,
    "handlelength": 1.4, "columnspacing": 0.8,
}  # fmt: skip
RECENT = 15  # elections over which a running median is taken
POINT = 4.5  # size of a marker, in points


@styled
def pareto(
    found: Mapping[str, Outcome],
    methods: Mapping[str, str],
    fronts: Mapping[str, float],
    sweeps: Mapping[str, Sequence[str]],
    kept: tuple[str, float] | None = None,
    over: str = "IQM of scores",
) -> Figure:
    """Draw points with their confidence regions (analysis.stats.pareto.region), and lines along the sweeps.

    `fronts` is each row's probability of being on the Pareto front, which the legend states. `kept` is the label and
    the score of a horizontal line.
    """
    figure = blank(COLUMN, 2.2)
    axis = figure.subplots()
    shown = looks(methods)
    for rows in sweeps.values():
        points = np.array(sorted(found[row].point.tolist() for row in rows if row in found))
        if len(points) > 1:
            axis.plot(*points.T, color=GREY, linewidth=0.7, zorder=1)
    for row, outcome in found.items():
        look = shown[row]
        if row in fronts:
            look = look._replace(label=f"{row} ({fronts[row]:.2f})")
        mark(axis, outcome.point, outline(outcome), look, _beside(found, row, figure, axis))
    if kept is not None:
        axis.axhline(kept[1], color=GREY, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1, label=kept[0])
    axis.set_xlim(-0.04, 1.04)
    axis.set_ylim(*limits(found))
    axis.set_xlabel("sparsity")
    axis.set_ylabel(over)
    sns.despine(ax=axis)
    legend(figure, axis, COLUMN)
    return figure


def mark(axis: Axes, point: np.ndarray, outline: np.ndarray | None, look: Look, place: Transform | None = None) -> None:
    """Draw a point [2] and, if it has one, the outline [points, 2] of its region."""
    place = axis.transData if place is None else place
    if outline is not None:
        face, edge = (*look.colour, 0.16), (*look.colour, 0.6)
        axis.add_patch(Polygon(outline, transform=place, facecolor=face, edgecolor=edge, linewidth=0.7))
    options = {"color": look.colour, "linestyle": "none", "label": look.label, "zorder": 3, **look.points(POINT)}
    axis.plot(*point, transform=place, **options)


def outline(outcome: Outcome) -> np.ndarray | None:
    """Return the outline [points, 2] of an outcome's confidence region; None if there is no region."""
    area = region(outcome)
    return None if area is None else area.outline()


def _beside(found: Mapping[str, Outcome], row: str, figure: Figure, axis: Axes) -> Transform:
    """Return the transform that draws rows with the same fixed sparsity side by side, a few points apart."""
    fixed = [other for other, outcome in found.items() if np.ptp(outcome.draws[:, 0]) == 0]
    same = [other for other in fixed if abs(found[other].point[0] - found[row].point[0]) < 0.01]
    if row not in same:
        return axis.transData
    return offset_copy(axis.transData, figure, x=5 * (same.index(row) - (len(same) - 1) / 2), units="points")


def limits(found: Mapping[str, Outcome]) -> tuple[float, float]:
    """Return the limits of the y axis that show the regions, at most three times as high as the points are spread.

    The region of few seeds is very large.
    """
    scores = np.array([outcome.point[1] for outcome in found.values()])
    areas = [region(outcome) for outcome in found.values()]
    heights = [area.outline()[:, 1] for area in areas if area is not None]
    spread = max(float(np.ptp(scores)), 0.1 * float(np.abs(scores).max()), 1e-3)
    low = max(min([scores.min(), *(h.min() for h in heights)]), scores.min() - spread)
    high = min(max([scores.max(), *(h.max() for h in heights)]), scores.max() + spread)
    return low - 0.06 * (high - low) - 0.02 * spread, high + 0.06 * (high - low) + 0.02 * spread


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
def elections(log: pd.DataFrame, title: str) -> Figure:
    """Draw an election log with one election or more, to show why pruning stopped.

    The panels show the sparsity of the elected network and the least sparse offer; the loss of the best sparser network
    over that of the kept copy; and which network won.
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
    below.set_xlabel("agent steps")
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
    axis.yaxis.set_minor_formatter(NullFormatter())
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
