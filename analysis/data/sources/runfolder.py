"""Run folders -> runs. Only the record is read (config.json, metrics.jsonl, status.json; see suite.record.schema)."""

from collections.abc import Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.data.protocol import DISTRIBUTION, LAYERS
from analysis.data.runs import FAILED, FINISHED, UNFINISHED, Run, history
from analysis.processes import pool
from suite.errors import UserError
from suite.record import reader, schema
from suite.record.models import Config, validated
from suite.tasks import FAMILIES

LOSSES_OF_0_1 = {"squared": "half_mse"}  # version 0.1's name for half of the squared error
MANY = 500  # folders that are worth a second process


def load(root: Path, report: Path | None = None, processes: int = 1) -> tuple[list[Run], list[str]]:
    """Return the runs in the folders of `root`, by name, and a note for each folder that is no run or cannot be read.

    If `root` itself is a run folder, return its run. `report`, the folder that is written to, is not read. MANY run
    folders or more are read by so many `processes`.

    Raises UserError if there is no run at all, or a record is damaged or of another schema version.
    """
    if not root.is_dir():
        what = "no folder, and no .csv, .csv.gz or .json file" if root.exists() else "no such folder"
        raise UserError(f"{root}: {what}; it should hold one folder per run")
    if (root / schema.CONFIG).exists():
        return [read(root)], []
    folders = []
    inside, notes = schema.subfolders(root)
    for folder in inside:
        if report is not None and folder.resolve() == report.resolve():
            continue
        if (folder / schema.CONFIG).exists():
            folders.append(folder)
        elif any((folder / name).exists() for name in (schema.METRICS, schema.PROGRESS)):
            raise UserError(f"{folder}: holds a record without its {schema.CONFIG}; restore it or remove the folder")
        else:
            notes.append(f"The folder {folder.name} holds no {schema.CONFIG}: it is no run and was left out.")
    if not folders:
        raise UserError(f"{root}: holds no run (a folder with a {schema.CONFIG})")
    if len(folders) < MANY or processes == 1:
        return list(map(read, folders)), notes
    try:
        with pool(processes) as others:
            read_all = others.map(read, folders, chunksize=max(MANY // 10, 1)) if others else map(read, folders)
            return list(read_all), notes
    except BrokenProcessPool:
        raise UserError(f"{root}: a process ended while it read the runs (too little memory?)") from None


def read(folder: Path) -> Run:
    """Read one run folder. Raises UserError if its record is damaged or of another schema version."""
    path = folder / schema.METRICS
    config = reader.config(folder)
    stopped_early = not path.exists() and not (folder / schema.STATUS).exists()  # before its first row
    rows = [] if stopped_early else schema.read_rows(path, ("epoch", "evaluation"))
    run = _run_of(folder.name, config, path, rows, "records")
    status, reason = _status(folder, run)
    return replace(run, status=status, reason=reason, folder=folder)


def build(
    name: str, where: object, config: Mapping[str, Any], rows_from: object, rows: list[schema.Row], source: str
) -> Run:
    """Make a run, as one that is not finished, of a configuration and of rows that were not read from a record.

    Raises UserError, which names `where` or `rows_from`, if they do not fit the schema.
    """
    for row in rows:
        schema.check_row(row, str(rows_from))
    return _run_of(name, validated(Config, config, where), rows_from, rows, source)


def _run_of(name: str, config: Config, rows_from: object, rows: list[schema.Row], source: str) -> Run:
    """Make a run, as one that is not finished, of a record's configuration and rows."""
    options = flatten(config.options) | ({"agent": config.agent} if config.agent else {})
    epochs = history_of(rows_from, rows)
    done, total = int(epochs["agent_step"].iloc[-1]) if len(epochs) else 0, config.total_agent_steps
    return Run(
        name=name,
        task=config.task,
        method=config.method,
        seed=config.seed,
        options=options,
        versions=dict[str, Any](config.versions),
        status=UNFINISHED,
        reason=f"last epoch at agent step {done:,}" + (f" of {total:,}" if total is not None else ""),
        source=source,
        protocol=protocol(config.task, options, config.versions, prunes=_prunes(epochs)),
        agent_steps=total,
        history=epochs,
    )


def _prunes(epochs: pd.DataFrame) -> bool:
    """Return whether a network ever had a sparsity above 0."""
    return bool((epochs[["sparsity", "actor_sparsity"]] > 0).to_numpy().any())


def protocol(task: str, options: Mapping[str, Any], versions: Mapping[str, str | None], prunes: bool) -> str:
    """Describe what the returns of a run depend on besides the method: environment, physics, length of an epoch, agent,
    loss and, if the run prunes, how layers share a sparsity."""
    name = task.partition("/")[0]
    family = FAMILIES.get(name)
    parts = [family.simulator if family else name]
    if family and family.physics:
        parts.append(f"{family.physics} {versions.get(family.physics, 'of unknown version')}")
    for key, value in sorted(options.items()):
        if key.startswith("environment."):
            # W&B gives 1.0 back as 1.
            whole = isinstance(value, float) and value.is_integer()
            parts.append(f"{key.partition('.')[2]}={int(value) if whole else value}")
    if isinstance(length := options.get("trainer.epoch_agent_steps"), int):
        parts.append(f"epochs of {length:,} agent steps")
    if "agent" in options:  # recorded if it is not the task's default
        parts.append(f"agent {options['agent']}")
    if "agent.loss" in options:
        parts.append(f"loss {LOSSES_OF_0_1.get(options['agent.loss'], options['agent.loss'])}")
    layers = options.get(DISTRIBUTION, "none")
    return ", ".join(parts) + (f"{LAYERS}{layers or 'default of 0.1'}" if prunes and layers != "none" else "")


def history_of(where: object, rows: Sequence[schema.Row]) -> pd.DataFrame:
    """Make the history of a record's rows. Raises UserError, which names `where`, if they cannot be those of a run."""
    epochs = [row for row in rows if row["kind"] == "epoch"]
    numbers = [row["epoch"] for row in epochs]
    if numbers != list(range(1, len(epochs) + 1)):
        raise UserError(
            f"{where}: the epochs should be numbered 1, 2, 3 and so on, found {numbers}; the file is damaged"
        )
    evaluated = {row["epoch"]: row["return"] for row in rows if row["kind"] == "evaluation"}
    numbers = [row["epoch"] for row in rows if row["kind"] == "evaluation"]
    if numbers != sorted(set(numbers)):
        raise UserError(f"{where}: one evaluation an epoch is expected, found those of {numbers}; the file is damaged")
    return history({**row, "evaluation_return": evaluated.get(row["epoch"])} for row in epochs)


def _status(folder: Path, run: Run) -> tuple[str, str]:
    """Return (status, reason). Raises UserError if a record says "finished" and lacks epochs or has other files."""
    ended = reader.status(folder)
    if ended is None:
        return run.status, run.reason
    if ended.status == FAILED:
        return FAILED, " ".join((ended.error or "no error was recorded").split())
    for name in reader.changed(folder, ended, (schema.CONFIG, schema.METRICS)):
        raise UserError(f"{folder / name}: is not what the finished run left; the file is damaged")
    metrics = folder / schema.METRICS
    if not metrics.read_bytes().endswith(b"\n"):
        raise UserError(f"{metrics}: the run is finished, but the last line is cut; the file is damaged")
    if not is_complete(run):
        asked = run.options["trainer.epochs"]
        raise UserError(f"{metrics}: the run is finished, but {len(run.history)} of {asked} epochs are there")
    return FINISHED, ""


def is_complete(run: Run) -> bool:
    """Return whether all epochs are there; True if it is not known how many there should be."""
    asked = run.options.get("trainer.epochs")
    return not isinstance(asked, int) or asked == len(run.history)


def flatten(options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Join the keys of nested options with dots: {"agent": {"width": 32}} -> {"agent.width": 32}."""
    flat: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
