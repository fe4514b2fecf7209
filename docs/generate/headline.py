"""Write the results on the README's first screen: `python -m docs.generate.headline`.

It reads results/reference-minatar/comparison.csv and replaces the table between the markers `<!-- results -->` and
`<!-- end of results -->` of the README. The figure there is results/reference-minatar/pareto.svg.
"""

import re
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
COMPARISON = ROOT / "results/reference-minatar/comparison.csv"
README = ROOT / "README.md"
MARKED = re.compile(r"(<!-- results -->\n).*(<!-- end of results -->)", re.DOTALL)


def table(found: pd.DataFrame) -> str:
    """Return a Markdown table of a comparison.csv: sparsity, IQM of the score, returns by task, and seeds.

    Numbers have their 95 % intervals. Raises KeyError for a method without one of these numbers.
    """
    tasks = [task for task in found["task"].unique() if task != "all"]
    header = ["method and options", "sparsity", "IQM of the score", *(task.split("/")[-1] for task in tasks), "seeds"]
    lines = [f"| {' | '.join(header)} |", f"|---|{'---:|' * (len(header) - 1)}"]
    for method, mine in found.groupby("method", sort=False):
        values = mine.set_index(["task", "statistic"])
        cells = [cell(values.loc[("all", name)], ".2f") for name in ("sparsity", "IQM")]
        cells += [cell(values.loc[(task, "return")], ".1f") for task in tasks]
        lines.append(f"| `{method}` | {' | '.join(cells)} | {values.loc[('all', 'IQM'), 'seeds']} |")
    return "\n".join(lines) + "\n"


def cell(estimate: "pd.Series[float]", spec: str) -> str:
    """Return a number and its interval, if it has one of some width: 7.51 [7.02, 8.01]; "-" where there is none."""
    if pd.isna(estimate["value"]):
        return "-"
    value, low, high = (format(estimate[name], spec) for name in ("value", "low", "high"))
    return value if pd.isna(estimate["low"]) or low == high else f"{value} [{low}, {high}]"


def write() -> None:
    """Replace the table in the README."""
    text, shown = README.read_text(encoding="utf-8"), table(pd.read_csv(COMPARISON))
    README.write_text(MARKED.sub(lambda found: found[1] + shown + found[2], text), encoding="utf-8")


if __name__ == "__main__":
    write()
