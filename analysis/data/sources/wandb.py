"""Runs of this benchmark on W&B -> runs: a project over the network, or the .wandb files of offline runs.

W&B has a record's configuration and rows under other names (suite.tracking.tracker). Its copy may lack the last rows of
a run that was killed, so a record is preferable. The package `wandb` is imported for a project only.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from analysis.data.runs import FAILED, FINISHED, UNFINISHED, Run
from analysis.data.sources import runfolder
from analysis.data.sources.names import NOT_ENDED
from suite.errors import UserError
from suite.record import schema

PREFIX = "wandb:"
WORKERS = 4  # each waits for a process of its own


class Updates(BaseModel):
    """Options of a run that W&B received at once."""

    update: dict[str, Any] = {}


class Start(BaseModel):
    """The content of an entry with options of the run; a file may hold several, which add to each other."""

    config: Updates = Updates()


class History(BaseModel):
    """The content of an entry with a row that the run logged."""

    item: dict[str, Any]  # metric -> value


class Exit(BaseModel):
    """The content of the entry that ends a run. The exit code is 0 if the run ended well."""

    exit_code: int = 0


class LogEntry(BaseModel):
    """An entry of a .wandb file, as `wandb leet inspect --json` prints it. There are other types too."""

    type: str
    run: Start | None = None
    history: History | None = None
    exit: Exit | None = None


class Download(NamedTuple):
    """A run on W&B. `rows` is empty for a run of another program."""

    id: str
    name: str
    state: str
    config: Mapping[str, Any]
    rows: list[dict[str, Any]]

    @property
    def is_ours(self) -> bool:
        """Whether this benchmark made the run: its configuration names the version of a schema."""
        return "schema" in self.config


def project(place: str) -> tuple[list[Run], list[str]]:
    """Return all runs of the project "wandb:entity/project" with their complete histories, and notes on other runs.

    Raises UserError if W&B does not answer, or if there is no run of this benchmark.
    """
    path = place.removeprefix(PREFIX)
    if path.count("/") != 1 or not all(path.split("/")):
        raise UserError(f"{place}: a W&B project is named wandb:entity/project")
    found, notes = [], []
    for each in _downloads(place, path):
        if not each.is_ours:
            notes.append(f"The run {each.name} of {place} was left out: this benchmark did not make it.")
            continue
        status = FINISHED if each.state == FINISHED else "running" if each.state in NOT_ENDED else FAILED
        found.append(_run(f"{place}/{each.id}", each.config, each.rows, status, f"W&B calls it {each.state}"))
    if not found:
        raise UserError(f"{place}: holds no run of this benchmark")
    return _once(found, notes, place), notes


def _downloads(place: str, path: str) -> Iterator[Download]:
    """Download the runs of a project one by one. Raises UserError for any error of W&B's client."""
    import wandb  # optional: no other source needs it

    try:
        for each in wandb.Api().runs(path):
            found = Download(each.id, each.name, each.state, each.config, [])
            yield found._replace(rows=list(each.scan_history())) if found.is_ours else found  # .history() is a sample
    except Exception as error:  # network, key, project: the client raises errors of many types
        raise UserError(f"{place}: cannot be read from W&B ({_one_line(error)})") from None


def _once(found: Iterable[Run], notes: list[str], place: str) -> list[Run]:
    """Keep the most complete copy of each run, and note the others: a sweep copies runs that finished before it."""
    best: dict[str, Run] = {}
    for run in found:
        if run.name in best:
            notes.append(f"The run {run.name} is in {place} more than once; the most complete one was taken.")
        best[run.name] = max(best.get(run.name, run), run, key=lambda r: (r.status == FINISHED, len(r.history)))
    return list(best.values())


def offline(place: Path) -> tuple[list[Run], list[str]]:
    """Return the runs in the .wandb files below a folder, and notes on other programs' runs and unreadable folders.

    Raises UserError if W&B cannot read a file, or if there is no run of this benchmark.
    """
    found: list[Run] = []
    notes: list[str] = []
    paths = sorted(files_below(place, notes))
    with ThreadPoolExecutor(WORKERS) as pool:
        for path, entries in zip(paths, pool.map(_entries, paths), strict=True):
            config: dict[str, Any] = {}
            for entry in entries:
                if entry.run:
                    config |= entry.run.config.update
            if "schema" not in config:
                notes.append(f"{path} holds no run of this benchmark and was left out.")
                continue
            rows = [entry.history.item for entry in entries if entry.history]
            exits = [entry.exit.exit_code for entry in entries if entry.exit]
            status = "running" if not exits else FAILED if exits[-1] else FINISHED
            found.append(_run(path, config, rows, status, f"it ended with exit code {exits[-1] if exits else None}"))
    if not found:
        raise UserError(f"{place}: holds no run of this benchmark")
    return found, notes


def files_below(place: Path, notes: list[str]) -> Iterator[Path]:
    """Yield the .wandb files below a folder. Folders that cannot be read are added to the notes."""

    def note(error: OSError) -> None:
        if Path(error.filename) != place:
            notes.append(f"The folder {error.filename} cannot be read ({error.strerror}) and was left out.")

    for folder, _, names in os.walk(place, onerror=note):
        yield from (Path(folder, name) for name in names if name.endswith(".wandb"))


def _entries(path: Path) -> list[LogEntry]:
    """Read the entries of a .wandb file with W&B's own program. Raises UserError if that fails."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise UserError(f"{path}: W&B cannot read it ({said[-1]})")
    try:
        return [LogEntry.model_validate_json(line) for line in done.stdout.splitlines()]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "an entry"
        raise UserError(f"{path}: W&B cannot read it ({where}: {first['msg']})") from None


def _run(where: object, config: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], status: str, why: str) -> Run:
    """Make a run of what W&B holds. `status` is what W&B says: finished, failed or running."""
    own = [row for line in rows for row in _rows(line)]
    run = runfolder.build(str(config.get("name") or where), where, config, where, own, "wandb")
    if status == FINISHED and not runfolder.is_complete(run):
        asked = run.options["trainer.epochs"]
        return replace(run, status=UNFINISHED, reason=f"W&B holds {len(run.history)} of {asked} epochs")
    if status == FINISHED:
        return replace(run, status=FINISHED, reason="")
    return replace(run, status=FAILED, reason=why) if status == FAILED else run


def _rows(line: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """Turn one of W&B's rows into a record's: {"epoch/return": 1.0} -> {"kind": "epoch", "return": 1.0}."""
    for kind in ("epoch", "evaluation"):
        if f"{kind}/epoch" in line:
            row = {clock: line.get(clock) for clock in schema.CLOCKS}
            row |= {column: line.get(f"{kind}/{column}") for column in schema.ROWS[kind]}
            yield {"kind": kind, **{key: _whole(value) for key, value in row.items()}}


def _whole(value: Any) -> Any:
    """Return a whole number as an int, as W&B may give counts back as 1.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
