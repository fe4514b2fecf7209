"""Figures that respond to the pointer: Vega-Lite specifications, and their data.

Every chart replaces the drawing of the same name on a screen. A reader without scripts, and paper, have the drawing.
The rows of all charts have a field `method`, and those of single tasks a field `task`, by which the page filters them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from analysis.data import runs, scores
from analysis.figures.looks import looks
from analysis.figures.plane import outline
from analysis.render.tables import interval
from analysis.stats import pareto, sweep_lines
from analysis.stats.metrics import Estimate
from analysis.stats.pareto import Outcome
from analysis.stats.profiles import Curve

MOST_EPOCHS = 30_000  # rows of all learning curves: some 1 MB of the page
FEWEST, MOST = 10, 100  # of a run
DIGITS = 5
DASH = 1.5  # pixels of a unit of a line style
SHAPES = {"s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down", "<": "triangle-left"}
SHAPES |= {">": "triangle-right", "P": "cross", "X": "cross", "*": "triangle", "d": "diamond"}
Spec = dict[str, Any]


class Chart(NamedTuple):
    """A specification without its data, and the data: columns of texts and numbers."""

    spec: Spec
    data: pd.DataFrame


def columns(data: pd.DataFrame) -> dict[str, Any]:
    """Return the data for JSON: numbers of DIGITS digits, None if unknown; texts as {levels, codes}."""
    found: dict[str, Any] = {}
    for name in data:
        values = data[name]
        if pd.api.types.is_numeric_dtype(values):
            numbers = values.to_numpy(dtype=float)
            found[str(name)] = [float(f"{v:.{DIGITS}g}") if np.isfinite(v) else None for v in numbers]
        else:
            codes, levels = pd.factorize(values)
            found[str(name)] = {"levels": list(map(str, levels)), "codes": codes.tolist()}
    return found


def _field(name: str, title: str, kind: str = "quantitative", **options: Any) -> Spec:
    return {"field": name, "type": kind, "title": title, **options}


LEGEND = {"orient": "bottom", "symbolLimit": 0}
LINES = {**LEGEND, "symbolType": "stroke", "symbolSize": 300, "symbolStrokeWidth": 2}  # the legend of line styles


def _colour(methods: Mapping[str, str], legend: Spec = LEGEND) -> Spec:
    """Give each row of the table its colour."""
    shown = looks(methods)
    scale = {"domain": list(shown), "range": [to_hex(look.colour) for look in shown.values()]}
    return _field("method", "method", "nominal", scale=scale, legend=legend)


def _dashes(methods: Mapping[str, str]) -> Spec:
    """Give each row of the table its line style."""
    shown = looks(methods)
    styles = [[1, 0] if isinstance(look.linestyle, str) else look.linestyle[1] for look in shown.values()]
    scale = {"domain": list(shown), "range": [[DASH * length for length in style] for style in styles]}
    return _field("method", "method", "nominal", scale=scale, legend=LINES)


def _tooltip(**fields: str) -> list[Spec]:
    """Return tooltips of {field: title}; those of texts are named with an underscore behind them."""
    return [
        _field(name.rstrip("_"), title, "nominal" if name.endswith("_") else "quantitative")
        for name, title in fields.items()
    ]


HOVER = {"name": "hover", "select": {"type": "point", "nearest": True, "on": "pointerover", "clear": "pointerout"}}
AT_HOVER = {"condition": {"param": "hover", "empty": False, "value": 1}, "value": 0}


def intervals(found: Mapping[str, Mapping[str, Estimate]], methods: Mapping[str, str], over: str) -> Chart:
    """Draw {statistic: {row: estimate}}, a panel for each statistic."""
    lines = [
        (name, row, estimate.value, estimate.low, estimate.high, estimate.seeds)
        for name, estimates in found.items()
        for row, estimate in estimates.items()
        if estimate.value is not None
    ]
    data = pd.DataFrame(lines, columns=["statistic", "method", "value", "low", "high", "seeds"])
    y = _field("method", "", "nominal", sort=list(methods), axis={"labelLimit": 130})
    tooltip = _tooltip(
        method_="method", statistic_="statistic", value="value", low="95 % from", high="to", seeds="seeds"
    )
    layers = [
        {
            "mark": {"type": "bar", "height": 10, "opacity": 0.5},
            "encoding": {"x": _field("low", over, scale={"zero": False}), "x2": {"field": "high"}},
        },
        {"mark": {"type": "tick", "thickness": 2, "color": "black"}, "encoding": {"x": _field("value", over)}},
    ]
    inner = {
        "height": {"step": 20},
        "encoding": {"y": y, "color": {**_colour(methods), "legend": None}, "tooltip": tooltip},
        "layer": layers,
    }
    facet = {"field": "statistic", "title": None, "sort": list(found)}
    spec = {"facet": facet, "columns": 2, "spec": inner, "resolve": {"scale": {"x": "independent"}}}
    return Chart({**spec, "usermeta": {"margin": 150}}, data)


def lines(found: Mapping[str, Curve], methods: Mapping[str, str], x: str, y: str) -> Chart:
    """Draw {row: values with their band}; the nearest point tells its numbers."""
    parts = [
        pd.DataFrame({"method": row, "x": curve.x, "y": curve.value, "low": curve.low, "high": curve.high})
        for row, curve in found.items()
    ]
    encoding = {"x": _field("x", x, axis={"format": "~s"}), "color": _colour(methods, LINES)}
    tooltip = _tooltip(method_="method", x=x, y=y, low="95 % from", high="to")
    layers = [
        {
            "mark": {"type": "area", "opacity": 0.15},
            "encoding": {"y": _field("low", y), "y2": {"field": "high"}},
        },
        {
            "mark": {"type": "line", "strokeWidth": 1.8},
            "encoding": {"y": _field("y", y), "strokeDash": _dashes(methods)},
        },
        {
            "params": [HOVER],
            "mark": {"type": "point", "filled": True, "size": 60},
            "encoding": {"y": _field("y", y), "opacity": AT_HOVER, "tooltip": tooltip},
        },
    ]
    return Chart({"width": "container", "height": 260, "encoding": encoding, "layer": layers}, pd.concat(parts))


def epochs(frame: pd.DataFrame, tasks: Sequence[str], x: str) -> pd.DataFrame:
    """Return the learning curves of all runs, thinned to what a screen shows: the last epoch and evenly spaced ones.

    `tasks` are those of the grid, whose names the page's filters have.
    """
    count = max(1, frame.groupby(["task", "row", "seed"], sort=False).ngroups)
    kept = runs.thin(frame, int(np.clip(MOST_EPOCHS // count, FEWEST, MOST)))
    renamed = {
        "method": kept["row"],
        "task": kept["task"].map(scores.short_names(tasks)),
        "run": kept["name"],
        "x": kept[x],
    }
    rest = {name: kept[name] for name in ("seed", "epoch", "return", "sparsity")}
    return pd.DataFrame({**renamed, **rest})


def curves(data: pd.DataFrame, methods: Mapping[str, str], column: str, label: str, x: str) -> Chart:
    """Draw a column of `epochs`: a panel for each task, thin lines for the runs and a thick one for their mean.

    `label` is of the y axis, and `x` of the x axis.
    """
    both = {
        "x": _field("x", x, axis={"format": "~s", "tickCount": 4}),
        "y": _field(column, label, axis={"format": "~s"}, scale={"zero": column == "sparsity"}),
        "color": _colour(methods, LINES),
    }
    tooltip = _tooltip(method_="method", task_="task", run_="run", seed="seed", epoch="epoch", x=x, **{column: label})
    means = [{"op": "mean", "field": name, "as": name} for name in ("x", column)]
    known = {"op": "valid", "field": column, "as": "known"}
    layers = [
        {
            "mark": {"type": "line", "opacity": 0.25, "strokeWidth": 1},
            "encoding": {**both, "detail": {"field": "seed", "type": "nominal"}},
        },
        {
            "transform": [
                {
                    "joinaggregate": [{"op": "distinct", "field": "seed", "as": "seeds"}],
                    "groupby": ["task", "method"],
                },
                {"aggregate": [*means, known], "groupby": ["task", "method", "epoch", "seeds"]},
                {"filter": "datum.known === datum.seeds"},  # means of fewer seeds would jump
            ],
            "mark": {"type": "line", "strokeWidth": 2},
            "encoding": {**both, "strokeDash": _dashes(methods)},
        },
        {
            "params": [HOVER],
            "mark": {"type": "point", "filled": True, "size": 50},
            "encoding": {**both, "opacity": AT_HOVER, "tooltip": tooltip},
        },
    ]
    facet = {"field": "task", "title": None, "sort": list(data["task"].unique())}
    resolve = {"scale": {"x": "independent", "y": "independent"}}
    spec = {"facet": facet, "columns": 2, "spec": {"height": 190, "layer": layers}, "resolve": resolve}
    return Chart(spec, data)


def plane(
    panels: Mapping[str, Mapping[str, Outcome]],
    methods: Mapping[str, str],
    over: str,
    reference: str,
    variants: Mapping[str, str],
) -> Chart:
    """Draw points (sparsity, score), their regions, and the lines of sweeps, in a panel for each title."""
    parts = []
    for title, found in panels.items():
        sweeps = sweep_lines.find(found, methods, reference, variants)
        parts.append(_plane(found, sweeps).assign(task=title))
    inner = {"height": 300 if len(panels) == 1 else 220, "layer": _plane_layers(methods, over)}
    facet = {"field": "task", "title": None, "sort": list(panels)}
    resolve = {"scale": {"x": "independent", "y": "independent"}}
    return Chart({"facet": facet, "columns": 2, "spec": inner, "resolve": resolve}, pd.concat(parts))


def _plane(found: Mapping[str, Outcome], sweeps: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return the rows of one panel: points, outlines of regions, and the points along each sweep."""
    rows: list[dict[str, Any]] = []
    for row, outcome in found.items():
        ends = [pareto.interval(float(outcome.point[i]), outcome.draws[:, i], outcome.seeds) for i in (0, 1)]
        words = {"sparsity (95 %)": interval(ends[0], ".3f"), "score (95 %)": interval(ends[1], ".3f")}
        place = {"method": row, "sparsity": outcome.point[0], "score": outcome.point[1]}
        rows.append({"kind": "point", **place, **words, "seeds": outcome.seeds, "tasks": outcome.tasks})
        area = outline(outcome)
        for order, (x, y) in enumerate([] if area is None else area.tolist()):
            rows.append({"kind": "region", "method": row, "sparsity": x, "score": y, "order": order})
    for along in sweeps.values():
        there = sorted(along, key=lambda row: float(found[row].point[0]))
        for order, row in enumerate(there):
            x, y = found[row].point
            rows.append({"kind": "sweep", "method": there[1], "sparsity": x, "score": y, "order": order})
    return pd.DataFrame(rows)


