"""One method against a reference method, task by task.

Tasks are paired, seeds are not: equal seeds of two methods share nothing but a number. Everything here is linear in the
seeds of a task, so every seed counts, also where tasks have different numbers of them. Intervals are 95 % percentile
intervals; the seeds of both methods are resampled within each task.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats

from analysis.metrics import NOTHING, PERCENTILES, ByTask, Estimate, numbers

POWER = 0.8  # that a test of size 5 % is to have (ours; the usual figure)
EFFECT = 0.1  # difference of normalised scores that is to be seen (ours)


class Paired(NamedTuple):
    """Method minus reference. `better` and `worse` are the tasks where the interval of the difference of the means
    excludes 0; `seeds_needed` of each method, see seeds_needed."""

    tasks: tuple[str, ...]  # that both have values of
    difference: Estimate  # of the mean scores of a task, averaged over the tasks
    improvement: Estimate  # probability that a run of the method beats one of the reference, averaged over the tasks
    better: tuple[str, ...]
    worse: tuple[str, ...]
    seeds_needed: int | None


def against(method: ByTask, reference: ByTask, seed: int, repetitions: int, effect: float = EFFECT) -> Paired:
    """The comparison on the tasks that both have finite values of. No interval where a task has a single seed."""
    ours, theirs = numbers(method)[0], numbers(reference)[0]
    tasks = tuple(task for task in ours if ours[task] and theirs.get(task))
    if not tasks:
        return Paired((), NOTHING, NOTHING, (), (), None)
    rng = np.random.default_rng(seed)
    points, draws, variances, counts = [], [], [], []
    for task in tasks:
        x, y = (np.array(list(values[task].values())) for values in (ours, theirs))
        wins = (x[:, None] > y) + 0.5 * (x[:, None] == y)  # [x, y]
        a, b = resampled(rng, len(x), repetitions), resampled(rng, len(y), repetitions)
        points.append((x.mean() - y.mean(), wins.mean()))
        draws.append((a @ x - b @ y, np.sum(a @ wins * b, axis=1)))
        counts.append(min(len(x), len(y)))
        variances.append(x.var(ddof=1) + y.var(ddof=1) if counts[-1] > 1 else math.nan)
    value, together = np.mean(points, axis=0), np.mean(draws, axis=0)  # [2], [2, repetitions]
    least = min(counts)
    low, high = np.percentile(together, PERCENTILES, axis=1)
    difference, improvement = (
        Estimate(float(v), float(a) if least > 1 else None, float(b) if least > 1 else None, least)
        for v, a, b in zip(value, low, high, strict=True)
    )
    better, worse = [], []
    for task, (difference_on_task, _), count in zip(tasks, draws, counts, strict=True):
        task_low, task_high = np.percentile(difference_on_task, PERCENTILES)
        if count > 1 and task_low > 0:
            better.append(task)
        if count > 1 and task_high < 0:
            worse.append(task)
    return Paired(tasks, difference, improvement, tuple(better), tuple(worse), seeds_needed(variances, effect))


def resampled(rng: np.random.Generator, count: int, repetitions: int) -> np.ndarray:
    """[repetitions, count]: how much each of `count` values weighs in the mean of a resample with replacement."""
    return rng.multinomial(count, np.full(count, 1 / count), size=repetitions) / count


def seeds_needed(variances: Sequence[float], effect: float) -> int | None:
    """The seeds of each method (of each task) that a two-sided 5 % test of the mean difference needs to see `effect`
    with probability 0.8; None when a variance is not known.

    `variances` are, for each task, the sum of the variances between seeds of the two methods. The normal approximation
    of the power of a t test whose degrees of freedom are those of all tasks together.
    """
    total = float(np.sum(variances)) / len(variances) ** 2  # of the mean difference, times the seeds
    if not math.isfinite(total):
        return None
    wanted = [1 - 0.05 / 2, POWER]
    seeds = max(2, math.ceil(scipy.stats.norm.ppf(wanted).sum() ** 2 * total / effect**2))
    while scipy.stats.t.ppf(wanted, 2 * (seeds - 1) * len(variances)).sum() ** 2 * total / effect**2 > seeds:
        seeds += 1
    return seeds
