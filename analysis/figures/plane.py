"""The main figure: score against sparsity, with joint confidence regions and lines along sweeps of final sparsities.

A reader sees whether a method lies above a sweep's line at the sparsity that it found.
"""

import textwrap
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.ticker import FuncFormatter, NullLocator
from matplotlib.transforms import Transform, offset_copy

from analysis.figures.looks import Look, looks
from analysis.figures.style import PAGE, blank, legend, short, styled, wrapped
from analysis.stats import sweep_lines
from analysis.stats.pareto import Outcome, region

POINT = 4.5  # size of a marker, in points
WIDE = 0.85  # a sparsity from which on the axis is logarithmic in the density
DENSEST, SPAREST = 0.0, 0.9995  # sparsities that such an axis shows
LEVELS = (0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
LABEL = 0.12  # inches of height that a line of a label needs
BESIDE = 3  # panels beside each other, below the first one
CAPTION = (
    "Score against sparsity, with joint 95 % confidence regions (normal ellipses with Hotelling's radius; a line where"
    " the sparsity is fixed; none with too few seeds). A line joins the final sparsities of a method (dashed: from an"
    " unpruned method on). A vertical line shows how far another method is from it at its own sparsity. Methods with"
    " the same fixed sparsity are drawn side by side."
)


@styled
def plane(
    panels: Mapping[str, Mapping[str, Outcome]],
    methods: Mapping[str, str],
    over: str,
    reference: str = "dense",
    variants: Mapping[str, str] = {},
    level: str = "sparsity",
) -> Figure:
    """Draw {title: {row: (sparsity, score)}}: the first panel large, with the names of the rows, the others below it.

    Args:
        panels: at least one.
        methods: row -> its method, for the looks and the sweeps (analysis.stats.sweep_lines).
        over: label of the y axis, which names the normalizer of the scores.
        reference: the method that a sweep begins at, if it is unpruned.
        variants: row -> its swept options, if any.
        level: label of the x axis.
    """
    first, *others = panels.items()
    complete = all(first[1].keys() >= found.keys() for _, found in others)
    down = -(-len(others) // BESIDE)
    lines = sum(wrapped(row, 26).count("\n") + 1 for row in first[1])
    height = max(2.4, LABEL * lines + 0.7)
    figure = blank(0.8 * PAGE, height + 1.6 * down)
    grid = figure.add_gridspec(1 + down, BESIDE, height_ratios=[height] + [1.6] * down)
    axes = [figure.add_subplot(grid[0, :])]
    axes += [figure.add_subplot(grid[1 + i // BESIDE, i % BESIDE]) for i in range(len(others))]
    shown = looks(methods)
    for axis, (title, found) in zip(axes, panels.items(), strict=True):
        _panel(axis, found, shown, sweep_lines.find(found, methods, reference, variants).values(), figure)
        axis.set_title(title)
        axis.set_xlabel(level)
    axes[0].set_ylabel(textwrap.fill(over, 30))
    if complete:
        _names(axes[0], first[1], shown, height - 0.6)
    else:
        for row in methods:
            axes[0].plot([], [], linestyle="none", label=row, **shown[row].points(POINT))
        legend(figure, axes[0], 0.8 * PAGE)
    return figure


def _panel(
    axis: Axes,
    found: Mapping[str, Outcome],
    shown: Mapping[str, Look],
    sweeps: Iterable[Sequence[str]],
    figure: Figure,
) -> None:
    """Draw the points, the regions, and the line of each sweep with the distance of the other rows to it."""
    bottom = limits(found)
    _scale(axis, found, axis is not figure.axes[0])
    for rows in sweeps:
        _sweep(axis, found, rows, shown)
    for row, outcome in found.items():
        look = shown[row]._replace(label="_" + row)
        area = outline(outcome)
        if area is not None and axis.get_xscale() != "linear":
            area = np.stack([area[:, 0].clip(DENSEST, SPAREST), area[:, 1]], axis=-1)
        mark(axis, outcome.point, area, look, beside(found, row, figure, axis))
    axis.set_ylim(*bottom)
    axis.yaxis.set_major_formatter(FuncFormatter(short))
    sns.despine(ax=axis)


def _sweep(axis: Axes, found: Mapping[str, Outcome], rows: Sequence[str], shown: Mapping[str, Look]) -> None:
    """Draw the line of a sweep, dashed from the unpruned row on, and the distance of every other row to it."""
    pruned = [row for row in rows if found[row].point[0] > 0] or rows
    colour = shown[pruned[0]].colour
    points = np.stack([found[row].point for row in rows])
    levels = np.linspace(points[:, 0].min(), points[:, 0].max(), 400)
    line = np.array([sweep_lines.score_at(points, level) for level in levels])
    least = min(found[row].point[0] for row in pruned)
    for part, dashes in ((levels >= least, "-"), (levels <= least, (0, (3, 2)))):
        axis.plot(levels[part], line[part], color=colour, linewidth=1.0, linestyle=dashes, zorder=1.5)
    for row in (row for row in found if row not in rows):
        level, score = found[row].point
        there = sweep_lines.score_at(points, level)
        if np.isfinite(there):
            axis.plot([level, level], [there, score], color=shown[row].colour, linewidth=0.8, zorder=1.5)


def _scale(axis: Axes, found: Mapping[str, Outcome], small: bool) -> None:
    """Scale the x axis to the sparsities, logarithmic in the density where they are high."""
    levels = np.array([outcome.point[0] for outcome in found.values()])
    if levels.max() > WIDE:
        axis.set_xscale("function", functions=(_density, lambda x: 1 - 10.0**-x))
        ends = _density(np.array([levels.min(), levels.max()]))
        margin = 0.06 * max(float(np.ptp(ends)), 0.3)
        axis.set_xlim(1 - 10 ** (margin - ends[0]), 1 - 10 ** (-ends[1] - margin))
        axis.set_xticks(_apart(axis.get_xlim(), 0.22 if small else 0.06))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(FuncFormatter(short))
    else:
        margin = 0.06 * max(float(np.ptp(levels)), 0.1)
        axis.set_xlim(levels.min() - margin, levels.max() + margin)


def _apart(ends: tuple[float, float], least: float) -> list[float]:
    """Choose ticks between two sparsities, the highest first, that are at least this share of the axis apart."""
    low, high = _density(np.array(ends))
    chosen: list[tuple[float, float]] = []
    for level in reversed(LEVELS):
        place = float((_density(np.array(level)) - low) / (high - low))
        if 0 <= place <= 1 and all(abs(place - other) >= least for other, _ in chosen):
            chosen.append((place, level))
    return [level for _, level in chosen]


def _density(sparsity: np.ndarray) -> np.ndarray:
    """Return minus the decimal logarithm of the density."""
    found: np.ndarray = -np.log10(np.clip(1 - np.asarray(sparsity, dtype=float), 1e-4, None))
    return found


def _names(axis: Axes, found: Mapping[str, Outcome], shown: Mapping[str, Look], height: float) -> None:
    """Write each row's name to the right of an axis of this height in inches, beside its point if there is room."""
    rows = sorted(found, key=lambda row: float(found[row].point[1]))
    names = {row: wrapped(row, 26) for row in rows}
    low, high = axis.get_ylim()
    unit = LABEL / height
    heights = [unit * (names[row].count("\n") + 1) for row in rows]
    places = spread([float((found[row].point[1] - low) / (high - low)) for row in rows], heights)
    for row, place in zip(rows, places, strict=True):
        colour = shown[row].colour
        axis.text(1.03, place, names[row], transform=axis.transAxes, color=colour, fontsize=7, va="center")
        line = {"arrowstyle": "-", "color": colour, "linewidth": 0.4, "alpha": 0.6}
        point = float(found[row].point[0]), float(found[row].point[1])
        axis.annotate("", point, (1.025, place), textcoords="axes fraction", annotation_clip=False, arrowprops=line)


def spread(wanted: Iterable[float], heights: Sequence[float]) -> list[float]:
    """Move rising places in [0, 1] apart, so that labels of these heights do not overlap, as little as needed.

    >>> [round(place, 2) for place in spread([0.1, 0.5, 0.5], [0.1, 0.1, 0.1])]
    [0.1, 0.45, 0.55]
    """
    groups: list[tuple[list[float], list[float]]] = []  # of labels that touch: places wanted, heights
    for place, height in zip(wanted, heights, strict=True):
        groups.append(([place], [height]))
        while len(groups) > 1 and _span(*groups[-2])[1] > _span(*groups[-1])[0] + 1e-9:
            places, sizes = groups.pop()
            groups[-1] = groups[-1][0] + places, groups[-1][1] + sizes
    found: list[float] = []
    for places, sizes in groups:
        start = _span(places, sizes)[0]
        ends = np.cumsum(sizes)
        found += [float(start + end - size / 2) for end, size in zip(ends, sizes, strict=True)]
    return found


def _span(places: Sequence[float], sizes: Sequence[float]) -> tuple[float, float]:
    """Return where labels that touch begin and end, with their centre at the mean of the places wanted."""
    total = sum(sizes)
    middle = min(max(sum(places) / len(places), total / 2), max(1 - total / 2, total / 2))
    return middle - total / 2, middle + total / 2


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


def beside(found: Mapping[str, Outcome], row: str, figure: Figure, axis: Axes) -> Transform:
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
    heights = [area[:, 1] for area in map(outline, found.values()) if area is not None]
    spread = max(float(np.ptp(scores)), 0.1 * float(np.abs(scores).max()), 1e-3)
    low = max(min([scores.min(), *(h.min() for h in heights)]), scores.min() - spread)
    high = min(max([scores.max(), *(h.max() for h in heights)]), scores.max() + spread)
    return low - 0.06 * (high - low) - 0.02 * spread, high + 0.06 * (high - low) + 0.02 * spread
