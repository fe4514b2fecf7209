"""The tasks as others call them: PongNoFrameskip-v4, ALE/Pong-v5, pong, HalfCheetah-v2, halfcheetah."""

import re

from suite.tasks import TASKS

# Where families share an environment, the first is meant: published numbers are of learning online.
_BY_NAME = {TASKS[name].environment.lower(): name for name in reversed(TASKS)}
_OTHERS = re.compile(r"^(ALE/)?(?P<name>\w+?)(NoFrameskip|Deterministic)?(-(?P<version>v\d+))?$", re.IGNORECASE)


def task_named(text: str) -> str | None:
    """The task (atari/Pong) of a name in use elsewhere; None when none is meant."""
    if text in TASKS:
        return text
    match = _OTHERS.match(text)
    return _BY_NAME.get(match["name"].replace("_", "").lower()) if match else None


def version_of(text: str) -> str | None:
    """ "v4" of HalfCheetah-v4: the version of the environment, where the name says it."""
    match = _OTHERS.match(text)
    return match["version"] if match else None
