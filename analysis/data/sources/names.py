"""Names of the tasks in other projects: PongNoFrameskip-v4, ALE/Pong-v5, pong, HalfCheetah-v2, halfcheetah."""

import re

from suite.tasks import TASKS

# If families share an environment, take the first: published results are of online learning.
_BY_NAME = {TASKS[name].environment.lower(): name for name in reversed(TASKS)}
_OTHERS = re.compile(r"^(ALE/)?(?P<name>\w+?)(NoFrameskip|Deterministic)?(-(?P<version>v\d+))?$", re.IGNORECASE)


def task_named(text: str) -> str | None:
    """Return the task (atari/Pong) that another project's name means; None if it means none."""
    if text in TASKS:
        return text
    match = _OTHERS.match(text)
    return _BY_NAME.get(match["name"].replace("_", "").lower()) if match else None


def version_of(text: str) -> str | None:
    """Return the version of the environment that a name states: "v4" for HalfCheetah-v4; None without one."""
    match = _OTHERS.match(text)
    return match["version"] if match else None
