"""Run folders -> runs, and runs -> one tidy frame with a row an epoch.

Only the record is read (config.json, metrics.jsonl, status.json; see suite.records), never W&B.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from suite import records
from suite.errors import UserError

FINISHED, FAILED, UNFINISHED = "finished", "failed", "unfinished"

#: Columns of the tidy frame. `row` is the row of the table a run belongs to: its method, and the swept options if any.
COLUMNS = (
    "row", "method", "task", "seed", "name", "status", "epoch", "agent_step", "frame",
    "gradient_step", "return", "episodes", "sparsity", "seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One run folder. `options` is flat ("agent.width"); `epochs` are its epoch rows, in order; `reason` says what is
    wrong with a run that is not finished."""

    name: str  # of the folder
    task: str
    method: str
    seed: int
    options: dict[str, Any]
    versions: dict[str, str]
    status: str
    reason: str
    epochs: tuple[dict[str, Any], ...]

    def final(self, column: str) -> float | None:
        """The value in the last epoch; None when there is no number."""
        value = self.epochs[-1].get(column) if self.epochs else None
        return None if value is None else float(value)


def load(root: Path, report: Path | None = None) -> tuple[list[Run], list[str]]:
    """The runs in the folders of `root`, by name, and a note for each folder that is no run. `report`, the folder that
    is written to, is not looked at.

    Raises UserError when there is no run at all, or a record is damaged or of another schema version.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; it should hold one folder a run")
    found, notes = [], []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        if report is not None and folder.resolve() == report.resolve():
            continue
        if (folder / records.CONFIG).exists():
            found.append(read(folder))
        elif any((folder / name).exists() for name in (records.METRICS, records.STATUS, records.PROGRESS)):
            raise UserError(f"{folder}: holds a record without its {records.CONFIG}; restore it or remove the folder")
        else:
            notes.append(f"The folder {folder.name} holds no {records.CONFIG}: it is no run and was left out.")
    if not found:
        raise UserError(f"{root}: holds no run (a folder with a {records.CONFIG})")
    return found, notes


def read(folder: Path) -> Run:
    """One run folder. Raises UserError when the record is damaged."""
    config = records.read_json(folder / records.CONFIG)
    if config.get("schema") != records.SCHEMA:
        raise UserError(
            f"{folder / records.CONFIG}: schema version {config.get('schema')!r},"
            f" but this program reads version {records.SCHEMA}"
        )
    kinds = {"task": str, "method": str, "seed": int, "options": dict, "versions": dict}
    for key, kind in kinds.items():
        if not isinstance(config.get(key), kind):
            raise UserError(
                f"{folder / records.CONFIG}: {key!r} should be of type {kind.__name__}, found {config.get(key)!r}"
            )
    epochs = _epochs(folder)
    options = flatten(config["options"])
    status, reason = _status(folder, epochs, options, config.get("total_agent_steps"))
    return Run(
        folder.name,
        config["task"],
        config["method"],
        config["seed"],
        options,
        config["versions"],
        status,
        reason,
        epochs,
    )


def _epochs(folder: Path) -> tuple[dict[str, Any], ...]:
    path = folder / records.METRICS
    if not path.exists() and not (folder / records.STATUS).exists():
        return ()  # stopped before its first row
    rows = [row for row in records.read_rows(path) if row["kind"] == "epoch"]
    for row in rows:
        for key in ("epoch", "agent_step"):
            if not isinstance(row.get(key), int):
                raise UserError(f"{path}: an epoch row with {key!r} = {row.get(key)!r}; the file is damaged")
        for key in ("return", "sparsity"):
            if key not in row or not isinstance(row[key], int | float | None):
                raise UserError(f"{path}: epoch {row['epoch']} has no valid {key!r}; the file is damaged")
    numbers = [row["epoch"] for row in rows]
    if numbers != list(range(1, len(rows) + 1)):
        raise UserError(
            f"{path}: the epochs should be numbered 1, 2, 3 and so on, found {numbers}; the file is damaged"
        )
    return tuple(rows)


def _status(
    folder: Path, epochs: tuple[dict[str, Any], ...], options: Mapping[str, Any], total: int | None
) -> tuple[str, str]:
    """(status, reason). A record that says "finished" has to hold all its epochs."""
    path = folder / records.STATUS
    if not path.exists():
        done = epochs[-1]["agent_step"] if epochs else 0
        return UNFINISHED, f"last epoch at agent step {done:,}" + (f" of {total:,}" if isinstance(total, int) else "")
    state = records.read_json(path)
    if state.get("status") == FAILED:
        return FAILED, " ".join(str(state.get("error") or "no error was recorded").split())
    if state.get("status") != FINISHED:
        raise UserError(f"{path}: the status should be finished or failed, found {state.get('status')!r}")
    if not (folder / records.METRICS).read_bytes().endswith(b"\n"):
        raise UserError(
            f"{folder / records.METRICS}: the run is finished, but the last line is cut; the file is damaged"
        )
    asked = options.get("trainer.epochs")
    if isinstance(asked, int) and asked != len(epochs):
        raise UserError(
            f"{folder / records.METRICS}: the run is finished, but {len(epochs)} of {asked} epochs are there"
        )
    return FINISHED, ""


def flatten(options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"agent": {"width": 32}} -> {"agent.width": 32}."""
    flat: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def tidy(rows: Iterable[tuple[str, Run]]) -> pd.DataFrame:
    """(row of the table, run) pairs -> one frame with a line an epoch and the columns COLUMNS."""
    lines = [
        {
            "row": row, "method": run.method, "task": run.task, "seed": run.seed,
            "name": run.name, "status": run.status,
            **{column: epoch.get(column) for column in COLUMNS[6:]},
        }
        for row, run in rows
        for epoch in run.epochs
    ]  # fmt: skip
    frame = pd.DataFrame(lines, columns=list(COLUMNS))
    return frame.astype({"return": float, "sparsity": float, "seconds": float})
