"""Run the cells of a grid as a W&B sweep: W&B assigns them to agents, some of which run on this machine.

A run that is finished in the folder ends at once, and W&B gets its rows from the record. An agent on another machine
joins by `wandb agent`, or by this engine with the sweep's name.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from suite.errors import UserError, one_line, writing
from suite.options import Options
from suite.program import extensions, terminal
from suite.publish.upload import check_key, entity_of
from suite.record import lock, schema, sweepfile, yamlfile
from suite.record.models import File, read
from sweeps import grid
from sweeps.engines import local, workers
from sweeps.engines.base import INTERRUPTED, OK, SOME_FAILED, Plan, Session
from sweeps.engines.cellstate import FAILED, FINISHED, RUNNING, CellState, read_states
from sweeps.engines.watch import Display, watch

HERE = True
FOLDER, LOG = ".wandb", "agent-{}.log"  # the agents' own, in the sweep's folder
SWEEP = "sweep.json"  # there
ACTIVE = ("PENDING", "RUNNING", "PAUSED")  # states of a sweep that may have cells left


class Registered(File):
    """sweep.json: the sweep that was registered, and as what."""

    path: str  # entity/project/id
    document: str  # the sweep file as JSON


class WandbOptions(Options):
    """Options of the engine wandb."""

    sweep: str | None = Field(
        None,
        description="entity/project/id of a sweep to join; none: the sweep of the file, registered if necessary",
    )


OPTIONS = WandbOptions


def check(options: WandbOptions) -> None:
    """Raise UserError when there is no key for W&B, or `sweep` is not of the form entity/project/id."""
    check_key()
    path = options.sweep
    if path and (path.count("/") != 2 or not all(path.split("/"))):
        raise UserError(f"wandb.sweep={path}: should be entity/project/id, as `wandb sweep` prints it")


def start(plan: Plan, options: WandbOptions) -> Session:
    """Join a sweep, or register the file's own; the session's `wait` starts the agents.

    Raises UserError when W&B refuses the sweep.
    """
    path = options.sweep or own(plan)
    modules = os.environ.get(extensions.VARIABLE)  # of --import
    agent = f"{extensions.VARIABLE}={modules} " * bool(modules) + str(Path(sys.executable).with_name("wandb"))
    print(f"to join from another machine: {agent} agent {path}", flush=True)
    root = plan.folder.resolve()
    with writing(root):
        (root / FOLDER).mkdir(parents=True, exist_ok=True)
    # W&B does not assign a failed run again. A sweep of our own is then registered anew, but not one that was joined.
    rerun = "the same command without --wandb.sweep (with make: without SWEEP)" if options.sweep else ""
    stop = "Ctrl-C stops; rerun the command to resume, finished runs are kept"
    return Session(stop, lambda: _wait(plan, path, root), rerun)


def states(folder: Path) -> Mapping[str, str]:
    """Return nothing: records and locks say all of what agents run in a folder."""
    return {}


def _wait(plan: Plan, path: str, root: Path) -> int:
    """Run agents until W&B assigns no more cells, and return the exit code."""
    cells = read_states(plan.works, root)
    signals: list[int] = []
    with local.asked_to_end(signals), watch(cells, terminal.console()) as display:
        agents = [_agent(path, root, slot, plan.jobs) for slot in range(plan.jobs)]
        try:
            while any(agent.poll() is None for agent in agents) and not signals:
                time.sleep(local.LOOK)
                _refresh(cells, display)
                display.update()
        finally:
            workers.stop(agents, hurry=lambda: signals.count(signal.SIGINT) > 1)
        _refresh(cells, display)
    if signals:
        return INTERRUPTED
    if all(cell.state == FINISHED for cell in cells):
        return OK
    logs = f"{root}/{FOLDER}/{LOG.format('*')}"
    print(f"W&B assigns no more cells, and not all runs are finished here: see {logs} and make status")
    return SOME_FAILED


def _refresh(cells: Sequence[CellState], display: Display) -> None:
    """Refresh the states from the records; agents do not report them."""
    for cell in cells:
        if cell.state not in (FINISHED, FAILED):
            local.refresh(cell, display, RUNNING)


def own(plan: Plan) -> str:
    """Return entity/project/id of the sweep of this file and folder: an earlier one that has cells left, or a new one.

    Raises UserError when W&B refuses, or does not say whether the earlier one has cells left, and Busy while another
    process asks the same.
    """
    note, document = plan.folder / FOLDER / SWEEP, _document(plan)
    text = json.dumps(document, default=str)
    with lock.hold(note.parent):  # processes that start together share one sweep
        known = read(Registered, note) if note.exists() else None
        if known and known.document == text and _is_active(known.path, note):
            print(f"resuming the sweep {known.path}")
            return known.path
        path = register(plan.file, document)
        with writing(note):
            schema.write_json(note, {"path": path, "document": text})
    return path


def _is_active(path: str, note: Path) -> bool:
    import wandb

    try:
        return wandb.Api().sweep(path).state in ACTIVE
    except Exception as error:  # many kinds; a second sweep of the same cells would be worse than another try
        if "Could not find sweep" in str(error):  # it was deleted
            return False
        new = f"try again, or remove {note} to register a new sweep"
        raise UserError(f"W&B does not say whether {path} has cells left ({one_line(error)}); {new}") from None


def _document(plan: Plan) -> dict[str, Any]:
    """Return the sweep file for W&B, with the plan's folder. Nested parameters get their dotted names: W&B's agents
    would pass them as one option."""
    folder = plan.folder.resolve()
    if folder.is_relative_to(workers.ROOT):
        folder = folder.relative_to(workers.ROOT)  # which is the same on other machines
    document = yamlfile.read(Path(plan.file))
    given = document["parameters"]
    flat = {name: given.get(name, {"values": values}) for name, values in sweepfile.choices(given).items()}
    return {**document, "command": grid.command(folder), "parameters": flat}


def register(file: str, document: dict[str, Any]) -> str:
    """Register a new sweep, and return its entity/project/id. Raises UserError, which names `file`, if that fails."""
    import wandb

    try:
        name = wandb.sweep(document, entity=document.get("entity"), project=document.get("project"))
        api = wandb.Api()
        return f"{entity_of(api)}/{api.settings['project'] or 'uncategorized'}/{name}"  # which they are from now on
    except Exception as error:  # the network, the key, the project: many kinds, and none is a bug here
        raise UserError(f"{file}: W&B does not register this sweep ({one_line(error)})") from None


def _agent(path: str, root: Path, slot: int, jobs: int) -> workers.Process:
    """Start W&B's own agent, which finds this Python and forwards signals."""
    place = root / FOLDER
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = ["/usr/bin/env", f"PATH={search}", f"WANDB_DIR={place}"]
    command += [sys.executable, "-m", "wandb", "agent", "--forward-signals", path]
    with (place / LOG.format(slot)).open("ab") as log:
        return workers.start(command, workers.share(slot, jobs), log, workers.accelerator(slot, jobs))
