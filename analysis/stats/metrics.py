"""Aggregates over runs, with 95 % intervals from rliable's stratified bootstrap (Agarwal et al. 2021, section 4).

Values come by task and seed: {"atari/Pong": {0: 0.3, 1: 0.5}, ...}. rliable needs a full matrix [seeds, tasks] of
numbers, and what does not fit is handled here and said in a note: a value that is no number is left out; with ragged
seeds every task gives as many values as the poorest one; one seed gives a value and no interval; a task without any
value, no aggregate.

The bootstrap resamples the seeds within each task, for each task on its own, and never the tasks.
"""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from rliable import library, metrics

ByTask = Mapping[str, Mapping[int, float | None]]
Statistic = Callable[[np.ndarray], float]  # [seeds, tasks] -> number

LEVEL = 0.95
PERCENTILES = (2.5, 97.5)
FEW_SEEDS = 5  # below that, percentile intervals over seeds cover far less than they say

#: {seeds: (mean on one task, IQM over ten tasks)}: the share, in %, of such 95 % intervals that hold the true value.
#: Simulated with normal scores (tests/analysis/stats/test_coverage.py does it again). The resampled seeds of a task
#: vary less than new ones would, by a factor of (seeds - 1) / seeds of the variance, and on one task the few values
#: bound the interval; with skewed returns it is less still (79 % on one task with 5 seeds, exponential).
COVERAGE: dict[int, tuple[float, float]] = {
    2: (50.0, 76.0),
    3: (72.0, 86.0),
    4: (80.0, 89.0),
    5: (83.0, 91.0),
    10: (89.0, 93.0),
}

SCORE_STATISTICS: dict[str, Statistic] = {
    "IQM": metrics.aggregate_iqm,
    "median": metrics.aggregate_median,
    "mean": metrics.aggregate_mean,
    "optimality gap": metrics.aggregate_optimality_gap,
}


class Estimate(NamedTuple):
    """A value and its interval; None where there is none. `seeds` is how many seeds (of each task) it rests on."""

    value: float | None
    low: float | None
    high: float | None
    seeds: int


NOTHING = Estimate(None, None, None, 0)


@contextlib.contextmanager
def numpy_seeded(seed: int) -> Iterator[None]:
    """rliable 1.2.0 takes a random_state but draws from numpy's global state: seed that one, and put it back after."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)


def bootstrap(
    values: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], seed: int, repetitions: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(point [S], low [S], high [S]) of a statistic [seeds, tasks] -> [S]; percentile intervals.

    Raises ValueError for less than two seeds or a value that is no finite number.
    """
    if values.ndim != 2 or values.shape[0] < 2 or not np.isfinite(values).all():
        raise ValueError("the bootstrap needs a matrix [seeds >= 2, tasks] of finite numbers")
    with numpy_seeded(seed):
        points, intervals = library.get_interval_estimates(
            {"": values}, statistic, reps=repetitions, confidence_interval_size=LEVEL
        )
    return points[""], intervals[""][0], intervals[""][1]


def numbers(by_task: ByTask) -> tuple[dict[str, dict[int, float]], list[str]]:
    """The values that are finite numbers, and a note for those that are not."""
    kept: dict[str, dict[int, float]] = {}
    notes = []
    for task, values in by_task.items():
        kept[task] = {seed: float(v) for seed, v in sorted(values.items()) if v is not None and math.isfinite(v)}
        lost = sorted(values.keys() - kept[task].keys())
        if lost:
            notes.append(f"{task}: seed {', '.join(map(str, lost))} has no finite number and was left out")
    return kept, notes


def matrix(by_task: Mapping[str, Mapping[int, float]]) -> tuple[np.ndarray, list[str]]:
    """[seeds, tasks], tasks in their order; empty [0, tasks] when a task has no value.

    Seeds of different tasks are not paired, so ragged ones are cut to the smallest count, lowest seeds first.
    """
    counts = {task: len(values) for task, values in by_task.items()}
    least = min(counts.values(), default=0)
    notes = []
    if least == 0:
        empty = [task for task, count in counts.items() if count == 0]
        notes.append(f"no aggregate: no finished run on {', '.join(empty) or 'any task'}")
    elif max(counts.values()) > least:
        poorest = next(task for task, count in counts.items() if count == least)
        dropped = [f"{task} seed {seed}" for task, values in by_task.items() for seed in sorted(values)[least:]]
        notes.append(
            f"ragged seeds: {poorest} has {least}, so the aggregate takes the {least} lowest of every task,"
            f" without {', '.join(dropped)}"
        )
    columns = [[values[seed] for seed in sorted(values)[:least]] for values in by_task.values()]
    return np.asarray(columns, dtype=float).reshape(len(by_task), least).T, notes


def aggregate(
    by_task: ByTask, statistics: Mapping[str, Statistic], seed: int, repetitions: int
) -> tuple[dict[str, Estimate], list[str]]:
    """One estimate a statistic, over all tasks and seeds."""
    kept, notes = numbers(by_task)
    values, more = matrix(kept)
    notes += more
    seeds = len(values)
    if seeds == 0:
        return dict.fromkeys(statistics, NOTHING), notes
    functions = list(statistics.values())

    def together(
        sample: np.ndarray,
    ) -> np.ndarray:  # all statistics of one resample: four times fewer resamples
        return np.array([function(sample) for function in functions])

    if seeds == 1:
        notes.append("one seed: no interval over seeds exists")
        return {name: Estimate(float(f(values)), None, None, 1) for name, f in statistics.items()}, notes
    point, low, high = bootstrap(values, together, seed, repetitions)
    return {
        name: Estimate(float(point[i]), float(low[i]), float(high[i]), seeds) for i, name in enumerate(statistics)
    }, notes


def task_means(by_task: ByTask, seed: int, repetitions: int) -> dict[str, Estimate]:
    """The mean over the seeds of each task, every finite value used; no interval with a single seed."""
    kept, _ = numbers(by_task)
    estimates = dict.fromkeys(by_task, NOTHING)
    for count in {len(values) for values in kept.values()} - {0}:  # rliable wants equally many seeds in each column
        tasks = [task for task, values in kept.items() if len(values) == count]
        values = np.array([list(kept[task].values()) for task in tasks]).T  # [seeds, tasks]
        means = values.mean(axis=0)
        if count == 1:
            estimates.update(
                {task: Estimate(float(mean), None, None, 1) for task, mean in zip(tasks, means, strict=True)}
            )
            continue
        _, low, high = bootstrap(values, lambda sample: sample.mean(axis=0), seed, repetitions)
        for i, task in enumerate(tasks):
            estimates[task] = Estimate(float(means[i]), float(low[i]), float(high[i]), count)
    return estimates


def band(curves: np.ndarray, seed: int, repetitions: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(mean, low, high), each [points], of curves [seeds, points]: 95 % percentile bootstrap over whole curves.

    A point where a seed has no number is NaN; with one seed the band is NaN. (Plain numpy, as rliable resamples every
    point on its own.)
    """
    mean = curves.mean(axis=0)
    if len(curves) < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    picks = np.random.default_rng(seed).integers(len(curves), size=(repetitions, len(curves)))
    weights = np.stack([(picks == i).mean(axis=1) for i in range(len(curves))], axis=1)  # [repetitions, seeds]
    low, high = np.percentile(weights @ curves, PERCENTILES, axis=0)
    return mean, low, high
