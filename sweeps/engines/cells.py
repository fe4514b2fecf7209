"""What an engine runs, and where each of it stands: read from the records, not from the processes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from suite.errors import UserError
from suite.record import lock, reader, schema

WAITING, QUEUED, RUNNING, FINISHED, FAILED = "waiting", "queued", "running", "finished", "failed"
ELSEWHERE = "running elsewhere"  # another process works on it
OK, SOME_FAILED, INTERRUPTED = 0, 1, 130  # exit codes of engines


class Work(NamedTuple):
    """One cell of a grid, as an engine sees it."""

    name: str  # the run's name, which is its folder's
    arguments: list[str]  # e.g. ["--task=atari/Pong", "--seed=0"]
    agent_steps: int
    cost: float  # estimated seconds on one worker; only ratios matter to an engine
    label: str = ""  # what a table shows; empty: the name


class Plan(NamedTuple):
    """What an engine is given."""

    file: str  # the sweep file
    folder: Path  # each cell's record goes to <folder>/<its name>
    works: Sequence[Work]  # all cells, in the order in which they should begin
    jobs: int  # cells at a time on this machine


@dataclass
class Cell:
    """A piece of work and its state."""

    work: Work
    folder: Path
    state: str = WAITING
    progress: dict[str, Any] = field(default_factory=dict)  # the last progress.json
    started: float = 0.0  # unix time at which this engine started it
    report: str = ""  # why it failed or died, one or a few lines
    deaths: int = 0  # of its processes, in this engine
    due: float = 0.0  # when it may be started, by time.monotonic
    before: int | None = None  # the time of the status that an earlier attempt left, in nanoseconds

    def refresh(self) -> None:
        """Read the run's progress; what an earlier attempt left behind does not count."""
        if not (self.folder / schema.PROGRESS).exists():
            return
        try:
            progress = schema.read_json(self.folder / schema.PROGRESS)
        except UserError:
            return  # only a display: the run goes on
        if self.state == FINISHED or _number(progress.get("time")) >= self.started:
            self.progress = progress

    def __post_init__(self) -> None:
        self.before = self._ended()

    def _ended(self) -> int | None:
        """When the status in its record was written, in nanoseconds; None if there is none."""
        try:
            return (self.folder / schema.STATUS).stat().st_mtime_ns
        except OSError:
            return None

    def look(self, held: str = ELSEWHERE) -> None:
        """See where it stands when it is not our process: whether another one has it now, which is the state `held`, or
        has ended it, perhaps so soon that it was never seen there."""
        if lock.holder(self.folder):
            self.state, self.started = held, 0.0
        elif self.says(FINISHED):
            self.state = FINISHED
        elif (self.state == held or self._ended() not in (None, self.before)) and self.says(FAILED):
            self.state = FAILED
            self.report = str(schema.read_json(self.folder / schema.STATUS).get("error") or "failed elsewhere")
        else:
            self.state = WAITING
        self.refresh()

    def says(self, ending: str) -> bool:
        """Whether its record says that the run is FINISHED, and is complete, or that it has FAILED. A damaged one says
        nothing."""
        try:
            if ending == FINISHED:
                return reader.is_finished(self.folder)
            return schema.read_json(self.folder / schema.STATUS).get("status") == ending
        except UserError:
            return False

    @property
    def fraction(self) -> float:
        """The part of the agent steps that is done, 0 to 1."""
        if self.state == FINISHED:
            return 1.0
        total = _number(self.progress.get("total_agent_steps")) or self.work.agent_steps
        return min(1.0, _number(self.progress.get("agent_step")) / max(total, 1))

    @property
    def rate(self) -> float:
        """Agent steps a second, 0 when not known."""
        return _number(self.progress.get("rate")) if self.state in (RUNNING, ELSEWHERE) else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Of this cell alone; None when not known."""
        return (1 - self.fraction) * self.work.agent_steps / self.rate if self.rate > 0 else None

    @property
    def cost_left(self) -> float:
        """In the unit of `Work.cost`; a failed cell is not tried again now."""
        return 0.0 if self.state in (FINISHED, FAILED) else self.work.cost * (1 - self.fraction)


def look_up(works: Sequence[Work], root: Path) -> list[Cell]:
    """The cells, finished ones marked. Raises UserError when a record is damaged."""
    cells = [Cell(work, root / work.name) for work in works]
    for cell in cells:
        if reader.is_finished(cell.folder):
            cell.state = FINISHED
            cell.refresh()
    return cells


def count(cells: Iterable[Cell], state: str) -> int:
    return sum(cell.state == state for cell in cells)


def _number(value: Any) -> float:
    return float(value) if schema.number(value) else 0.0
