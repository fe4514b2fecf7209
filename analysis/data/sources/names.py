"""Names in other projects: tasks (PongNoFrameskip-v4, ALE/Pong-v5, pong), columns, runs and their files, and states."""

import re
from collections.abc import Mapping

from suite.errors import UserError
from suite.tasks import FAMILIES, TASKS, Task

_OTHERS = re.compile(r"^(ALE/)?(?P<name>[\w-]+?)(NoFrameskip|Deterministic)?(-(?P<version>v\d+))?$", re.IGNORECASE)

#: Column -> its names in other projects, in lower case; the first that a file has is used. Returns of single episodes
#: are in EPISODES: stable-baselines3's monitor.csv, CleanRL and Open RL Benchmark log them.
EPISODES = ("charts/episodic_return", "episodic_return", "episode_return", "episode_reward")
COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "method": ("exp_name", "algo", "algorithm", "agent"),
    "task": ("env_id", "env", "env_name", "environment", "game"),
    "seed": ("random_seed",),
    "agent_step": (
        "global_step", "time/total_timesteps", "total_timesteps", "timesteps", "env_steps", "env_step", "step", "_step",
    ),
    "return": (*EPISODES, "rollout/ep_rew_mean", "ep_rew_mean", "mean_reward"),
    "evaluation_return": ("eval/mean_reward", "eval/episodic_return", "eval/return"),
    "seconds": ("time/time_elapsed", "_runtime"),
    "status": ("state",),
    "name": (),
}  # fmt: skip

#: W&B's states of a run that may go on.
NOT_ENDED = ("running", "pending", "preempting", "preempted")

#: How CleanRL names runs, and RL Baselines3 Zoo folders; used where the task is known.
USUAL_NAMES = ("{task}__{method}__{seed}__{any}", "{method}/{task}_{seed}")
_PARTS = {"method": "[^/]+?", "task": "[^/]+?", "seed": r"\d+", "any": "[^/]*"}


def task_named(text: str, tasks: Mapping[str, Task] = TASKS) -> str | None:
    """Return the task (atari/Pong) that another project's name means; None if it means none."""
    family, _, environment = text.partition("/")
    if text in tasks or (environment and family in FAMILIES and FAMILIES[family].find):
        return text
    # If families share an environment, take the first: published results are of online learning.
    by_name = {tasks[name].environment.lower(): name for name in list(tasks)[::-1]}
    match = _OTHERS.match(text)
    own = by_name.get(text.lower())  # such as CartPole-v1 in a file of references
    return own or (by_name.get(match["name"].replace("_", "").lower()) if match else None)


def version_of(text: str) -> str | None:
    """Return the version of the environment that a name states: "v4" for HalfCheetah-v4; None without one."""
    match = _OTHERS.match(text)
    return match["version"] if match else None


def column_named(column: str) -> str:
    """Return our name of another project's column; the same name if it means none of ours.

    >>> column_named("charts/episodic_return")
    'return'
    """
    lower = column.lower()
    return next((ours for ours, theirs in COLUMN_NAMES.items() if lower == ours or lower in theirs), column)


def pattern(text: str) -> re.Pattern[str]:
    """Compile "{method}/{task}_{seed}", which matches the end of a path. Raises UserError for another placeholder."""
    parts = re.split(r"\{(\w*)\}", text)
    fields = parts[1::2]
    if not fields or set(fields) - _PARTS.keys() or any(fields.count(f) > 1 for f in fields if f != "any"):
        raise UserError(
            "--names: should have one or more of {method}, {task} and {seed}, each once, and {any} anywhere, found"
            f" {text!r}"
        )
    for i, part in enumerate(parts):
        named = _PARTS.get(part, "") if part == "any" else f"(?P<{part}>{_PARTS.get(part)})"
        parts[i] = named if i % 2 else re.escape(part)
    return re.compile(f"(?:^|/){''.join(parts)}$")


def parsed(name: str, names: str | None, tasks: Mapping[str, Task] = TASKS) -> dict[str, str]:
    """Return method, task and seed, as far as the name of a run or of a file says them.

    `names` is the user's pattern; without one the usual ones are tried.

    >>> parsed("runs/HalfCheetah-v4__sac__1__1675888373", None)
    {'task': 'HalfCheetah-v4', 'method': 'sac', 'seed': '1'}
    """
    for each in (names,) if names else USUAL_NAMES:
        match = pattern(each).search(name)
        if match and (names or task_named(match["task"], tasks)):
            return match.groupdict()
    return {}
