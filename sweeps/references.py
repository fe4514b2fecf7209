"""The returns of a uniformly random policy: `python -m sweeps.references minatar` writes
results/references/minatar-random.csv, from which suite/tasks/minatar.py has its random returns.
"""

import csv
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np

from suite.environments import ENVIRONMENTS, make_environment
from suite.errors import Parser
from suite.program.command import program, start
from suite.tasks import FAMILIES, Task

FOLDER = Path(__file__).parent.parent / "results" / "references"
COLUMNS = ("task", "episodes", "mean", "standard_error")  # and the versions of gymnasium and the family's packages


def random_returns(task: Task) -> np.ndarray:
    """Return undiscounted returns, float64 [episodes], in the environment with its default options.

    Episode i resets with seed i and draws its actions with seed `episodes` + i. One seed for both would draw the first
    actions from the same numbers as the initial state.
    """
    environment = make_environment(task, ENVIRONMENTS[task.family].options())
    returns = np.zeros(FAMILIES[task.family].random_episodes)
    for episode in range(len(returns)):
        environment.reset(seed=episode)
        environment.action_space.seed(len(returns) + episode)
        ended = False
        while not ended:
            _, reward, terminated, truncated, _ = environment.step(environment.action_space.sample())
            returns[episode] += float(reward)
            ended = terminated or truncated
    environment.close()
    return returns


@program
def main(argv: Sequence[str]) -> int:
    """Write the table of random returns of a family."""
    parser = Parser(prog="python -m sweeps.references", description="Measure random policies on a family of tasks.")
    families = [name for name, family in FAMILIES.items() if family.random_episodes]
    parser.add_argument("family", choices=families, nargs="?")  # an unknown option is reported before a missing family
    name = parser.parse_args(argv).family or parser.error("the family is missing")
    packages = ("gymnasium", *FAMILIES[name].packages)
    lines = []
    for task in FAMILIES[name].tasks.values():
        returns = random_returns(task)
        error = returns.std(ddof=1) / len(returns) ** 0.5
        versions = [metadata.version(package) for package in packages]
        lines.append([task.name, len(returns), f"{returns.mean():.6g}", f"{error:.2g}", *versions])
        print(*lines[-1], flush=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{name}-random.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([[*COLUMNS, *packages], *lines])
    return 0


if __name__ == "__main__":
    start(main)
