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

from analysis.stats.metrics import FEW_SEEDS, NOTHING, PERCENTILES, ByTask, Estimate, numbers

POWER = 0.8  # that a test of size 5 % is to have (ours; the usual figure)
PLANNED = 0.8  # confidence that the seeds suffice (Browne 1995)
EFFECT = 0.1  # difference of normalised scores that is to be seen (ours)


class Paired(NamedTuple):
    """Method minus reference. `better` and `worse` are those of the `judged` tasks, on which both have FEW_SEEDS or
    more, where the interval of the difference of the means excludes 0; `seeds_needed` of each method, see seeds_needed.
    """

    tasks: tuple[str, ...]  # that both have values of
    difference: Estimate  # of the mean scores of a task, averaged over the tasks
    improvement: Estimate  # probability that a run of the method beats one of the reference, averaged over the tasks
    better: tuple[str, ...]
    worse: tuple[str, ...]
    judged: tuple[str, ...]
    seeds_needed: int | None


def against(method: ByTask, reference: ByTask, seed: int, repetitions: int, effect: float = EFFECT) -> Paired:
    """The comparison on the tasks that both have finite values of. No interval where a task has a single seed."""
    ours, theirs = numbers(method)[0], numbers(reference)[0]
    tasks = tuple(task for task in ours if ours[task] and theirs.get(task))
    if not tasks:
        return Paired((), NOTHING, NOTHING, (), (), (), None)
    rng = np.random.default_rng(seed)
    points, draws, variances, counts, freedom = [], [], [], [], 0
    for task in tasks:
        x, y = (np.array(list(values[task].values())) for values in (ours, theirs))
        wins = (x[:, None] > y) + 0.5 * (x[:, None] == y)  # [x, y]
        a, b = resampled(rng, len(x), repetitions), resampled(rng, len(y), repetitions)
        points.append((x.mean() - y.mean(), wins.mean()))
        draws.append((a @ x - b @ y, np.sum(a @ wins * b, axis=1)))
        counts.append(min(len(x), len(y)))
        variances.append(x.var(ddof=1) + y.var(ddof=1) if counts[-1] > 1 else math.nan)
        freedom += len(x) + len(y) - 2
    value, together = np.mean(points, axis=0), np.mean(draws, axis=0)  # [2], [2, repetitions]
    least = min(counts)
    low, high = np.percentile(together, PERCENTILES, axis=1)
    difference, improvement = (
        Estimate(float(v), float(a) if least > 1 else None, float(b) if least > 1 else None, least)
        for v, a, b in zip(value, low, high, strict=True)
    )
    judged = {task: draw for task, (draw, _), count in zip(tasks, draws, counts, strict=True) if count >= FEW_SEEDS}
    better = tuple(task for task, draw in judged.items() if np.percentile(draw, PERCENTILES[0]) > 0)
    worse = tuple(task for task, draw in judged.items() if np.percentile(draw, PERCENTILES[1]) < 0)
    needed = seeds_needed(upper_limits(variances, freedom), effect)
    return Paired(tasks, difference, improvement, better, worse, tuple(judged), needed)


def resampled(rng: np.random.Generator, count: int, repetitions: int) -> np.ndarray:
    """[repetitions, count]: how much each of `count` values weighs in the mean of a resample with replacement."""
    return rng.multinomial(count, np.full(count, 1 / count), size=repetitions) / count


def upper_limits(variances: Sequence[float], freedom: int) -> list[float]:
    """Variances that were estimated with so many degrees of freedom in all, raised so that their sum is at its
    upper 80 % confidence limit. A plain estimate from few seeds is too low more often than not, and then the seeds
    planned with it are too few (Browne 1995, Statistics in Medicine 14)."""
    return [variance * freedom / scipy.stats.chi2.ppf(1 - PLANNED, freedom) for variance in variances]


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
