"""The returns of a uniformly random policy on the MuJoCo tasks: `python -m sweeps.references` writes
results/references/mujoco-random.csv, from which suite/tasks.py has its random returns.

Environments as gymnasium registers them: default options, 1000 agent steps at most (Reacher 50, Pusher 100).
"""

import csv
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import gymnasium
import numpy as np

from suite.errors import Parser
from suite.program.command import program, start
from suite.tasks import TASKS, Task

EPISODES = 100
OUT = Path(__file__).parent.parent / "results" / "references" / "mujoco-random.csv"
COLUMNS = ("task", "episodes", "mean", "standard_error", "gymnasium", "mujoco")


def random_returns(task: Task, episodes: int = EPISODES) -> np.ndarray:
    """Return undiscounted returns [episodes]; episode i resets with seed i and draws its actions with seed `episodes` +
    i.

    One seed for both would draw the first actions from the same numbers as the initial state.
    """
    environment = gymnasium.make(f"{task.environment}-v5")
    returns = np.zeros(episodes)
    for episode in range(episodes):
        environment.reset(seed=episode)
        environment.action_space.seed(episodes + episode)
        ended = False
        while not ended:
            _, reward, terminated, truncated, _ = environment.step(environment.action_space.sample())
            returns[episode] += float(reward)
            ended = terminated or truncated
    environment.close()
    return returns


@program
def main(argv: Sequence[str]) -> int:
    """Write the table of random returns."""
    about = f"Measure random policies on the MuJoCo tasks; write {OUT.name}."
    Parser(prog="python -m sweeps.references", description=about).parse_args(argv)
    versions = [metadata.version(name) for name in COLUMNS[4:]]
    lines = []
    for task in TASKS.values():
        if task.family == "mujoco":
            returns = random_returns(task)
            error = returns.std(ddof=1) / len(returns) ** 0.5
            lines.append([task.name, len(returns), f"{returns.mean():.6g}", f"{error:.2g}", *versions])
            print(*lines[-1], flush=True)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    with OUT.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *lines])
    return 0


if __name__ == "__main__":
    start(main)
