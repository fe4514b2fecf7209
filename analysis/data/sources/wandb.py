"""Runs of this benchmark on W&B -> runs: a project over the network, or the .wandb files of offline runs.

W&B has a record's configuration and rows under names of its own (suite.tracking.tracker). Its copy may lack the last
rows of a run that was killed, so the record is to be preferred where there is one. The package `wandb` is imported for
a project only.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis.data.runs import FAILED, FINISHED, UNFINISHED, Run
from analysis.data.sources import runfolder
from suite.errors import UserError
from suite.record import schema

PREFIX = "wandb:"
GO_ON = ("running", "pending", "preempting", "preempted")  # what W&B calls a run that is not at its end
WORKERS = 4  # each waits for a process of its own


def project(place: str) -> tuple[list[Run], list[str]]:
    """All runs of the project "wandb:entity/project", their complete histories, and a note for those of other programs.

    Raises UserError when W&B does not answer, or there is no run of this benchmark.
    """
    import wandb  # also where W&B is installed, nothing else needs it

    path = place.removeprefix(PREFIX)
    if path.count("/") != 1 or not all(path.split("/")):
        raise UserError(f"{place}: a W&B project is named wandb:entity/project")
    found, notes = [], []
    try:
        for each in wandb.Api().runs(path):
            where = f"{place}/{each.id}"
            if "schema" not in each.config:
                notes.append(f"The run {each.name} of {place} is none of this benchmark and was left out.")
                continue
            rows = list(each.scan_history())  # run.history() would be a sample
            status = FINISHED if each.state == FINISHED else "running" if each.state in GO_ON else FAILED
            found.append(_run(where, each.config, rows, status, f"W&B calls it {each.state}"))
    except UserError:
        raise
    except Exception as error:  # the network, the key, the project: many kinds, and none is a bug here
        raise UserError(f"{place}: W&B does not give it ({_one_line(error)})") from None
    if not found:
        raise UserError(f"{place}: holds no run of this benchmark")
    return _once(found, notes, place), notes


def _once(found: Iterable[Run], notes: list[str], place: str) -> list[Run]:
    """Each run once, with a note: a sweep has a copy of its own of a run that was finished before."""
    best: dict[str, Run] = {}
    for run in found:
        if run.name in best:
            notes.append(f"The run {run.name} is in {place} more than once; the most complete one was taken.")
        best[run.name] = max(best.get(run.name, run), run, key=lambda r: (r.status == FINISHED, len(r.history)))
    return list(best.values())


def offline(place: Path) -> tuple[list[Run], list[str]]:
    """The runs in the .wandb files below a folder, and a note for those of other programs and for folders that cannot
    be read. Raises UserError."""
    found: list[Run] = []
    notes: list[str] = []
    paths = sorted(files_below(place, notes))
    with ThreadPoolExecutor(WORKERS) as pool:
        for path, lines in zip(paths, pool.map(_inspect, paths), strict=True):
            config: dict[str, Any] = {}
            rows, exit_code = [], None
            for line in lines:
                match line:
                    case {"type": "run", "run": {"config": {"update": update}}}:
                        config |= update
                    case {"type": "history", "history": {"item": item}}:
                        rows.append(item)
                    case {"type": "exit", "exit": ended}:
                        exit_code = ended.get("exit_code", 0)
            if "schema" not in config:
                notes.append(f"{path} holds no run of this benchmark and was left out.")
                continue
            status = "running" if exit_code is None else FAILED if exit_code else FINISHED
            found.append(_run(path, config, rows, status, f"it ended with exit code {exit_code}"))
    if not found:
        raise UserError(f"{place}: holds no run of this benchmark")
    return found, notes


def files_below(place: Path, notes: list[str]) -> Iterator[Path]:
    """The .wandb files below a folder. Folders that cannot be read are added to the notes."""

    def note(error: OSError) -> None:
        if Path(error.filename) != place:
            notes.append(f"The folder {error.filename} cannot be read ({error.strerror}) and was left out.")

    for folder, _, names in os.walk(place, onerror=note):
        yield from (Path(folder, name) for name in names if name.endswith(".wandb"))


def _inspect(path: Path) -> list[dict[str, Any]]:
    """The entries of a .wandb file, as W&B itself reads them."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    try:
        if done.returncode:
            raise ValueError
        return [json.loads(line) for line in done.stdout.splitlines()]
    except ValueError:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise UserError(f"{path}: W&B cannot read it ({said[-1]})") from None


def _run(where: object, config: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], status: str, why: str) -> Run:
    """`status` is what W&B says: finished, failed or running."""
    own = [row for line in rows for row in _rows(line)]
    run = runfolder.build(str(config.get("name") or where), where, config, where, own, "wandb")
    if status == FINISHED and not runfolder.is_complete(run):
        asked = run.options["trainer.epochs"]
        return replace(run, status=UNFINISHED, reason=f"W&B holds {len(run.history)} of {asked} epochs")
    if status == FINISHED:
        return replace(run, status=FINISHED, reason="")
    return replace(run, status=FAILED, reason=why) if status == FAILED else run


def _rows(line: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """One of W&B's rows as the record's: {"epoch/return": 1.0} -> {"kind": "epoch", "return": 1.0}."""
    for kind in ("epoch", "evaluation"):
        if f"{kind}/epoch" in line:
            row = {clock: line.get(clock) for clock in schema.CLOCKS}
            row |= {column: line.get(f"{kind}/{column}") for column in schema.ROWS[kind]}
            yield {"kind": kind, **{key: _whole(value) for key, value in row.items()}}


def _whole(value: Any) -> Any:
    """W&B may give counts back as 1.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
