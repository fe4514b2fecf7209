"""Runs the cells of a grid as a W&B sweep: W&B gives them out, and its own agents here take them.

A run that is finished in the folder ends at once, and W&B gets its rows from the record. An agent on another machine
joins by `wandb agent`, or by this engine with the sweep's name.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from suite.errors import UserError, one_line, writing
from suite.program import terminal
from suite.publish.upload import check_key, entity_of
from suite.record import schema, sweepfile, yamlfile
from sweeps import grid
from sweeps.engines import local, workers
from sweeps.engines.cells import FAILED, FINISHED, INTERRUPTED, OK, RUNNING, SOME_FAILED, Cell, Plan, look_up
from sweeps.engines.watch import Display, watch

FOLDER, LOG = ".wandb", "agent-{}.log"  # the agents' own, in the sweep's folder
SWEEP = "sweep.json"  # there: the sweep that was registered, and as what
GIVES_OUT = ("PENDING", "RUNNING", "PAUSED")  # states of a sweep that may have cells left


def engine(
    plan: Plan,
    *,
    sweep: Annotated[
        str | None,
        Field(description="entity/project/id of a sweep to join; none: the file's own, which is registered if need be"),
    ] = None,
) -> int:
    """Start agents for a plan and wait for them. Raises UserError when W&B takes no sweep, or there is no key."""
    check_key()
    path = sweep or own(plan)
    if path.count("/") != 2 or not all(path.split("/")):
        raise UserError(f"wandb.sweep={path}: should be entity/project/id, as `wandb sweep` prints it")
    print(f"to join from another machine: {Path(sys.executable).with_name('wandb')} agent {path}", flush=True)
    root = plan.folder.resolve()
    with writing(root):
        (root / FOLDER).mkdir(parents=True, exist_ok=True)
    cells = look_up(plan.works, root)
    with local.asked_to_end() as signals, watch(cells, terminal.console()) as display:
        agents = [_agent(path, root, slot, plan.jobs) for slot in range(plan.jobs)]
        try:
            while any(agent.poll() is None for agent in agents) and not signals:
                time.sleep(local.LOOK)
                _look(cells, display)
                display.update()
        finally:
            workers.stop(agents, hurry=lambda: signals.count(signal.SIGINT) > 1)
        _look(cells, display)
    if signals:
        return INTERRUPTED
    if all(cell.state == FINISHED for cell in cells):
        return OK
    print(
        f"W&B has given out no more, and not all runs are finished here: {root}/{FOLDER}/{LOG.format('*')}, make status"
    )
    return SOME_FAILED


def _look(cells: Sequence[Cell], display: Display) -> None:
    """By their records: agents do not tell."""
    for cell in cells:
        if cell.state not in (FINISHED, FAILED):
            local.look(cell, display, RUNNING)


def own(plan: Plan) -> str:
    """The sweep of this file and folder, registered unless an earlier call's has cells left; -> entity/project/id."""
    note, document = plan.folder / FOLDER / SWEEP, _document(plan)
    text = json.dumps(document, default=str)
    known = schema.read_json(note) if note.exists() else {}
    if known.get("document") == text and _gives_out(known["path"]):
        print(f"going on with the sweep {known['path']}")
        return str(known["path"])
    path = register(plan.file, document)
    with writing(note):
        note.parent.mkdir(parents=True, exist_ok=True)
        schema.write_json(note, {"path": path, "document": text})
    return path


def _gives_out(path: str) -> bool:
    import wandb

    try:
        return wandb.Api().sweep(path).state in GIVES_OUT
    except Exception:  # it was deleted, or W&B does not answer: whoever registers another one will see
        return False


def _document(plan: Plan) -> dict[str, Any]:
    """The sweep file, whose runs go to the plan's folder. Nested parameters get their dotted names: W&B's agents would
    hand them over as one option."""
    folder = plan.folder.resolve()
    if folder.is_relative_to(workers.ROOT):
        folder = folder.relative_to(workers.ROOT)  # which is the same on other machines
    document = yamlfile.read(Path(plan.file))
    given = document["parameters"]
    flat = {name: given.get(name, {"values": values}) for name, values in sweepfile.choices(given).items()}
    return {**document, "command": grid.command(folder), "parameters": flat}


def register(file: str, document: dict[str, Any]) -> str:
    """A new sweep; -> entity/project/id."""
    import wandb

    try:
        name = wandb.sweep(document, entity=document.get("entity"), project=document.get("project"))
        api = wandb.Api()
        return f"{entity_of(api)}/{api.settings['project'] or 'uncategorized'}/{name}"  # which they are from now on
    except Exception as error:  # the network, the key, the project: many kinds, and none is a bug here
        raise UserError(f"{file}: W&B does not take it as a sweep ({one_line(error)})") from None


def _agent(path: str, root: Path, slot: int, jobs: int) -> workers.Process:
    """W&B's own agent, which finds this Python, and passes on what it is asked."""
    place = root / FOLDER
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = ["/usr/bin/env", f"PATH={search}", f"WANDB_DIR={place}"]
    command += [sys.executable, "-m", "wandb", "agent", "--forward-signals", path]
    with (place / LOG.format(slot)).open("ab") as log:
        return workers.start(command, workers.share(slot, jobs), log, workers.accelerator(slot, jobs))
