"""Runs the cells of a grid on this machine, in worker processes. Other engines may run cells of the same folder."""

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field
from rich.console import Console

from suite.errors import writing
from suite.program import signals, terminal
from suite.program.terminal import duration
from suite.record import schema
from sweeps.engines import workers
from sweeps.engines.cells import (
    ELSEWHERE,
    FAILED,
    FINISHED,
    INTERRUPTED,
    OK,
    RUNNING,
    SOME_FAILED,
    WAITING,
    Cell,
    Plan,
    Work,
    count,
    look_up,
)
from sweeps.engines.endings import ending
from sweeps.engines.watch import Display, watch

COMMAND = (sys.executable, "-m", "sweeps.run")
LOG = "log.txt"
TICK, LOOK = 0.2, 2.0  # seconds between two looks at the workers, and at what runs elsewhere
TRIES = 3
PAUSE = 1.0  # seconds before a run that has died is tried again; twice as many after each further death
#: Exit codes of a worker that somebody else asked to end, perhaps before it could listen.
ASKED_TO_END = (schema.RESUMABLE, -signal.SIGINT, -signal.SIGTERM, -signal.SIGUSR2)
LAST_LINES = 3  # of a failed worker's log that are shown


class Worker(NamedTuple):
    cell: Cell
    process: workers.Process
    log_start: int  # where this attempt's part of the log begins, bytes


def engine(
    plan: Plan,
    *,
    tries: Annotated[
        int, Field(ge=1, le=1_000, description="of a run whose process dies (killed, out of memory, crashed)")
    ] = TRIES,
) -> int:
    """Run a plan to its end."""
    code = run(plan.works, plan.folder, plan.jobs, tries=tries)
    if code == SOME_FAILED:
        print(f"some runs failed, see above and {plan.folder}/<run>/{LOG}")
    return code


def run(
    works: Sequence[Work],
    root: Path,
    jobs: int,
    *,
    tries: int = TRIES,
    command: Sequence[str] = COMMAND,
    console: Console | None = None,
) -> int:
    """Run what is not finished yet, `jobs` cells at a time, in the given order.

    Each cell is `command` with the cell's arguments and --folder=`root`; it writes its record to <root>/<name>, and
    what it prints goes to log.txt there. One whose process dies is tried again, `tries` times in all; one that another
    process works on is waited for. Returns OK, SOME_FAILED or INTERRUPTED. Raises UserError when a record is damaged
    or a folder cannot be written.
    """
    root = root.resolve()  # workers start in the project's folder
    cells = look_up(works, root)
    running: dict[int, Worker] = {}  # by slot
    looked = time.monotonic()
    with asked_to_end() as asked, watch(cells, console or terminal.console()) as display:
        try:
            while count(cells, WAITING) + count(cells, RUNNING) + count(cells, ELSEWHERE) and not asked:
                for slot in sorted(set(range(jobs)) - set(running)):
                    if cell := _next(cells, display):
                        running[slot] = _start(cell, command, root, slot, jobs)
                time.sleep(TICK)
                for slot, worker in list(running.items()):
                    worker.cell.refresh()
                    if worker.process.poll() is not None:
                        del running[slot]
                        _end(worker, tries)
                        display.ended(worker.cell)
                if time.monotonic() - looked > LOOK:
                    for cell in [cell for cell in cells if cell.state == ELSEWHERE]:
                        look(cell, display)
                    looked = time.monotonic()
                display.update()
        finally:
            if asked:
                display.say(f"stopping {len(running)} run(s) ...")
            workers.stop([worker.process for worker in running.values()], hurry=lambda: asked.count(signal.SIGINT) > 1)
            for worker in running.values():
                worker.cell.state = WAITING  # a folder without a status is run again
    if asked:
        return INTERRUPTED
    return SOME_FAILED if any(cell.state == FAILED for cell in cells) else OK


def _next(cells: Sequence[Cell], display: Display) -> Cell | None:
    """The first cell that is to be started now."""
    for cell in cells:
        if cell.state == WAITING and time.monotonic() >= cell.due:
            look(cell, display)
            if cell.state == WAITING:
                return cell
    return None


def look(cell: Cell, display: Display, held: str = ELSEWHERE) -> None:
    """See where a cell stands that is not our process; `held` is its state while another one has it."""
    cell.look(held)
    if cell.state in (FINISHED, FAILED):
        display.ended(cell)


def _start(cell: Cell, command: Sequence[str], root: Path, slot: int, jobs: int) -> Worker:
    arguments = [*cell.work.arguments, f"--folder={root}"]
    with writing(cell.folder):
        cell.folder.mkdir(parents=True, exist_ok=True)
        with (cell.folder / LOG).open("ab") as log:  # an earlier attempt's words stay
            log_start = log.tell()
            share, gpu = workers.share(slot, jobs), workers.accelerator(slot, jobs)
            process = workers.start([*command, *arguments], share, log, gpu)
    cell.state, cell.started, cell.progress = RUNNING, time.time(), {}
    return Worker(cell, process, log_start)


def _end(worker: Worker, tries: int) -> None:
    """Judge a worker that has ended. Finished is what left with 0 and a record that says so, and is complete; what bad
    input or training itself has ended would end so again; what died goes on from its checkpoint, after a pause."""
    cell, code = worker.cell, worker.process.returncode
    cell.refresh()
    cell.report = ""
    if code in ASKED_TO_END:  # somebody else asked it to end, or was there first
        cell.state = WAITING
        return
    if code == 0 and cell.says(FINISHED):
        cell.state = FINISHED
        return
    reason = ending(code) if code else "exit code 0, but its record does not say finished"
    workers.kill_group(worker.process)  # a crashed worker's helpers
    cell.deaths += 1
    if code == 2 or (code == 1 and cell.says(FAILED)) or cell.deaths >= tries:
        cell.state = FAILED
        tried = f", after {cell.deaths} tries" * (cell.deaths > 1)
        cell.report = f"{reason}{tried}\n{_last_lines(cell.folder / LOG, worker.log_start)}".strip()
        return
    pause = PAUSE * 2 ** (cell.deaths - 1)
    cell.state, cell.due = WAITING, time.monotonic() + pause
    cell.report = f"{reason}; it goes on in {duration(pause)}"


def _last_lines(log: Path, start: int) -> str:
    """The last lines of this attempt's log that are not empty."""
    try:
        with log.open("rb") as file:
            file.seek(max(start, log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join([line.rstrip() for line in lines if line.strip()][-LAST_LINES:])


@contextmanager
def asked_to_end() -> Iterator[list[int]]:
    """Collects the signals that ask us to end, instead of ending: Ctrl-C, kill, a closed terminal, SLURM's notice."""
    received: list[int] = []
    asked = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)
    with signals.handled(asked, lambda number, _: received.append(number)):
        yield received
