"""Run the cells of a grid on this machine, in worker processes. Other engines may run cells of the same folder."""

import contextlib
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import Field
from rich.console import Console

from suite.errors import Busy, UserError, writing
from suite.options import Options
from suite.program import signals, terminal
from suite.program.terminal import counted, duration
from suite.record import lock, schema
from suite.record.models import Status, as_json
from sweeps.engines import workers
from sweeps.engines.base import INTERRUPTED, OK, SOME_FAILED, Plan, Session, Work
from sweeps.engines.cellstate import ELSEWHERE, FAILED, FINISHED, RUNNING, WAITING, CellState, count, read_states
from sweeps.engines.endings import ending
from sweeps.engines.watch import Display, watch

HERE = True
COMMAND = (sys.executable, "-m", "sweeps.run")
LOG = "log.txt"
TICK, LOOK = 0.2, 2.0  # seconds between two checks of the workers, and of what runs elsewhere
TRIES = 3
PAUSE = 1.0  # seconds before a run that died is retried; twice as many after each further death
#: Exit codes of a worker that another process asked to end, perhaps before its handlers were installed.
ASKED_TO_END = (schema.RESUMABLE, -signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGUSR2)
LAST_LINES = 3  # of a failed worker's log that are shown


class Worker(NamedTuple):
    """An attempt to run a cell, in a process on this machine."""

    cell: CellState
    process: workers.Process
    log_start: int  # where this attempt's part of the log begins, bytes


class LocalOptions(Options):
    """Options of the local engine."""

    tries: int = Field(
        TRIES, ge=1, le=1_000, description="starts of a run whose process dies (killed, out of memory, crashed)"
    )


OPTIONS = LocalOptions


def check(options: LocalOptions) -> None:
    """Accept all options: this machine is enough."""


def start(plan: Plan, options: LocalOptions) -> Session:
    """Prepare to run a plan; its workers start while it is waited for."""

    def wait() -> int:
        code = run(plan.works, plan.folder, plan.jobs, tries=options.tries)
        if code == SOME_FAILED:
            print(f"some runs failed, see above and {plan.folder}/<run>/{LOG}")
        return code

    return Session("Ctrl-C stops; rerun the command to resume, finished runs are kept", wait)


def states(folder: Path) -> Mapping[str, str]:
    """Return nothing: records and locks say all of what runs here."""
    return {}


def run(
    works: Sequence[Work],
    root: Path,
    jobs: int,
    *,
    tries: int = TRIES,
    command: Sequence[str] = COMMAND,
    console: Console | None = None,
    received: list[int] | None = None,
) -> int:
    """Run what is not finished yet, `jobs` cells at a time, in the given order.

    Each cell is `command` with the cell's arguments and --folder=`root`; it writes its record to <root>/<name>, and
    what it prints goes to log.txt there. A run whose process dies is retried, `tries` times in all; a run that another
    process has is waited for. Returns OK, SOME_FAILED or INTERRUPTED; `received` collects the signals that asked it to
    end. Raises UserError when a record is damaged or a folder cannot be written.
    """
    asked = [] if received is None else received
    root = root.resolve()  # workers start in the project's folder
    cells = read_states(works, root)
    running: dict[int, Worker] = {}  # by slot
    looked = time.monotonic()
    with asked_to_end(asked), watch(cells, console or terminal.console()) as display:
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
                        refresh(cell, display)
                    looked = time.monotonic()
                display.update()
        finally:
            if asked:
                display.say(f"stopping {counted(len(running), 'run')} ...")
            workers.stop([worker.process for worker in running.values()], hurry=lambda: asked.count(signal.SIGINT) > 1)
            for worker in running.values():
                worker.cell.state = WAITING  # a folder without a status is run again
    if asked:
        return INTERRUPTED
    return SOME_FAILED if any(cell.state == FAILED for cell in cells) else OK


def _next(cells: Sequence[CellState], display: Display) -> CellState | None:
    """Return the first cell to start now."""
    for cell in cells:
        if cell.state == WAITING and time.monotonic() >= cell.start_at:
            refresh(cell, display)
            if cell.state == WAITING:
                return cell
    return None


def refresh(cell: CellState, display: Display, locked: str = ELSEWHERE) -> None:
    """Refresh the state of a cell that is not our process; `locked` is its state while another process has it."""
    cell.read(locked)
    if cell.state in (FINISHED, FAILED):
        display.ended(cell)


def _start(cell: CellState, command: Sequence[str], root: Path, slot: int, jobs: int) -> Worker:
    arguments = [*cell.work.arguments, f"--folder={root}"]
    with writing(cell.folder):
        cell.folder.mkdir(parents=True, exist_ok=True)
        with (cell.folder / LOG).open("ab") as log:  # after an earlier attempt's lines
            log_start = log.tell()
            share, gpu = workers.share(slot, jobs), workers.accelerator(slot, jobs)
            process = workers.start([*command, *arguments], share, log, gpu)
    cell.state, cell.started, cell.progress = RUNNING, time.time(), None
    return Worker(cell, process, log_start)


def _end(worker: Worker, tries: int) -> None:
    """Set the state of a cell whose worker has ended.

    It is finished if the exit code is 0 and the record is complete. A run that diverged or had bad input is not
    retried; a run that died is retried from its checkpoint, after a pause.
    """
    cell, code = worker.cell, worker.process.returncode
    cell.refresh()
    cell.report = ""
    if code in ASKED_TO_END:  # another process asked it to end, or has the run
        cell.state = WAITING
        return
    if code == 0 and cell.ending() == FINISHED:
        cell.state = FINISHED
        return
    reason = ending(code) if code else "exit code 0, but its record is not that of a finished run"
    workers.kill_group(worker.process)  # a crashed worker's helpers
    cell.deaths += 1
    if code == 2 or (code == 1 and cell.ending() == FAILED) or cell.deaths >= tries:
        cell.state = FAILED
        tried = f", after {cell.deaths} tries" * (cell.deaths > 1)
        cell.report = f"{reason}{tried}\n{_last_lines(cell.folder / LOG, worker.log_start)}".strip()
        _note_failure(cell)
        return
    pause = PAUSE * 2 ** (cell.deaths - 1)
    cell.state, cell.start_at = WAITING, time.monotonic() + pause
    cell.report = f"{reason}; it is retried in {duration(pause)}"


def _note_failure(cell: CellState) -> None:
    """Write the status of a failed run into a record without a status, unless another process has the run now."""
    with contextlib.suppress(Busy, UserError, OSError), lock.hold(cell.folder):
        if not (cell.folder / schema.STATUS).exists():
            schema.write_json(cell.folder / schema.STATUS, as_json(Status(status="failed", error=cell.report)))


def _last_lines(log: Path, start: int) -> str:
    """Return the last lines of this attempt's log that are not empty."""
    try:
        with log.open("rb") as file:
            file.seek(max(start, log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join([line.rstrip() for line in lines if line.strip()][-LAST_LINES:])


@contextlib.contextmanager
def asked_to_end(received: list[int]) -> Iterator[None]:
    """Collect the signals that ask us to end, instead of ending: Ctrl-C, kill, a closed terminal, SLURM's notice."""
    asked = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2)
    with signals.handled(asked, lambda number, _: received.append(number)):
        yield
