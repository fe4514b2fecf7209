"""Write the results on the README's first screen: `python -m docs.generate.headline`.

It reads results/reference-mujoco/curves.csv and replaces the table between the markers `<!-- results -->` and
`<!-- end of results -->` of the README. The figure there is results/reference-mujoco/pareto.svg.
"""

import re
from pathlib import Path

import pandas as pd

from analysis.data.runs import tidy
from analysis.data.sources import load

ROOT = Path(__file__).resolve().parents[2]
CURVES = ROOT / "results/reference-mujoco/curves.csv"
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


def write() -> None:
    """Write the table."""
    runs = final(CURVES)
    text = README.read_text(encoding="utf-8")
    README.write_text(MARKED.sub(lambda found: found[1] + table(runs) + found[2], text), encoding="utf-8")


if __name__ == "__main__":
    write()
