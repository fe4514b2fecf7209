"""The sparsity from which sparse layers are faster, from the measurements of sweeps.bench.inference."""

from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure
from pydantic import BaseModel, ValidationError

from analysis.data import validation
from analysis.data.validation import Finite, Text
from analysis.figures.style import PAGE, STYLE
from analysis.render.markup import NONE, Table, markdown_table
from suite.errors import UserError
from suite.record import schema

COLUMNS = ("layer", "sparsity", "way", "median")
MAKE = "make it with make bench-inference"
DENSE = "dense"  # the end of the names of ways that a mask does not change


class Measurement(BaseModel):
    """A row of measurements.csv."""

    layer: Text
    sparsity: Finite
    way: Text
    median: Finite  # microseconds


class Machine(BaseModel):
    """machine.json: what the measurements were made on."""

    cpu: str
    cores: float
    load: float  # before the measurements
    load_after: float
    versions: dict[str, str | None]  # package -> version, None if it is not installed


def read(folder: Path) -> pd.DataFrame:
    """Return the measurements. Raises UserError if they are missing, lack a column or are not numbers."""
    path = folder / "measurements.csv"
    try:
        cells = validation.read_csv(path)
    except UserError as error:
        raise UserError(f"{error}; {MAKE}") from None
    missing = [column for column in COLUMNS if column not in cells]
    if missing:
        raise UserError(f"{path}: has no column {missing[0]!r}; {MAKE}")
    rows = validation.rows(path, cells[list(COLUMNS)], Measurement)
    found = pd.DataFrame([row.model_dump() for row in rows], columns=list(COLUMNS))
    twice = found[found.duplicated(["layer", "sparsity", "way"])]
    if len(twice):
        layer, sparsity, way, _ = twice.iloc[0]
        raise UserError(f"{path}: measures {way} of {layer} at the sparsity {sparsity:g} twice; {MAKE}")
    dense = found[found["way"].str.endswith(DENSE)]
    if missing := sorted({*found["layer"]} - {*dense["layer"]}) or ["any layer"] * found.empty:
        raise UserError(f"{path}: has no dense way of {missing[0]}; {MAKE}")
    return found


def machine(path: Path) -> str:
    """Describe what the measurements were made on. Raises UserError for another kind of file."""
    try:
        about = Machine.model_validate(schema.read_json(path))
    except ValidationError as error:
        field = ".".join(map(str, error.errors(include_url=False)[0]["loc"]))
        raise UserError(f"{path}: does not describe a machine ({field}); {MAKE}") from None
    versions = ", ".join(f"{name} {version}" for name, version in about.versions.items() if version)
    load = f"Load {about.load:.1f} before and {about.load_after:.1f} after."
    text = f"{about.cpu}, {about.cores:.0f} cores; {versions}. {load}"
    if max(about.load, about.load_after) > about.cores:
        text += " **The machine was busy: the ratios say something, the times do not.**"
    return text


def break_even(found: pd.DataFrame, layer: str, way: str, against: list[str]) -> float | None:
    """Return the lowest sparsity from which `way` is faster than all of `against`; None without one."""
    medians = found[found["layer"] == layer].pivot(index="sparsity", columns="way", values="median")
    if way not in medians:
        return None
    faster = medians[way] < medians[medians.columns.intersection(against)].min(axis=1)
    paying = faster[::-1].cummin()
    return float(paying[paying].index.min()) if paying.any() else None


def table(found: pd.DataFrame) -> Table:
    """List the dense times of each layer, and the sparsity from which each other way beats the best dense one."""
    dense = [way for way in found["way"].unique() if way.endswith(DENSE)]
    others = [way for way in found["way"].unique() if way not in dense]
    body = []
    for layer, part in found.groupby("layer", sort=False):
        times = [part[part["way"] == way]["median"].median() for way in dense]  # NaN where a way was not measured
        even = [break_even(found, str(layer), way, dense) for way in others]
        body.append(
            [
                str(layer),
                *(NONE if pd.isna(t) else f"{t:,.1f}" for t in times),
                *(NONE if s is None else f"{s:g}" for s in even),
            ]
        )
    header = ["layer", *(f"{way}, µs" for way in dense), *(f"{way} from" for way in others)]
    return Table("One layer, batch 1, one thread: the sparsity from which a way beats every dense one", header, body)


def figure(found: pd.DataFrame, path: Path) -> Figure:
    """Draw a panel for each layer: speed against sparsity, relative to the fastest dense way."""
    layers = list(found["layer"].unique())
    ways = list(found["way"].unique())
    with matplotlib.rc_context(STYLE | {"text.parse_math": True}):  # the ticks of a logarithmic axis
        rows = -(-len(layers) // 3)
        drawn = Figure(figsize=(PAGE, 0.4 + 1.9 * rows), dpi=300, layout="constrained")
        axes = drawn.subplots(rows, 3, squeeze=False, sharex=True)
        for place, axis in enumerate(axes.flat):
            if place >= len(layers):
                axis.set_axis_off()
                continue
            medians = found[found["layer"] == layers[place]].pivot(index="sparsity", columns="way", values="median")
            best = medians[[way for way in medians if str(way).endswith(DENSE)]].min(axis=1)
            for number, way in enumerate(ways):
                if way in medians:
                    style = {"linestyle": ":"} if str(way).endswith(DENSE) else {"marker": "o", "markersize": 2}
                    x = 1 - medians.index.to_numpy()
                    axis.plot(x, best / medians[way], color=f"C{number}", linewidth=1, label=way, **style)
            axis.axhline(1, color="0.5", linewidth=0.5)
            axis.set_xscale("log")
            axis.set_yscale("log")
            axis.set_title(layers[place])
        axes[0, 0].invert_xaxis()  # once, as all panels share it
        for axis in axes[-1]:
            axis.set_xlabel("density (sparser to the right)")
        for axis in axes[:, 0]:
            axis.set_ylabel("speed, best dense = 1")
        handles = {label: h for axis in axes.flat for h, label in zip(*axis.get_legend_handles_labels(), strict=True)}
        drawn.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=4, frameon=False)
        drawn.savefig(path)
        return drawn


def write(folder: Path) -> int:
    """Write break_even.md and speed.png into a folder of measurements, print the table, and return the exit code 0.

    Raises UserError when the measurements are missing or damaged.
    """
    found, text = read(folder), machine(folder / "machine.json")
    report = f"{markdown_table(table(found))}\n\n{text}\n"
    (folder / "break_even.md").write_text(report, encoding="utf-8")
    figure(found, folder / "speed.png")
    print(report, end="")
    return 0
