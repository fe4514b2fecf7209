"""Returns -> normalised scores: 0 is a random policy, 1 a human tester."""

from collections.abc import Mapping

from suite.errors import UserError
from suite.tasks import TASKS, Task

VIDEO_PINBALL = "atari/VideoPinball"


def reference(task: str) -> Task:
    """The task with its random and human return. Raises UserError for a task that has none."""
    if task not in TASKS:
        raise UserError(
            f"task {task!r}: no random and human return is known, so it has no score; those of suite/tasks.py have one"
        )
    return TASKS[task]


def normalised(task: str, value: float | None) -> float | None:
    """(return - random) / (human - random); None stays None. Raises UserError for a task without reference scores."""
    known = reference(task)
    return None if value is None else (value - known.random) / (known.human - known.random)


def normalised_by_task(
    returns: Mapping[str, Mapping[int, float | None]],
) -> dict[str, dict[int, float | None]]:
    """{task: {seed: return}} -> {task: {seed: score}}."""
    return {task: {seed: normalised(task, v) for seed, v in values.items()} for task, values in returns.items()}


def source() -> str:
    """The normaliser and its source, for a footer. The tables in use differ in one number, so it is named."""
    return (
        "score = (return - random) / (human - random), with the random and human returns of the 57 games"
        " in Mnih et al. 2015 and Wang et al. 2016, as tabulated in dqn_zoo; VideoPinball's random return is"
        f" {TASKS[VIDEO_PINBALL].random:.1f} (another table in circulation has 0.0)"
    )
