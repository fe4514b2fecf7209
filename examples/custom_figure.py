"""Draw your own figure from records: return against sparsity, a line per run.

Run it from the root of the repository:

    .venv/bin/python -m examples.custom_figure runs/mujoco-laptop figure.png

It accepts the same sources as `make report`: a folder of runs, a W&B project, Dopamine's files, or a CSV file
(docs/howto/other-results.md).
"""

import argparse
import sys
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from analysis.data.runs import tidy
from analysis.data.sources import load
from suite.errors import UserError


def read(place: str) -> pd.DataFrame:
    """Return the epochs of all runs in a place, a row per epoch. `analysis.data.runs.COLUMNS` describes the columns.

    Raise UserError if there is no run, or a record is damaged.
    """
    runs, notes = load([place])
    print(*notes, sep="\n", end="\n" if notes else "")
    return tidy((run.method, run) for run in runs)


def draw(epochs: pd.DataFrame) -> Figure:
    """Draw return against sparsity while each run trains. A dot marks the end of a run."""
    tasks = sorted(epochs["task"].unique())
    colours = {method: f"C{number}" for number, method in enumerate(sorted(epochs["method"].unique()))}
    figure = Figure(figsize=(4 * len(tasks), 3 + 0.2 * len(colours)), layout="constrained")
    for axis, task in zip(figure.subplots(1, len(tasks), squeeze=False)[0], tasks, strict=True):
        for _, run in epochs[epochs["task"] == task].groupby("name"):
            look = {"color": colours[run["method"].iloc[0]]}
            axis.plot(run["sparsity"], run["return"], linewidth=1, **look)
            axis.plot(run["sparsity"].iloc[-1], run["return"].iloc[-1], "o", **look)
        axis.set(title=task, xlabel="sparsity", ylabel="return of the epoch")
    for method, colour in colours.items():
        figure.axes[0].plot([], [], "o-", color=colour, label=method)
    figure.legend(loc="outside lower center")
    return figure


def main() -> None:
    """Write the figure of the runs that the command line names. Exit with an error if they cannot be read."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.custom_figure", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("runs", help="a folder of runs, or another source that analysis.report accepts")
    parser.add_argument("figure", type=Path, help="the file to write: .png, .pdf or .svg")
    given = parser.parse_args()
    try:
        epochs = read(given.runs)
    except UserError as error:
        sys.exit(f"error: {error}")
    draw(epochs).savefig(given.figure, dpi=200)
    print(f"written: {given.figure}")


if __name__ == "__main__":
    main()
