"""Aggregates over runs, with 95 % intervals from a stratified bootstrap (Agarwal et al. 2021, section 4).

Values come by task and seed: {"atari/Pong": {0: 0.3, 1: 0.5}, ...}. Where all tasks have equally many runs, aggregates
and intervals equal rliable's (tests/analysis/stats/test_stratified.py). A value that is not a finite number is left
out. One run gives a value and no interval. If a task has no value, there is no aggregate.
"""

import functools
import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from analysis.stats import stratified
from analysis.stats.stratified import Sample
from suite.program.terminal import counted

ByTask = Mapping[str, Mapping[int, float | None]]


LEVEL = 0.95
PERCENTILES = (2.5, 97.5)
FEW_SEEDS = 5  # with fewer, percentile intervals over seeds cover far less than they say
NAMED = 3  # tasks that a note names

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

SCORE_STATISTICS = stratified.STATISTICS


class Estimate(NamedTuple):
    """A value and its interval; None where there is none. `seeds` is the number of runs on the task that has
    fewest."""

    value: float | None
    low: float | None
    high: float | None
    seeds: int


NOTHING = Estimate(None, None, None, 0)


def estimate(value: float, draws: np.ndarray, seeds: int, method: Any = "linear") -> Estimate:
    """Return a value with its 95 % percentile interval over `draws` [repetitions]; no interval with one seed.

    `method` is numpy's; draws that may be infinite need "inverted_cdf", which interpolates nothing.
    """
    if seeds < 2:
        return Estimate(value, None, None, seeds)
    low, high = np.percentile(draws, PERCENTILES, method=method).tolist()
    return Estimate(value, low, high, seeds)


def numbers(by_task: ByTask) -> tuple[dict[str, dict[int, float]], list[str]]:
    """Return the values that are finite numbers, seeds rising, and a note that counts the others."""
    kept = {
        task: {seed: float(v) for seed, v in sorted(values.items()) if v is not None and math.isfinite(v)}
        for task, values in by_task.items()
    }
    lost = {task: len(values) - len(kept[task]) for task, values in by_task.items() if len(values) > len(kept[task])}
    if not lost:
        return kept, []
    return kept, [f"{counted(sum(lost.values()), 'run')} without a finite number left out, on {some(lost)}"]


def some(names: Iterable[str]) -> str:
    """List names in a text: all of them, or the first NAMED and how many more there are."""
    names = list(names)
    more = len(names) - NAMED
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:NAMED])} and {more} more"


def no_aggregate(kept: Mapping[str, Mapping[int, float]]) -> list[str]:
    """Return the note that tasks without any value allow no aggregate; empty if every task has a value."""
    empty = [task for task, values in kept.items() if not values]
    if kept and not empty:
        return []
    return [f"no aggregate: no number on {some(empty) or 'any task'}"]


def unequal(kept: Mapping[str, Mapping[int, float]]) -> list[str]:
    """Return the note on tasks with different numbers of values; empty if all have equally many."""
    counts = {len(values) for values in kept.values()}
    few, many = min(counts), max(counts)
    if few == many:
        return []
    return [f"unequal numbers of runs, {few} to {many}: all are used, each with a weight of 1 / n"]


def aggregate(
    by_task: ByTask, statistics: Mapping[str, stratified.Statistic], seed: int, repetitions: int
) -> tuple[dict[str, Estimate], list[str]]:
    """Estimate each statistic over all tasks and runs; return {statistic: estimate} and notes."""
    kept, notes = numbers(by_task)
    if missing := no_aggregate(kept):
        return dict.fromkeys(statistics, NOTHING), notes + missing
    found = stratified.sample(kept)
    notes += unequal(kept)
    fewest = int(found.counts.min())
    if fewest == 1:
        single = [task for task, values in kept.items() if len(values) == 1]
        notes.append(f"one seed on {some(single)}: no interval over seeds exists")
    return _estimates(found, statistics, seed, repetitions), notes


def iqm(by_task: ByTask, seed: int, repetitions: int) -> Estimate:
    """Estimate the IQM over all tasks and runs, as `aggregate` does, without its notes."""
    kept, _ = numbers(by_task)
    if no_aggregate(kept):
        return NOTHING
    return _estimates(stratified.sample(kept), {"IQM": SCORE_STATISTICS["IQM"]}, seed, repetitions)["IQM"]


def _estimates(
    found: Sample, statistics: Mapping[str, stratified.Statistic], seed: int, repetitions: int
) -> dict[str, Estimate]:
    """Return an estimate for each statistic; no interval if a task has a single run."""
    fewest = int(found.counts.min())
    times = stratified.rliables_resamples(tuple(found.counts.tolist()), seed, repetitions)
    return {
        name: estimate(float(each(found, found.once)), each(found, times), fewest) for name, each in statistics.items()
    }


def task_means(by_task: ByTask, seed: int, repetitions: int) -> dict[str, Estimate]:
    """Return {task: mean over its runs}, with every finite value used; NOTHING for a task without any.

    With FEW_SEEDS runs or more, its 95 % interval; with fewer, the lowest and the highest run; with one, neither.
    """
    kept, _ = numbers(by_task)
    estimates = dict.fromkeys(by_task, NOTHING)
    for count in {len(values) for values in kept.values()} - {0}:  # rliable draws equally many seeds of each task
        tasks = [task for task, values in kept.items() if len(values) == count]
        values = np.array([list(kept[task].values()) for task in tasks]).T  # [seeds, tasks]
        if count >= FEW_SEEDS:
            times = stratified.rliables_resamples((count,) * len(tasks), seed, repetitions)
            found = Sample(values.T.ravel(), np.full(len(tasks), count))
            means, (low, high) = values.mean(axis=0), percentiles(stratified.task_means(found, times))
        else:
            means, low, high = values.mean(axis=0), values.min(axis=0), values.max(axis=0)
        for i, task in enumerate(tasks):
            if count == 1:
                estimates[task] = Estimate(float(means[i]), None, None, 1)
            else:
                estimates[task] = Estimate(float(means[i]), float(low[i]), float(high[i]), count)
    return estimates


def band(curves: np.ndarray, seed: int, repetitions: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (mean, low, high), each [points], of curves [seeds, points].

    The band is a 95 % percentile bootstrap over whole curves; with one seed it is NaN. A point where a seed has no
    number is NaN. (Plain numpy, as rliable resamples every point on its own.)
    """
    mean = curves.mean(axis=0)
    if len(curves) < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    return mean, *percentiles(_mean_weights(len(curves), seed, repetitions) @ curves)


def percentiles(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (low, high), each [points], of draws [repetitions, points]; sorted first, as numpy is faster then."""
    low, high = np.percentile(np.sort(draws, axis=0), PERCENTILES, axis=0)
    return low, high


@functools.cache
def _mean_weights(runs: int, seed: int, repetitions: int) -> np.ndarray:
    """Draw resamples [repetitions, runs]: what each run weighs in the mean. Cached, as many bands are alike."""
    picks = np.random.default_rng(seed).integers(runs, size=(repetitions, runs))
    return np.stack([(picks == i).mean(axis=1) for i in range(runs)], axis=1)
