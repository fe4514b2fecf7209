"""What run folders record of their networks' health (suite.diagnostics) -> a tidy frame, and tables of means."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.render.markup import NONE, Table, significant
from suite.record import schema

#: Column of the frame -> its title. Layers of a network and the networks of twin critics are averaged.
MEASURES = {
    "dormant": "dormant units",
    "disconnected": "disconnected units",
    "mask_overlap": "mask overlap",
    "effective_rank": "effective rank",
    "weight_norm": "norm of weights",
    "gradient_norm": "norm of gradients",
    "agreement": "agreement",
}
PARTS = {"0": "elected network", "actor": "actor"}
COLUMNS = ("row", "task", "seed", "part", "epoch", "agent_step", *MEASURES)


def frame(runs: Iterable[tuple[str, str, int, Path]]) -> pd.DataFrame:
    """Read the diagnostics of runs, given as (row of the table, task, seed, run folder).

    Returns a line for each epoch of each part, with the columns COLUMNS; NaN where a record says nothing. Records of
    older versions have no lines. Raises UserError for a damaged record.
    """
    lines = []
    for row, task, seed, folder in runs:
        path = folder / schema.METRICS
        for line in schema.read_rows(path, ("diagnostics",)) if path.exists() else []:
            for part, name in PARTS.items():
                if part in line["weight_norm"]:
                    clocks = {"epoch": line["epoch"], "agent_step": line["agent_step"]}
                    measured = {key: _mean(line[key], part) for key in MEASURES if key != "agreement"}
                    agreement = line["agreement"] if part == "0" else None
                    placed = {"row": row, "task": task, "seed": seed, "part": name}
                    lines.append({**placed, **clocks, **measured, "agreement": agreement})
    return pd.DataFrame(lines, columns=list(COLUMNS)).astype(dict.fromkeys(MEASURES, float))


def _mean(values: Mapping[str, Any], part: str) -> float:
    """Return the mean over what belongs to a part, such as its layers; NaN if nothing does or a number is missing."""
    own = [value for path, value in values.items() if path.partition("/")[0] == part]
    return float(np.mean([np.nan if value is None else value for value in own])) if own else float("nan")


def tables(found: pd.DataFrame) -> list[Table]:
    """Make a table for each part that is known: means of the last epochs over the runs of each family and row."""
    last = found.drop_duplicates(["row", "task", "seed", "part"], keep="last")  # epochs rise
    made = []
    for part in PARTS.values():
        own = last[last["part"] == part]
        if own.empty:
            continue
        shown = [key for key in MEASURES if own[key].notna().any()]
        body = []
        for (family, row), runs in own.groupby([own["task"].str.partition("/")[0], "row"], sort=False):
            means = runs[shown].mean()
            numbers = [NONE if np.isnan(means[key]) else significant(means[key]) for key in shown]
            body.append([str(family), str(row), *numbers, str(len(runs))])
        header = ["family", "method", *(MEASURES[key] for key in shown), "runs"]
        made.append(Table(f"Diagnostics of the {part} at the end of training, means", header, body, words=2))
    return made
