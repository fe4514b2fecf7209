"""Returns -> normalised scores: 0 is a random policy, 1 the reference of the task's family (a human tester, say).

Min-max normalisation is the same with references of one's own: score = (return - random) / (reference - random).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from suite.errors import UserError
from suite.tasks import FAMILIES, TASKS, Task

VIDEO_PINBALL = "atari/VideoPinball"


@dataclass(frozen=True)
class References:
    """The tasks with the returns that are score 0 and 1. `given` are those whose returns a file gave, `file` which."""

    tasks: Mapping[str, Task]
    given: frozenset[str] = frozenset()
    file: str = ""


PUBLISHED = References(TASKS)


def with_video_pinball(references: References, random: float) -> References:
    """VideoPinball with another random return: 0.0 in the other table in circulation (suite.tasks).

    Raises UserError where a file gave that return, and for one that is not below the human's.
    """
    human = references.tasks[VIDEO_PINBALL].reference
    assert human is not None
    if VIDEO_PINBALL in references.given:
        raise UserError(f"--video-pinball-random: {references.file} names {VIDEO_PINBALL} too; leave one of them out")
    if not random < human:
        raise UserError(f"--video-pinball-random: should be below a human's return, {human}, found {random}")
    tasks = {**references.tasks, VIDEO_PINBALL: references.tasks[VIDEO_PINBALL]._replace(random=random)}
    return replace(references, tasks=tasks)


def from_file(path: Path, references: References = PUBLISHED) -> References:
    """References of one's own, from a CSV file with the columns task, random, reference; the others stay.

    Raises UserError for another layout, an unknown task, or two numbers that span nothing.
    """
    try:
        frame = pd.read_csv(path, comment="#", skipinitialspace=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise UserError(f"{path}: not a CSV file ({' '.join(str(error).split())})") from None
    wanted = ["task", "random", "reference"]
    if not set(wanted) <= set(frame.columns) or frame.empty:
        raise UserError(f"{path}: references have the columns {', '.join(wanted)}, a row a task")
    tasks = dict(references.tasks)
    for name, *values in frame[wanted].itertuples(index=False):
        known = reference(str(name))
        random, one = (_number(value) for value in values)
        if not (math.isfinite(random) and math.isfinite(one)) or random == one:
            raise UserError(f"{path}: {name}: two different numbers are needed, found {values[0]} and {values[1]}")
        tasks[known.name] = known._replace(random=random, reference=one)
    return References(tasks, references.given | set(frame["task"]), path.name)


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return math.nan


def reference(task: str, references: References = PUBLISHED) -> Task:
    """The task with its random and reference return. Raises UserError for one that is not in the tables."""
    if task not in references.tasks:
        raise UserError(
            f"task {task!r}: nothing is known of it, not even a random return; suite/tasks.py has all tasks"
        )
    return references.tasks[task]


def is_scored(task: str, references: References = PUBLISHED) -> bool:
    """Whether the task has a reference return. Raises UserError for an unknown task."""
    return reference(task, references).reference is not None


def normalised(task: str, value: float | None, references: References = PUBLISHED) -> float | None:
    """(return - random) / (reference - random); None stays None, and a task without reference has None.

    Raises UserError for an unknown task.
    """
    known = reference(task, references)
    if value is None or known.reference is None:
        return None
    return (value - known.random) / (known.reference - known.random)


def normalised_by_task(
    returns: Mapping[str, Mapping[int, float | None]], references: References = PUBLISHED
) -> dict[str, dict[int, float | None]]:
    """{task: {seed: return}} -> {task: {seed: score}}, without the tasks that have no score."""
    return {
        task: {seed: normalised(task, v, references) for seed, v in values.items()}
        for task, values in returns.items()
        if is_scored(task, references)
    }


def by_family(tasks: Iterable[str]) -> dict[str, list[str]]:
    """The tasks of each family, in the order of their first ones. Raises UserError for an unknown task."""
    families: dict[str, list[str]] = {}
    for task in tasks:
        families.setdefault(reference(task).family, []).append(task)
    return families


def noun(tasks: Iterable[str]) -> str:
    """What one of them is called: "game" if all are Atari's, otherwise "task"."""
    nouns = {FAMILIES[family].noun for family in by_family(tasks)}
    return nouns.pop() if len(nouns) == 1 else "task"


def names(tasks: Iterable[str], references: References = PUBLISHED) -> list[str]:
    """The names of the tasks' references: ["human"]; "reference" for those that a file gave."""
    return list(
        dict.fromkeys(
            "reference" if task in references.given else FAMILIES[family].reference
            for family, members in by_family(tasks).items()
            for task in members
        )
    )


def source(tasks: Iterable[str], references: References = PUBLISHED) -> str:
    """Where the random and reference returns of the tasks are from, for a footer; no full stop."""
    tasks = list(tasks)
    given = [task for task in tasks if task in references.given]
    families = by_family(task for task in tasks if task not in references.given)
    texts = {family: FAMILIES[family].source for family in families}
    if given:
        texts[", ".join(given)] = f"the random and reference returns of {references.file}"
    text = "; ".join(texts.values() if len(texts) == 1 else (f"for {what}, {text}" for what, text in texts.items()))
    random = references.tasks[VIDEO_PINBALL].random
    if VIDEO_PINBALL in tasks and VIDEO_PINBALL not in given and random != TASKS[VIDEO_PINBALL].random:
        text += f"; but VideoPinball's is {random} here"
    return text
