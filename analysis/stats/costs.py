"""What sparsity is worth: the costs.json of run folders -> a frame with a line a run, and tables of means.

suite.deploy.costs says what each number is; latencies are there where `python -m sweeps.export` measured them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from pydantic import BaseModel, create_model

from analysis.data import validation
from analysis.render.markup import NONE, Table, significant
from suite.errors import UserError
from suite.record import reader
from suite.record.models import as_json

WAYS = ("jax", "onnxruntime", "onnxruntime_cleaned", "numpy", "runner")  # of acting, see sweeps.export.latency
FASTEST = "fastest_median"  # of the ways that were measured

#: Column of the frame -> where it stands in costs.json.
MEASURED: dict[str, tuple[str, ...]] = {
    "parameters": ("policy", "parameters"),
    "kept": ("policy", "kept"),
    "kept_cleaned": ("policy", "kept_cleaned"),
    "bytes_dense": ("policy", "bytes", "dense"),
    "bytes_compact": ("policy", "bytes", "compact_disk"),
    "bytes_compact_float16": ("policy", "bytes", "compact_disk_float16"),
    "memory_compact": ("policy", "bytes", "compact_memory"),
    "multiply_adds_dense": ("policy", "multiply_adds", "dense"),
    "multiply_adds_sparse": ("policy", "multiply_adds", "sparse"),
    "multiply_adds_cleaned_dense": ("policy", "multiply_adds", "cleaned_dense"),
    "multiply_adds_cleaned_sparse": ("policy", "multiply_adds", "cleaned_sparse"),
    "training_executed": ("training", "executed"),
    "training_ideal": ("training", "ideal"),
    **{f"{way}_{statistic}": ("latency", "ways", way, statistic) for way in WAYS for statistic in ("median", "p95")},
    "load": ("latency", "load"),
}
COLUMNS = ("row", "task", "seed", "name", "seconds", *MEASURED, FASTEST)
NUMBERS: dict[str, Any] = dict.fromkeys(("seconds", *MEASURED), (validation.Amount, None))


class RunLine(BaseModel):
    """The run that a line of costs.csv belongs to."""

    row: validation.Text
    task: validation.Text
    seed: validation.Whole
    name: validation.Text


CostLine = create_model("CostLine", __base__=RunLine, **NUMBERS)


def frame(runs: Iterable[tuple[str, str, int, Path]]) -> pd.DataFrame:
    """Read the costs of finished runs, given as (row of the table, task, seed, run folder).

    Returns a line for each run, with the columns COLUMNS; NaN where its record has no costs, or no latency. Raises
    UserError for a damaged file.
    """
    lines = []
    for row, task, seed, folder in runs:
        costs, status = reader.costs(folder), reader.status(folder)
        content = as_json(costs) if costs else {}
        measured = {column: _value(content, keys) for column, keys in MEASURED.items()}
        measured["seconds"] = status.seconds if status else None
        lines.append({"row": row, "task": task, "seed": seed, "name": folder.name, **measured})
    return _completed(pd.DataFrame(lines, columns=list(COLUMNS)))


def beside(folder: Path, rows: Mapping[tuple[str, str, int], str]) -> pd.DataFrame:
    """Read the costs.csv or costs.csv.gz in the folder of a curves.csv, which analysis.table wrote together.

    `rows` maps row, task and seed of a run in these files to its row of the table; lines of other runs are left out.
    Empty if there is no such file. Raises UserError for a damaged one, and for one with two lines of a run.
    """
    path = next((path for name in ("costs.csv", "costs.csv.gz") if (path := folder / name).exists()), None)
    if path is None:
        return frame([])
    lines = [line.model_dump() for line in validation.rows(path, validation.read_csv(path), CostLine)]
    runs = [(line["row"], line["task"], line["seed"]) for line in lines]
    twice = next((run for run, count in Counter(runs).items() if count > 1), None)
    if twice is not None:
        row, task, seed = twice
        raise UserError(f"{path}: has more than one line of {row}, {task}, seed {seed}; keep one of them")
    own = [{**line, "row": rows[run]} for line, run in zip(lines, runs, strict=True) if run in rows]
    return _completed(pd.DataFrame(own, columns=list(COLUMNS)))


def _completed(found: pd.DataFrame) -> pd.DataFrame:
    found = found.astype(dict.fromkeys(("seconds", *MEASURED), float))
    found[FASTEST] = found[[f"{way}_median" for way in WAYS]].min(axis=1)
    return found


def _value(content: Any, keys: tuple[str, ...]) -> float | None:
    """Return the value at a path of keys; None if a part of it is missing or null."""
    for key in keys:
        content = content.get(key) if content else None
    return None if content is None else float(content)


class Column(NamedTuple):
    """A column of a table: a measure in units of `unit`, or as a share of another measure."""

    title: str
    measure: str
    unit: float = 1.0
    of: str | None = None

    def cell(self, means: pd.Series) -> str:
        """Format the value of a row whose means by measure these are: a share with three decimals; NONE if unknown."""
        value = means[self.measure] / (means[self.of] if self.of else self.unit)
        return NONE if pd.isna(value) else f"{value:.3f}" if self.of else significant(value)


#: Title of a table -> its columns, and the measure that its runs have.
TABLES: dict[str, tuple[str, tuple[Column, ...]]] = {
    "Costs of the policy: weights, bytes, and multiply-adds of one action (as shares of the dense network's)": (
        "parameters",
        (
            Column("parameters", "parameters"),
            Column("kept", "kept", of="parameters"),
            Column("dense kB", "bytes_dense", 1e3),
            Column("compact kB", "bytes_compact", 1e3),
            Column("float16 kB", "bytes_compact_float16", 1e3),
            Column("in memory kB", "memory_compact", 1e3),
            Column("MAdds, million", "multiply_adds_dense", 1e6),
            Column("sparse", "multiply_adds_sparse", of="multiply_adds_dense"),
            Column("cleaned", "multiply_adds_cleaned_dense", of="multiply_adds_dense"),
            Column("cleaned, sparse", "multiply_adds_cleaned_sparse", of="multiply_adds_dense"),
        ),
    ),
    "Costs of training: operations executed, and those of an ideal sparse machine; wall time": (
        "training_executed",
        (
            Column("PFLOP", "training_executed", 1e15),
            Column("ideal PFLOP", "training_ideal", 1e15),
            Column("ideal, share", "training_ideal", of="training_executed"),
            Column("hours", "seconds", 3600),
        ),
    ),
    "Latency of one action, microseconds: median and 95th percentile of warm calls, batch 1, 1 thread, side by side": (
        FASTEST,
        (
            *(
                Column(f"{name}{statistic}", f"{way}_{measure}")
                for way, name in zip(WAYS, ("JAX", "ONNX", "ONNX cleaned", "numpy", "runner"), strict=True)
                for statistic, measure in (("", "median"), (" p95", "p95"))
            ),
            Column("load", "load"),
        ),
    ),
}


def tables(found: pd.DataFrame) -> list[Table]:
    """Make a table for each kind of cost that some run has: means over the runs of each family and row that have it, in
    which each task weighs the same."""
    measured = {title: found.dropna(subset=[key]) for title, (key, _) in TABLES.items()}
    return [_table(title, part, TABLES[title][1]) for title, part in measured.items() if len(part)]


def _table(title: str, found: pd.DataFrame, columns: Sequence[Column]) -> Table:
    body = []
    for (family, row), part in found.groupby([found["task"].str.partition("/")[0], "row"], sort=False):
        means = part.groupby("task")[[*MEASURED, "seconds"]].mean().mean()
        counts = [str(part["task"].nunique()), str(len(part))]
        body.append([family, row, *(column.cell(means) for column in columns), *counts])
    header = ["family", "method", *(column.title for column in columns), "tasks", "runs"]
    return Table(title, header, body, words=2, key="costs")
