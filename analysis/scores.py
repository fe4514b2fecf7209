"""Returns -> normalised scores: 0 is a random policy, 1 the reference of the task's family (a human tester, say)."""

from collections.abc import Iterable, Mapping

from suite.errors import UserError
from suite.tasks import FAMILIES, TASKS, Task


def reference(task: str) -> Task:
    """The task with its random and reference return. Raises UserError for one that is not in the tables."""
    if task not in TASKS:
        raise UserError(
            f"task {task!r}: nothing is known of it, not even a random return; suite/tasks.py has all tasks"
        )
    return TASKS[task]


def is_scored(task: str) -> bool:
    """Whether the task has a reference return. Raises UserError for an unknown task."""
    return reference(task).reference is not None


def normalised(task: str, value: float | None) -> float | None:
    """(return - random) / (reference - random); None stays None, and a task without reference has None.

    Raises UserError for an unknown task.
    """
    known = reference(task)
    if value is None or known.reference is None:
        return None
    return (value - known.random) / (known.reference - known.random)


def normalised_by_task(
    returns: Mapping[str, Mapping[int, float | None]],
) -> dict[str, dict[int, float | None]]:
    """{task: {seed: return}} -> {task: {seed: score}}, without the tasks that have no score."""
    return {
        task: {seed: normalised(task, v) for seed, v in values.items()}
        for task, values in returns.items()
        if is_scored(task)
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


def references(tasks: Iterable[str]) -> list[str]:
    """The names of the tasks' references: ["human"]."""
    return [FAMILIES[family].reference for family in by_family(tasks)]


def source(tasks: Iterable[str]) -> str:
    """Where the random and reference returns of the tasks' families are from, for a footer; no full stop."""
    sources = {family: FAMILIES[family].source for family in by_family(tasks)}
    if len(sources) == 1:
        return "".join(sources.values())
    return "; ".join(f"for {family}, {text}" for family, text in sources.items())
