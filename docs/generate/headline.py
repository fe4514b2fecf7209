"""Write the results on the README's first screen: `python -m docs.generate.headline`.

It reads results/reference-mujoco/curves.csv, draws docs/pictures/results.png, and replaces the table between the
markers `<!-- results -->` and `<!-- end of results -->` of the README.
"""

import re
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from analysis.data.runs import tidy
from analysis.data.sources import load
from analysis.figures import style
from analysis.figures.looks import looks

ROOT = Path(__file__).resolve().parents[2]
CURVES = ROOT / "results/reference-mujoco/curves.csv"
FIGURE = ROOT / "docs/pictures/results.png"
README = ROOT / "README.md"
MARKED = re.compile(r"(<!-- results -->\n).*(<!-- end of results -->)", re.DOTALL)


def final(curves: Path) -> pd.DataFrame:
    """Return the last epoch of each finished run: the columns of analysis.data.runs.COLUMNS."""
    runs, _ = load([str(curves)])
    epochs = tidy((run.method, run) for run in runs)
    last = epochs.sort_values("epoch").groupby(["method", "task", "seed"], as_index=False, sort=False).last()
    return last[last["status"] == "finished"].assign(task=last["task"].str.partition("/")[2])


def table(runs: pd.DataFrame) -> str:
    """Return a Markdown table: for each method its mean sparsity, and for each task the mean return (seeds)."""
    tasks = sorted(runs["task"].unique())
    lines = [f"| method and options | sparsity | {' | '.join(tasks)} |", f"|---|---:|{'---:|' * len(tasks)}"]
    for method in sorted(runs["method"].unique()):
        mine = runs[runs["method"] == method]
        cells = [cell(mine.loc[mine["task"] == task, "return"]) for task in tasks]
        lines.append(f"| `{method}` | {mine['sparsity'].mean():.2f} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def cell(returns: "pd.Series[float]") -> str:
    return f"{returns.mean():,.0f} ({len(returns)})" if len(returns) else "-"


@style.styled
def figure(runs: pd.DataFrame) -> Figure:
    """Draw return against sparsity: the mean over seeds and their range. A task with several methods has a panel."""
    methods_of = runs.groupby("task")["method"].nunique()
    tasks = sorted(methods_of[methods_of > 1].index)
    shown = looks({method: method for method in sorted(runs["method"].unique())})
    drawing = style.blank(min(1.9 + 2.1 * len(tasks), 8), 2.3)
    axes = drawing.subplots(1, len(tasks), squeeze=False)[0]
    for axis, task in zip(axes, tasks, strict=True):
        for method, look in shown.items():
            mine = runs[(runs["task"] == task) & (runs["method"] == method)]
            if mine.empty:
                continue
            x, y = mine["sparsity"].mean(), mine["return"].mean()
            axis.plot([x, x], [mine["return"].min(), mine["return"].max()], color=look.colour, linewidth=1)
            face = look.colour if look.filled else "white"
            axis.plot(x, y, look.marker, color=look.colour, markerfacecolor=face, markersize=6)
        axis.set(title=task, xlabel="final sparsity", xlim=(-0.05, 1.05))
        axis.set_ylim(bottom=0)
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes[0].set_ylabel("training return")
    for method, look in shown.items():
        face = look.colour if look.filled else "white"
        axes[0].plot([], [], look.marker, color=look.colour, markerfacecolor=face, label=method)
    drawing.legend(loc="outside right center", frameon=False)
    return drawing


def write() -> None:
    """Write the figure and the table."""
    runs = final(CURVES)
    style.save(figure(runs), [FIGURE])
    text = README.read_text(encoding="utf-8")
    README.write_text(MARKED.sub(lambda found: found[1] + table(runs) + found[2], text), encoding="utf-8")


if __name__ == "__main__":
    write()
