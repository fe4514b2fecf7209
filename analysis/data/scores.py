"""Normalise returns: score = (return - random) / (reference - random).

A random policy has the score 0, and the reference of the task's family (such as a human tester) the score 1. Other
references can be read from a file; with the lowest and the highest return this is min-max normalisation. Tasks outside
the benchmark need such a file.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from pydantic import BaseModel, model_validator

from analysis.data import validation
from analysis.data.validation import Finite, Text
from suite.errors import UserError
from suite.tasks import FAMILIES, TASKS, Family, Task

OWN = "own"  # the family of tasks that a file names without one
VIDEO_PINBALL = [name for name, task in TASKS.items() if task.environment == "VideoPinball"]  # online and offline


@dataclass(frozen=True)
class References:
    """The tasks with their random and reference returns. `given` are the tasks whose returns the file `file` gave."""

    tasks: Mapping[str, Task]
    given: frozenset[str] = frozenset()
    file: str = ""


PUBLISHED = References(TASKS)


def with_video_pinball(references: References, random: float) -> References:
    """Replace VideoPinball's random return, which is 0.0 in the other table in circulation (suite.tasks).

    Raises UserError if a file gave that return, or if it is not below the human's.
    """
    tasks = dict(references.tasks)
    for name in VIDEO_PINBALL:
        human = tasks[name].reference
        assert human is not None
        if name in references.given:
            raise UserError(f"--video-pinball-random: {references.file} names {name} too; leave one of them out")
        if not random < human:
            raise UserError(f"--video-pinball-random: should be below a human's return, {human}, found {random}")
        tasks[name] = tasks[name]._replace(random=random)
    return replace(references, tasks=tasks)


class ReferenceRow(BaseModel):
    """A row of a file of references: the returns that are the scores 0 and 1, of which the second is the higher."""

    task: Text
    random: Finite
    reference: Finite

    @model_validator(mode="after")
    def _rise(self) -> Self:
        if not self.random < self.reference:
            numbers = f"{self.reference:g} and {self.random:g}"
            raise ValueError(f"{self.task}: its reference should be above its random return, found {numbers}")
        return self


def from_file(path: Path) -> References:
    """Read a CSV file with the columns task, random, reference, and replace or add the references of its tasks.

    A task that is not the benchmark's has any name: mine/Maze, or CartPole-v1, which becomes own/CartPole-v1. Raises
    UserError for another layout, a reference that is not above the random return, a task that is named twice, and a
    name that the benchmark's own tasks have (Pong).
    """
    cells = validation.read_commented(path)
    columns = list(ReferenceRow.model_fields)
    if not set(columns) <= set(cells.columns) or cells.empty:
        found = ", ".join(cells.columns)
        raise UserError(
            f"{path}: references have the columns {', '.join(columns)}, and a row for each task, found {found}"
        )
    given: dict[str, Task] = {}
    for row in validation.rows(path, cells[columns], ReferenceRow):
        name = row.task if "/" in row.task else f"{OWN}/{row.task}"
        same = [task for task, known in TASKS.items() if known.environment.lower() == row.task.lower()]
        if same:
            raise UserError(f"{path}: {row.task} should be one of {', '.join(same)}, or {name} for a task of your own")
        if name in given:
            raise UserError(f"{path}: names {name} more than once; it has one random and one reference return")
        known = TASKS.get(name, Task(name, 1, None, None))
        given[name] = known._replace(random=row.random, reference=row.reference)
    return References({**TASKS, **given}, frozenset(given), path.name)


def reference(task: str, references: References = PUBLISHED) -> Task:
    """Return a task with its random and reference returns.

    It has neither in a family of any tasks, and in one that is not the benchmark's. Raises UserError for an unknown
    task of another family.
    """
    if task in references.tasks:
        return references.tasks[task]
    family = FAMILIES.get(task.partition("/")[0])
    if family and family.find is None:
        raise UserError(
            f"task {task!r} is unknown, and so is its random return; --references FILE gives returns of other tasks"
        )
    return Task(task, frame_skip=1, random=None, reference=None)


def short_names(tasks: Iterable[str]) -> dict[str, str]:
    """Map each task to the name of its environment, or to its own where two of the tasks share an environment."""
    names = {task: task.partition("/")[2] for task in tasks}
    counts = Counter(names.values())
    return {task: name if counts[name] == 1 else task for task, name in names.items()}


def is_scored(task: str, references: References = PUBLISHED) -> bool:
    """Return whether a task has a reference return. Raises UserError for an unknown task."""
    return reference(task, references).reference is not None


def normalised(task: str, value: float | None, references: References = PUBLISHED) -> float | None:
    """Return (value - random) / (reference - random); None if the value is None or the task has no reference.

    Raises UserError for an unknown task.
    """
    known = reference(task, references)
    if value is None or known.random is None or known.reference is None:
        return None
    return (value - known.random) / (known.reference - known.random)


def by_family(tasks: Iterable[str]) -> dict[str, list[str]]:
    """Group tasks by family, in the order in which the families occur."""
    families: dict[str, list[str]] = {}
    for task in tasks:
        families.setdefault(task.partition("/")[0], []).append(task)
    return families


def offline(tasks: Iterable[str]) -> list[str]:
    """Return those of the tasks that are learned from a data set."""
    return [task for task in tasks if _family(task.partition("/")[0]).offline]


def _family(name: str) -> Family:
    """Return what the tasks of a family have in common; all of its tasks may be the user's own."""
    return FAMILIES.get(name, Family({}, "reference", "the file of references", (), ""))


def noun(tasks: Iterable[str]) -> str:
    """Return the noun for one of these tasks: "game" if all are Atari's, otherwise "task"."""
    nouns = {_family(family).noun for family in by_family(tasks)}
    return nouns.pop() if len(nouns) == 1 else "task"


def names(tasks: Iterable[str], references: References = PUBLISHED) -> list[str]:
    """Return the names of the tasks' references: ["human"]; "reference" for those that a file gave."""
    return list(
        dict.fromkeys(
            "reference" if task in references.given else _family(family).reference
            for family, members in by_family(tasks).items()
            for task in members
        )
    )


def source(tasks: Iterable[str], references: References = PUBLISHED) -> str:
    """State the sources of the tasks' random and reference returns, for a footer; without a full stop."""
    tasks = list(tasks)
    given = [task for task in tasks if task in references.given]
    families = by_family(task for task in tasks if task not in references.given)
    texts = {family: text for family in families if (text := _family(family).source)}
    if given:
        texts[", ".join(given)] = f"the random and reference returns of {references.file}"
    text = "; ".join(texts.values() if len(texts) == 1 else (f"for {what}, {text}" for what, text in texts.items()))
    pinball = [task for task in tasks if task in VIDEO_PINBALL and task not in given]
    if pinball and (random := references.tasks[pinball[0]].random) != TASKS[pinball[0]].random:
        text += f"; but VideoPinball's is {random} here"
    return text
