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

#: Which rows of a record its returns are taken from, and what the last of them is.
RETURNS = {
    "training": "mean undiscounted training return over the episodes of the last epoch (no separate evaluation)",
    "evaluation": "mean undiscounted return over the episodes of the last evaluation (greedy actions, in an environment"
    " of its own)",
}

#: Columns of the tidy frame. `row` is the row of the table a run belongs to: its method, and the swept options if any.
COLUMNS = (
    "row", "method", "task", "seed", "name", "status", "epoch", "agent_step", "frame",
    "gradient_step", "return", "episodes", "sparsity", "actor_sparsity", "seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One run folder. `options` is flat ("agent.width"); `epochs` are its epoch rows, in order; `returns` the rows that
    hold its returns, the epochs or the evaluations; `reason` says what is wrong with a run that is not finished."""

    name: str  # of the folder
    task: str
    method: str
    seed: int
    options: dict[str, Any]
    versions: dict[str, str]
    status: str
    reason: str
    epochs: tuple[dict[str, Any], ...]
    returns: tuple[dict[str, Any], ...]

    def final(self, column: str) -> float | None:
        """The last return, or the value of another column in the last epoch; None when there is no number."""
        rows = self.returns if column == "return" else self.epochs
        value = rows[-1].get(column) if rows else None
        return None if value is None else float(value)


def load(root: Path, report: Path | None = None, which: str = "training") -> tuple[list[Run], list[str]]:
    """The runs in the folders of `root`, by name, and a note for each folder that is no run. `report`, the folder that
    is written to, is not looked at; `which` returns are taken is a key of RETURNS.

    Raises UserError when there is no run at all, or a record is damaged or of another schema version, or a finished
    run has no such returns.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; it should hold one folder a run")
    found, notes = [], []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        if report is not None and folder.resolve() == report.resolve():
            continue
        if (folder / records.CONFIG).exists():
            found.append(read(folder, which))
        elif any((folder / name).exists() for name in (records.METRICS, records.STATUS, records.PROGRESS)):
            raise UserError(f"{folder}: holds a record without its {records.CONFIG}; restore it or remove the folder")
        else:
            notes.append(f"The folder {folder.name} holds no {records.CONFIG}: it is no run and was left out.")
    if not found:
        raise UserError(f"{root}: holds no run (a folder with a {records.CONFIG})")
    return found, notes


def read(folder: Path, which: str = "training") -> Run:
    """One run folder. Raises UserError as `load` does."""
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
    rows = _rows(folder)
    epochs = _epochs(folder / records.METRICS, rows)
    evaluations = _evaluations(folder / records.METRICS, rows)
    options = flatten(config["options"])
    status, reason = _status(folder, epochs, options, config.get("total_agent_steps"))
    if which == "evaluation" and status == FINISHED and not evaluations:
        raise UserError(
            f"{folder}: holds no evaluation to take the return from; take --return training, or run it with"
            " trainer.evaluation_episodes of 1 or more"
        )
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
        evaluations if which == "evaluation" else epochs,
    )


def _rows(folder: Path) -> list[dict[str, Any]]:
    path = folder / records.METRICS
    if not path.exists() and not (folder / records.STATUS).exists():
        return []  # stopped before its first row
    return records.read_rows(path)


def _epochs(path: Path, rows: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    epochs = _checked(path, rows, "epoch", ("return", "sparsity", "actor_sparsity"))
    numbers = [row["epoch"] for row in epochs]
    if numbers != list(range(1, len(epochs) + 1)):
        raise UserError(
            f"{path}: the epochs should be numbered 1, 2, 3 and so on, found {numbers}; the file is damaged"
        )
    return epochs


def _evaluations(path: Path, rows: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    evaluations = _checked(path, rows, "evaluation", ("return",))
    numbers = [row["epoch"] for row in evaluations]
    if numbers != sorted(set(numbers)):
        raise UserError(f"{path}: one evaluation an epoch is expected, found those of {numbers}; the file is damaged")
    return evaluations


def _checked(path: Path, rows: list[dict[str, Any]], kind: str, columns: tuple[str, ...]) -> tuple[dict[str, Any], ...]:
    """The rows of a kind, in each of which `columns` hold a number or null."""
    chosen = tuple(row for row in rows if row["kind"] == kind)
    for row in chosen:
        for key in ("epoch", "agent_step"):
            if not isinstance(row.get(key), int):
                raise UserError(f"{path}: a row of kind {kind} with {key!r} = {row.get(key)!r}; the file is damaged")
        for key in columns:
            if key not in row or not isinstance(row[key], int | float | None):
                raise UserError(f"{path}: {kind} {row['epoch']} has no valid {key!r}; the file is damaged")
    return chosen


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
    """(row of the table, run) pairs -> one frame with a line an epoch and the columns COLUMNS.

    `return` and `episodes` are those of the run's `returns` in this epoch.
    """
    lines = []
    for row, run in rows:
        returns = {line["epoch"]: line for line in run.returns}
        named = {"row": row, "method": run.method, "task": run.task, "seed": run.seed}
        named |= {"name": run.name, "status": run.status}
        for epoch in run.epochs:
            measured = {key: returns.get(epoch["epoch"], {}).get(key) for key in ("return", "episodes")}
            lines.append({**named, **epoch, **measured})
    frame = pd.DataFrame(lines, columns=list(COLUMNS))
    return frame.astype(dict.fromkeys(("return", "sparsity", "actor_sparsity", "seconds"), float))
