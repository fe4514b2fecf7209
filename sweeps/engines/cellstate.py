"""The state of each cell of a grid, read from its record and lock, not from processes."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from suite.errors import UserError
from suite.record import lock, reader, schema
from suite.record.models import Progress
from sweeps.engines.base import Work

WAITING, QUEUED, RUNNING, FINISHED, FAILED = "waiting", "queued", "running", "finished", "failed"
ELSEWHERE = "running elsewhere"  # another process works on it


@dataclass
class CellState:
    """One cell of a grid and its state."""

    work: Work
    folder: Path
    state: str = WAITING
    progress: Progress | None = None  # the last progress.json
    started: float = 0.0  # unix time at which this engine started it
    report: str = ""  # why it failed or died, one or a few lines
    deaths: int = 0  # of its processes, in this engine
    start_at: float = 0.0  # the earliest time of its next start, by time.monotonic
    inherited: float | None = None  # fraction that was done when it was first seen to run here
    before: int | None = None  # the time of the status that an earlier attempt left, in nanoseconds

    def __post_init__(self) -> None:
        self.before = self._status_time()

    def refresh(self) -> None:
        """Read the run's progress; what an earlier attempt left does not count."""
        with contextlib.suppress(UserError):  # damaged: this is only a display
            progress = reader.progress(self.folder)
            if progress and (self.state == FINISHED or progress.time >= self.started):
                self.progress = progress
                if self.inherited is None and self.state in (RUNNING, ELSEWHERE):
                    self.inherited = self.fraction

    def _status_time(self) -> int | None:
        """Return when the status in its record was written, in nanoseconds; None without a status."""
        try:
            return (self.folder / schema.STATUS).stat().st_mtime_ns
        except OSError:
            return None

    def read(self, locked: str = ELSEWHERE) -> None:
        """Refresh, from its lock and record, the state of a cell that is not our process.

        It is `locked` while another process has the run. It is FINISHED or FAILED if that process has ended the run,
        even if it was never seen at work, and WAITING otherwise.
        """
        if lock.holder(self.folder):
            self.state, self.started = locked, 0.0
        elif self.ending() == FINISHED:
            self.state = FINISHED
        elif (self.state == locked or self._status_time() not in (None, self.before)) and self.ending() == FAILED:
            self.state = FAILED
            ended = reader.status(self.folder)
            self.report = (ended and ended.error) or "failed elsewhere"
        else:
            self.state = WAITING
        self.refresh()

    def ending(self) -> Literal["finished", "failed"] | None:
        """Return how the run ended, by its record. None if it has not, or if the record is damaged."""
        try:
            ended = reader.status(self.folder)
        except UserError:
            return None
        damaged = ended and ended.status == FINISHED and reader.changed(self.folder, ended)
        return ended.status if ended and not damaged else None

    @property
    def fraction(self) -> float:
        """Fraction of the agent steps that is done, 0 to 1."""
        if self.state == FINISHED:
            return 1.0
        if self.progress is None:
            return 0.0
        return min(1.0, self.progress.agent_step / max(self.progress.total_agent_steps, 1))

    @property
    def rate(self) -> float:
        """Agent steps a second, 0 when not known."""
        return self.progress.rate if self.progress and self.state in (RUNNING, ELSEWHERE) else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds that this cell still takes; None when not known."""
        return (1 - self.fraction) * self.work.agent_steps / self.rate if self.rate > 0 else None

    @property
    def cost_left(self) -> float:
        """The rest of `Work.cost`; 0 for a failed cell, which is not retried."""
        return 0.0 if self.state in (FINISHED, FAILED) else self.work.cost * (1 - self.fraction)


def read_states(works: Sequence[Work], root: Path) -> list[CellState]:
    """Return the cells, finished ones marked. Raises UserError when a record is damaged."""
    cells = [CellState(work, root / work.name) for work in works]
    for cell in cells:
        if reader.is_finished(cell.folder):
            cell.state = FINISHED
            cell.refresh()
    return cells


def count(cells: Iterable[CellState], state: str) -> int:
    """Return how many cells are in a state, such as WAITING or ELSEWHERE."""
    return sum(cell.state == state for cell in cells)
