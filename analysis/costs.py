"""What sparsity is worth: the costs.json of run folders -> a frame with a line a run, and a table of means.

suite.costs says what each number is; latencies are there where `python -m sweeps.export` measured them.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.markup import NONE, Table
from suite import records
from suite.errors import UserError

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
    **{
        f"{way}_{statistic}": ("latency", "ways", way, statistic)
        for way in ("jax", "onnxruntime", "onnxruntime_cleaned", "numpy", "runner")
        for statistic in ("median", "p95")
    },
    "load": ("latency", "load"),
}
COLUMNS = ("row", "task", "seed", "name", "seconds", *MEASURED)


def frame(runs: Iterable[tuple[str, str, int, Path]]) -> pd.DataFrame:
    """(row of the table, task, seed, run folder) of finished runs -> a line a run with the columns COLUMNS.

    NaN where a record has no costs, or no latency. Raises UserError for a damaged file.
    """
    lines = []
    for row, task, seed, folder in runs:
        path = folder / records.COSTS
        costs = records.read_json(path) if path.exists() else {}
        seconds = _number(folder / records.STATUS, records.read_json(folder / records.STATUS), ("seconds",))
        measured = {column: _number(path, costs, keys) for column, keys in MEASURED.items()}
        lines.append({"row": row, "task": task, "seed": seed, "name": folder.name, "seconds": seconds, **measured})
    found = pd.DataFrame(lines, columns=list(COLUMNS))
    return found.astype(dict.fromkeys(("seconds", *MEASURED), float))


def _number(path: Path, value: Any, keys: tuple[str, ...]) -> float | None:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    if value is not None and not isinstance(value, int | float):
        raise UserError(f"{path}: {'.'.join(keys)} should be a number, found {value!r}; the file is damaged")
    return value


def tables(found: pd.DataFrame) -> list[Table]:
    """Means over the runs of each family and row; none when no run has costs. Shares are of what a dense one needs."""
    found = found.dropna(subset=["parameters"])
    if found.empty:
        return []
    family = found["task"].str.partition("/")[0]
    header = [
        "family", "method", "parameters", "kept", "dense kB", "compact kB", "MAdds, million", "sparse",
        "cleaned", "training PFLOP", "ideal", "hours", "JAX µs", "ONNX µs", "runner µs", "runner p95", "runs",
    ]  # fmt: skip
    body = []
    for (name, row), part in found.groupby([family, "row"], sort=False):
        m = part.drop(columns=["row", "task", "name"]).mean()
        body.append(
            [
                name,
                row,
                _text(m["parameters"], ",.0f"),
                _text(m["kept"] / m["parameters"], ".3f"),
                _text(m["bytes_dense"] / 1e3, ",.0f"),
                _text(m["bytes_compact"] / 1e3, ",.0f"),
                _text(m["multiply_adds_dense"] / 1e6, ".3g"),
                _text(m["multiply_adds_sparse"] / m["multiply_adds_dense"], ".3f"),
                _text(m["multiply_adds_cleaned_dense"] / m["multiply_adds_dense"], ".3f"),
                _text(m["training_executed"] / 1e15, ".3g"),
                _text(m["training_ideal"] / m["training_executed"], ".3f"),
                _text(m["seconds"] / 3600, ".2f"),
                *(_text(m[way], ",.0f") for way in ("jax_median", "onnxruntime_median", "runner_median", "runner_p95")),
                str(len(part)),
            ]
        )
    title = (
        "Costs: kept weights, bytes on disk, multiply-adds of one action (dense; sparse and cleaned up as shares),"
        " operations of training (executed; ideal as a share), microseconds an action (medians; batch 1, one thread)"
    )
    return [Table(title, header, body, words=2)]


def _text(value: float, form: str) -> str:
    return NONE if pd.isna(value) else format(value, form)
