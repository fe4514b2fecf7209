"""The benchmark's tasks and the returns that count as score 0 and 1. Imports no JAX: the analysis reads it too.

A family of tasks is a module here, which holds its tasks, its references and their sources, and an entry in FAMILIES.
"""

import difflib
from pkgutil import resolve_name

from suite.errors import UserError
from suite.tasks.atari import ATARI, OFFLINE, PAPER_GAMES
from suite.tasks.base import Actions, Family, Task
from suite.tasks.classic import CLASSIC
from suite.tasks.gym import GYM
from suite.tasks.minatar import MINATAR
from suite.tasks.mujoco import MUJOCO

__all__ = ["FAMILIES", "PAPER_GAMES", "TASKS", "Actions", "Family", "Task", "task"]

FAMILIES: dict[str, Family] = {
    "atari": ATARI,
    "mujoco": MUJOCO,
    "minatar": MINATAR,
    "classic": CLASSIC,
    "gym": GYM,
    "offline": OFFLINE,
}
TASKS: dict[str, Task] = {name: task for family in FAMILIES.values() for name, task in family.tasks.items()}


def task(name: str) -> Task:
    """Return the task of this name; in a family of any tasks, such as gym, make it from its environment.

    Raises UserError for an unknown name, with the closest one that is known.
    """
    if name in TASKS:
        return TASKS[name]
    family, _, environment = name.partition("/")
    if family in FAMILIES and (find := FAMILIES[family].find):
        found: Task = resolve_name(find)(environment)
        return found
    # Wrong case and a missing family are the usual slips: compare without case, with and without the family (without,
    # the family that comes first is meant).
    spellings = {spelling.lower(): known for known in reversed(TASKS) for spelling in (known, known.split("/")[1])}
    close = difflib.get_close_matches(name.lower(), spellings, n=1)
    example = "tasks are called, for example, atari/Pong or mujoco/Ant"
    hint = f"did you mean {spellings[close[0]]!r}?" if close else example
    raise UserError(f"unknown task {name!r}: {hint}")