def _plane_layers(methods: Mapping[str, str], over: str) -> list[Spec]:
    shown = looks(methods)
    shape = {
        "field": "method",
        "scale": {"domain": list(shown), "range": [SHAPES.get(look.marker, "circle") for look in shown.values()]},
    }
    axes = {
        "x": _field("sparsity", "sparsity", scale={"zero": False, "nice": False, "padding": 12}),
        "y": _field("score", over, scale={"zero": False, "nice": False, "padding": 12}),
        "color": _colour(methods),
    }
    tooltip = [{"field": "method"}, {"field": "sparsity (95 %)"}, {"field": "score (95 %)"}]
    tooltip += _tooltip(seeds="seeds, at least", tasks="tasks")
    order = {"field": "order", "type": "quantitative"}
    return [
        {
            "transform": [{"filter": {"field": "kind", "equal": "region"}}],
            "mark": {"type": "line", "strokeWidth": 1, "opacity": 0.6},
            "encoding": {**axes, "order": order},
        },
        {
            "transform": [{"filter": {"field": "kind", "equal": "sweep"}}],
            "mark": {"type": "line", "strokeWidth": 1.2, "opacity": 0.8},
            "encoding": {**axes, "order": order},
        },
        {
            "transform": [{"filter": {"field": "kind", "equal": "point"}}],
            "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
            "encoding": {**axes, "shape": shape, "tooltip": tooltip},
        },
    ]
