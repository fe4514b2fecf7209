"""Learning curves and sparsity curves: one column of two panels a task, a line a method."""

import warnings
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.metrics import band
from analysis.scores import reference

PAGE = 7.0  # inches: the text width of a two-column paper
ACTOR: dict[str, Any] = {"linestyle": (0, (3, 2)), "linewidth": 0.8}  # thinner than any method's dashes
ACROSS = 4  # tasks beside each other; more go below
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
STYLE: dict[Any, Any] = {
    "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7,
    "legend.fontsize": 8, "axes.linewidth": 0.6, "grid.linewidth": 0.4, "xtick.major.width": 0.6,
    "ytick.major.width": 0.6, "xtick.major.size": 2.5, "ytick.major.size": 2.5, "axes.edgecolor": "0.3",
    "grid.color": "0.9",
    "pdf.fonttype": 42,  # text stays text
}  # fmt: skip


def curves(
    frame: pd.DataFrame,
    methods: dict[str, str],
    tasks: list[str],
    paths: list[Path],
    measured: str,
    seed: int,
    repetitions: int,
) -> None:
    """Draw the tidy frame (analysis.runs.tidy) into each path, by its suffix (.png, .pdf); `measured` names its return.

    Lines are means over seeds at equal epochs, placed at their mean agent step; bands are 95 % bootstrap intervals over
    seeds (none with one seed). `methods` (row of the table -> its method) and `tasks` fix order and colours, also of
    what has no run.
    """
    with sns.axes_style("whitegrid", rc=STYLE), matplotlib.rc_context(STYLE):
        across = min(len(tasks), ACROSS)
        blocks = -(-len(tasks) // across)
        panel = min(PAGE / across, 3.5)
        figure = Figure(figsize=(panel * across, 0.35 + blocks * (2 * 1.55 + 0.25)), dpi=300, layout="constrained")
        axes = figure.subplots(2 * blocks, across, squeeze=False)
        for place in range(blocks * across):
            block, column = divmod(place, across)
            above, below = axes[2 * block, column], axes[2 * block + 1, column]
            if place >= len(tasks):
                above.set_axis_off()
                below.set_axis_off()
                continue
            part = frame[frame["task"] == tasks[place]]
            _panels(above, below, part, methods, tasks[place], seed, repetitions)
            if column == 0:
                above.set_ylabel(measured)
                below.set_ylabel("sparsity")
        if frame["actor_sparsity"].notna().any():
            axes[0, 0].plot([], [], color="0.3", label="actor", **ACTOR)
        _legend(figure, axes[0, 0], panel * across)
        for path in paths:
            # A creation date would make two drawings of the same data differ.
            figure.savefig(path, metadata={"CreationDate": None} if path.suffix == ".pdf" else None)


def _panels(
    above: Axes, below: Axes, part: pd.DataFrame, methods: dict[str, str], task: str, seed: int, repetitions: int
) -> None:
    for row, style in _styles(methods).items():
        own = part[part["row"] == row]
        steps = own.groupby("epoch")["agent_step"].mean().to_numpy()
        lines = [(above, "return", style), (below, "sparsity", style)]
        if own["actor_sparsity"].notna().any():
            lines.append((below, "actor_sparsity", style | ACTOR))
        for axis, column, look in lines:
            values = own.pivot(index="seed", columns="epoch", values=column).to_numpy(dtype=float)
            _line(axis, steps, values, look, seed, repetitions)
    above.axhline(
        reference(task).random,
        color="0.45",
        linewidth=0.8,
        linestyle=(0, (1, 2)),
        zorder=1,
        label="random policy",
    )
    above.set_title(reference(task).environment)
    above.tick_params(labelbottom=False)
    below.set_xlabel("agent steps")
    below.set_ylim(-0.03, 1.03)
    below.set_yticks([0, 0.5, 1])
    below.sharex(above)
    above.yaxis.set_major_formatter(FuncFormatter(_short))
    for axis in (above, below):
        axis.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        axis.xaxis.set_major_formatter(FuncFormatter(_short))
        axis.set_xlim(left=0)
        axis.margins(x=0.02)
        sns.despine(ax=axis)


def _styles(methods: dict[str, str]) -> dict[str, dict[str, Any]]:
    """A colour a method; a dash a method too, or, where options are swept, a dash a variant of the method."""
    palette = sns.color_palette("colorblind", n_colors=10)
    names = list(dict.fromkeys(methods.values()))
    variants = {name: [row for row, method in methods.items() if method == name] for name in names}
    swept = len(methods) > len(names)
    styles = {}
    for row, method in methods.items():
        colour = names.index(method)
        dash = variants[method].index(row) if swept else colour + colour // len(palette)
        line = {"linestyle": DASHES[dash % len(DASHES)], "linewidth": 1.3}
        styles[row] = {"color": palette[colour % 10], "label": row, **line}
    return styles


def _line(axis: Axes, steps: np.ndarray, values: np.ndarray, style: dict, seed: int, repetitions: int) -> None:
    """values [seeds, epochs]; an empty line keeps its place in the legend."""
    if len(values) == 0:
        axis.plot([], [], **style)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # percentiles of a point where a seed has no number: a gap
        mean, low, high = band(values, seed, repetitions)
    marker = "o" if len(steps) <= 12 else None  # few points: show where they are
    axis.plot(steps, mean, marker=marker, markersize=2.5, **style)
    axis.fill_between(steps, low, high, color=style["color"], alpha=0.18, linewidth=0)


def _legend(figure: Figure, axis: Axes, width: float) -> None:
    """Above all panels, with as many entries in a row as fit `width` inches."""
    handles, labels = axis.get_legend_handles_labels()
    entry = 0.65 + 0.07 * max(map(len, labels))  # inches: the line and the gap, and the text
    across = max(1, min(len(labels), int(width / entry)))
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=across,
        frameon=False,
        handlelength=2.6,
        columnspacing=1.6,
    )


def _short(value: float, _: object) -> str:
    """12000 -> 12k, 2500000 -> 2.5M, with a true minus sign."""
    size = abs(value)
    text = f"{size / 1e6:g}M" if size >= 1e6 else f"{size / 1e3:g}k" if size >= 1e4 else f"{size:g}"
    return f"\N{MINUS SIGN}{text}" if value < 0 else text
