"""Runs the cells of a grid on this machine, in worker processes."""

import fcntl
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from suite import records
from suite.errors import UserError
from sweeps.engines import workers
from sweeps.engines.cells import (
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
    look_up,
)
from sweeps.engines.watch import watch

COMMAND = (sys.executable, "-m", "sweeps.run")
LOG, LOCK = "log.txt", ".lock"
TICK = 0.2  # seconds between two looks at the workers
#: Exit codes of a worker that somebody else asked to end, perhaps before it could listen.
ASKED_TO_END = (records.RESUMABLE, -signal.SIGTERM, -signal.SIGUSR2)
LAST_LINES = 3  # of a failed worker's log that are shown


class Worker(NamedTuple):
    cell: Cell
    process: workers.Process
    log_start: int  # where this attempt's part of the log begins, bytes


def engine(plan: Plan) -> int:
    """Run a plan to its end."""
    return run(plan.works, plan.folder, plan.jobs)


def run(
    works: Sequence[Work],
    root: Path,
    jobs: int,
    *,
    shared: bool = False,
    command: Sequence[str] = COMMAND,
    console: Console | None = None,
) -> int:
    """Run what is not finished yet, `jobs` cells at a time, in the given order.

    Each cell is `command` with the cell's arguments and --folder=`root`; it writes its record to
    <root>/<name>, and what it prints goes to log.txt there. In a `shared` folder other engines run other cells.
    Returns OK, SOME_FAILED or INTERRUPTED. Raises UserError when a record is damaged, a folder cannot be written, or
    another sweep is running there.
    """
    root = root.resolve()  # workers start in the project's folder
    cells = look_up(works, root)
    waiting = deque(cell for cell in cells if cell.state == WAITING)
    running: dict[int, Worker] = {}  # by slot
    with (
        nullcontext() if shared else alone(root),
        _signals() as signals,
        watch(cells, console or Console(highlight=False)) as display,
    ):
        try:
            while (waiting or running) and not signals:
                for slot in sorted(set(range(jobs)) - set(running))[: len(waiting)]:
                    running[slot] = _start(waiting.popleft(), command, root, slot, jobs)
                time.sleep(TICK)
                for slot, worker in list(running.items()):
                    worker.cell.refresh()
                    if worker.process.poll() is not None:
                        del running[slot]
                        _end(worker)
                        if worker.cell.state == WAITING:
                            waiting.append(worker.cell)
                        display.ended(worker.cell)
                display.update()
        finally:
            if signals:
                display.say(f"stopping {len(running)} run(s) ...")
            workers.stop(
                [worker.process for worker in running.values()], hurry=lambda: signals.count(signal.SIGINT) > 1
            )
            for worker in running.values():
                worker.cell.state = WAITING  # a folder without a status is run again
    if signals:
        return INTERRUPTED
    return SOME_FAILED if any(cell.state == FAILED for cell in cells) else OK


def _start(cell: Cell, command: Sequence[str], root: Path, slot: int, jobs: int) -> Worker:
    arguments = [*cell.work.arguments, f"--folder={root}"]
    try:
        cell.folder.mkdir(parents=True, exist_ok=True)
        with (cell.folder / LOG).open("ab") as log:  # an earlier attempt's words stay
            log_start = log.tell()
            share, gpu = workers.share(slot, jobs), workers.accelerator(slot, jobs)
            process = workers.start([*command, *arguments], share, log, gpu)
    except OSError as error:
        raise UserError(f"{cell.folder}: a run cannot be started there ({error.strerror})") from None
    cell.state, cell.started, cell.progress = RUNNING, time.time(), {}
    return Worker(cell, process, log_start)


def _end(worker: Worker) -> None:
    """Judge a worker that has ended: finished is what left with 0 and a record that says so, and is complete."""
    cell, code = worker.cell, worker.process.returncode
    if code in ASKED_TO_END:
        cell.state = WAITING
        return
    try:
        finished = code == 0 and records.is_finished(cell.folder)
    except UserError:
        finished = False
    cell.state = FINISHED if finished else FAILED
    cell.refresh()
    if not finished:
        workers.kill_group(worker.process)  # a crashed worker's helpers
        cell.report = f"{_reason(code)}\n{_last_lines(cell.folder / LOG, worker.log_start)}".strip()


def _reason(code: int) -> str:
    if code == 0:
        return "exit code 0, but its record does not say finished"
    if code == -signal.SIGKILL:
        return "killed by SIGKILL (out of memory, if nobody did it by hand)"
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


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
def alone(root: Path) -> Iterator[None]:
    """Holds the folder for one engine at a time. Raises UserError when another one has it or it cannot be written."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = (root / LOCK).open("w")
    except OSError as error:
        raise UserError(f"{root}: cannot be written ({error.strerror})") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # gone with the process, however it ends
        except BlockingIOError:
            raise UserError(f"{root}: another sweep is running there; wait for it or choose another folder") from None
        yield


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collects the signals that ask us to end, instead of ending: Ctrl-C, kill, a closed terminal, SLURM's notice."""
    received: list[int] = []
    asked = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2]
    before = {number: signal.signal(number, lambda number, _: received.append(number)) for number in asked}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
