"""What an engine is. sweeps.launch and sweeps.status know engines by this protocol and by the registry alone.

To add an engine, write a module with these members and name it in sweeps.engines.registry.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from suite.options import Options
from suite.program import command

OK, SOME_FAILED, INTERRUPTED = 0, 1, command.INTERRUPTED  # exit codes of engines


class Work(NamedTuple):
    """One cell of a grid, as an engine sees it."""

    name: str  # the run's name, which is its folder's
    arguments: list[str]  # e.g. ["--task=atari/Pong", "--seed=0"]
    agent_steps: int
    cost: float  # estimated seconds on one worker; only ratios matter to an engine
    label: str = ""  # what a table shows; empty: the name


class Plan(NamedTuple):
    """What an engine runs."""

    file: str  # the sweep file
    folder: Path  # each cell's record goes to <folder>/<its name>
    works: Sequence[Work]  # all cells, in the order in which they should begin
    jobs: int  # cells at a time on this machine


class Session(NamedTuple):
    """A plan that an engine has started."""

    how_to_stop: str  # one line for the user; empty if nothing was started
    wait: Callable[[], int]  # show the runs until all have ended; -> exit code. At once where the engine runs elsewhere
    how_to_rerun: str = ""  # the runs that failed; empty: by the same command


class Engine(Protocol):
    """A way of running the cells of a plan; a module is one."""

    @property
    def HERE(self) -> bool:
        """Whether it runs on this machine until all runs have ended: then their cost is estimated before, and the
        table is made after."""

    @property
    def OPTIONS(self) -> type[Options]:
        """The engine's options, --<engine>.<option> on the command line of sweeps.launch."""

    def check(self, options: Any) -> None:
        """Raise UserError if the engine cannot run here or its options do not fit, before anything is measured."""

    def start(self, plan: Plan, options: Any) -> Session:
        """Start what is not finished. Raise UserError when that fails, and Busy while another process starts it."""

    def states(self, folder: Path) -> Mapping[str, str]:
        """Map names of cells in a folder to QUEUED or RUNNING where the engine knows more than their records and locks.

        Raise UserError when it does not answer.
        """
