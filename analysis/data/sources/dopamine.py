"""Dopamine's published baselines (github.com/google/dopamine, baselines/{atari,mujoco}/data) -> runs.

There is one JSON file for each task (pong.json, halfcheetah.json), a list of {"Iteration", "Value", "Agent"}. An agent
has one entry for each seed and iteration: either seed after seed, or iteration after iteration; in the second case the
file does not say which value belongs to which seed, and the order of the file is used. Values are mean training returns
(baselines/mujoco/README.md). On Atari an iteration is 250,000 agent steps (1M frames), and its value is that at its
end; on MuJoCo it counts thousands of agent steps. Files with a suffix (pong_CNN.json) are of other networks.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field, TypeAdapter, ValidationError

from analysis.data.runs import FINISHED, UNFINISHED, Run, history
from analysis.data.sources.names import task_named
from suite.errors import UserError
from suite.program.terminal import counted
from suite.record import schema
from suite.tasks import TASKS

MOST_ITERATIONS = 10**9

#: As Dopamine's configurations and baselines/*/README.md have it. Not Atari's v5, nor MuJoCo's.
PROTOCOLS = {
    "atari": "Dopamine's Atari (gym NoFrameskip-v0), sticky_actions=0.25, epochs of 250,000 agent steps",
    "mujoco": "Dopamine's MuJoCo (gym v2), epochs of 1,000 agent steps",
}


class Point(BaseModel):
    """An entry of a file: the mean return of an agent in one iteration of one seed."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    iteration: float = Field(alias="Iteration", gt=-MOST_ITERATIONS, lt=MOST_ITERATIONS)
    value: float = Field(alias="Value")
    agent: str = Field(alias="Agent")


POINTS: TypeAdapter[list[Point]] = TypeAdapter(Annotated[list[Point], FailFast()])


def load(place: Path) -> tuple[list[Run], list[str]]:
    """Return the runs of a file or of a folder's files, and notes on files of other tasks and plots (*.vg.json).

    Raises UserError for a file in another layout, or if there is no run.
    """
    paths = sorted(place.glob("*.json")) if place.is_dir() else [place]
    plots = [path for path in paths if path.name.endswith(".vg.json")]
    runs: list[Run] = []
    unknown = []
    for path in (path for path in paths if path not in plots):
        name, _, network = path.stem.partition("_")
        task = task_named(name)
        if task is None or TASKS[task].family not in PROTOCOLS:
            unknown.append(path.name)
        else:
            runs += _read(path, task, network)
    if not runs:
        raise UserError(f"{place}: holds no baseline of a known task (a file such as pong.json or hopper.json)")
    notes = []
    if unknown:
        notes.append(f"{place}: no task of Dopamine's baselines, left out: {', '.join(unknown)}.")
    if plots:
        notes.append(f"{place}: {counted(len(plots), 'plot')} (*.vg.json) left out, no data.")
    return runs, notes


def _read(path: Path, task: str, network: str) -> list[Run]:
    """Return the runs of a file. Raises UserError if it is damaged."""
    agents: dict[str, list[tuple[int, float]]] = {}
    for point in _points(path):
        agents.setdefault(point.agent, []).append((int(point.iteration), point.value))
    runs = []
    for agent, values in agents.items():
        seeds = by_seed(values)
        end = max(_agent_step(task, curve[-1][0]) for curve in seeds)
        method = f"{agent}{network and f' {network}'} (Dopamine)"
        for seed, curve in enumerate(seeds):
            reached = _agent_step(task, curve[-1][0])
            runs.append(
                Run(
                    name=f"{path.name} {agent} {seed}",
                    task=task,
                    method=method,
                    seed=seed,
                    options={},
                    versions={},
                    status=FINISHED if reached == end else UNFINISHED,
                    reason="" if reached == end else f"last value at agent step {reached:,} of {end:,}",
                    source="dopamine",
                    protocol=PROTOCOLS[TASKS[task].family],
                    agent_steps=end,
                    history=history(_epochs(task, curve)),
                )
            )
    return runs


def _points(path: Path) -> list[Point]:
    """Return the entries of a file. Raises UserError, which names the first wrong one."""
    try:
        entries = schema.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}); the file is damaged") from None
    try:
        return POINTS.validate_python(entries)
    except ValidationError as error:
        where = error.errors(include_url=False)[0]["loc"]
        if not where:
            raise UserError(
                f"{path}: expected a list of {{Iteration, Value, Agent}}, as in Dopamine's baselines"
            ) from None
        number = int(where[0])
        wrong = str(entries[number])[:80]
        raise UserError(
            f"{path}: entry {number + 1} should have the numbers Iteration, Value and the text Agent, found {wrong}"
        ) from None


def by_seed(values: list[tuple[int, float]]) -> list[list[tuple[int, float]]]:
    """Split the (iteration, value) pairs of an agent, in the order of the file, into those of each seed."""
    iterations = [iteration for iteration, _ in values]
    together = iterations == sorted(iterations)
    seeds: list[list[tuple[int, float]]] = []
    counts: Counter[int] = Counter()  # how often an iteration was seen
    for i, (iteration, value) in enumerate(values):
        goes_on = i > 0 and iteration > iterations[i - 1]
        place = counts[iteration] if together else len(seeds) - goes_on
        if place == len(seeds):
            seeds.append([])
        seeds[place].append((iteration, value))
        counts[iteration] += 1
    return seeds


def _agent_step(task: str, iteration: int) -> int:
    return 250_000 * (iteration + 1) if TASKS[task].family == "atari" else 1_000 * iteration


def _epochs(task: str, curve: list[tuple[int, float]]) -> Iterable[dict[str, Any]]:
    for epoch, (iteration, value) in enumerate(curve, start=1):
        step = _agent_step(task, iteration)
        yield {"epoch": epoch, "agent_step": step, "frame": step * TASKS[task].frame_skip, "return": value}
