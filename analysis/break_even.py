"""The sparsity from which sparse layers are faster, from the measurements of sweeps.bench.inference."""

from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.style import PAGE, STYLE
from analysis.render.markup import NONE, Table, markdown_table
from suite.errors import UserError
from suite.record import schema

COLUMNS = ("layer", "sparsity", "way", "median")
DENSE = "dense"  # the end of the names of ways that a mask does not change


def read(folder: Path) -> pd.DataFrame:
    """The measurements. Raises UserError when they are missing or lack a column."""
    path = folder / "measurements.csv"
    try:
        found = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); make it with make bench-inference") from None
    missing = [column for column in COLUMNS if column not in found]
    if missing:
        raise UserError(f"{path}: has no column {missing[0]!r}; make it with make bench-inference")
    return found


def machine(path: Path) -> str:
    """What the measurements were made on, in words. Raises UserError for another kind of file."""
    about = schema.read_json(path)
    try:
        versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items() if version)
        load, after, cores = (float(about[key]) for key in ("load", "load_after", "cores"))
        text = f"{about['cpu']}, {cores:.0f} cores; {versions}. Load {load:.1f} before and {after:.1f} after."
    except (KeyError, AttributeError, TypeError, ValueError):
        raise UserError(f"{path}: does not describe a machine; make it with make bench-inference") from None
    if max(load, after) > cores:
        text += " **The machine was busy: the ratios say something, the times do not.**"
    return text


def break_even(found: pd.DataFrame, layer: str, way: str, against: list[str]) -> float | None:
    """The lowest sparsity from which on `way` is faster than each of `against`; None if it is not at the highest."""
    medians = found[found["layer"] == layer].pivot(index="sparsity", columns="way", values="median")
    if way not in medians:
        return None
    faster = medians[way] < medians[against].min(axis=1)
    paying = faster[::-1].cummin()
    return float(paying[paying].index.min()) if paying.any() else None


def table(found: pd.DataFrame) -> Table:
    """Layers down; the dense times, and for each other way where it begins to pay against the best dense one."""
    dense = [way for way in found["way"].unique() if way.endswith(DENSE)]
    others = [way for way in found["way"].unique() if way not in dense]
    body = []
    for layer, part in found.groupby("layer", sort=False):
        times = [part[part["way"] == way]["median"].median() for way in dense]
        even = [break_even(found, str(layer), way, dense) for way in others]
        body.append([str(layer), *(f"{time:,.1f}" for time in times), *(NONE if s is None else f"{s:g}" for s in even)])
    header = ["layer", *(f"{way}, µs" for way in dense), *(f"{way} from" for way in others)]
    return Table("One layer, batch 1, one thread: the sparsity from which a way beats every dense one", header, body)


def figure(found: pd.DataFrame, path: Path) -> Figure:
    """A panel a layer: times against sparsity, as multiples of the fastest dense way's."""
    layers = list(found["layer"].unique())
    ways = list(found["way"].unique())
    with matplotlib.rc_context(STYLE):
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
