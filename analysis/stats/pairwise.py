"""One method against another, task by task.

Tasks are paired. Seeds are not, unless `paired` is set: equal seeds of two methods share nothing but a number. Every
run counts, even if tasks have different numbers of runs. Intervals are 95 % percentile intervals of a joint
stratified bootstrap: the runs of both methods are resampled within each task. Where they are paired, runs of the same
task and seed are resampled together.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.optimize
import scipy.stats

from analysis.stats import significance, stratified
from analysis.stats.metrics import FEW_SEEDS, LEVEL, NOTHING, ByTask, Estimate, estimate, numbers
from analysis.stats.planning import seeds_needed
from analysis.stats.stratified import Sample

EFFECT = 0.1  # difference of normalised scores that is to be detected (ours)


class Pairwise(NamedTuple):
    """A method against a reference. On the `judged` tasks both have FEW_SEEDS runs or more; `better` and `worse` are
    those of them where the means differ (Welch's test, or a paired t test if paired, with Holm's correction).
    `seeds_needed` is that of planning.seeds_needed."""

    tasks: tuple[str, ...]  # that both have values of
    difference: Estimate  # of the statistic over these tasks, method - reference
    ratio: Estimate  # method / reference; nothing where the reference is not clearly above 0
    improvement: Estimate  # probability that a run of the method beats one of the reference, averaged over the tasks
    better: tuple[str, ...]
    worse: tuple[str, ...]
    judged: tuple[str, ...]
    seeds_needed: int | None
    unpaired: int = 0  # runs on these tasks that were left out, as the other method has none of their seed


class Pair(NamedTuple):
    """The runs of two methods on the tasks that both have, and whether runs of the same place belong together."""

    tasks: tuple[str, ...]
    ours: Sample
    theirs: Sample
    paired: bool

    def by_task(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the values of both methods on each task: ours [runs] and theirs [runs], seeds rising."""
        ours, theirs = (found.split(found.values) for found in (self.ours, self.theirs))
        return list(zip(ours, theirs, strict=True))

    @property
    def fewest(self) -> int:
        """How many runs a method has on a task at least."""
        return int(min(*self.ours.counts, *self.theirs.counts))


def pair(method: ByTask, reference: ByTask, paired: bool = False) -> Pair | None:
    """Keep the finite values on tasks that both have, and with `paired` on seeds that both have; None without any."""
    ours, theirs = dict(numbers(method)[0]), dict(numbers(reference)[0])
    for task in ours.keys() & theirs.keys() if paired else ():
        both = ours[task].keys() & theirs[task].keys()
        ours[task] = {seed: value for seed, value in ours[task].items() if seed in both}
        theirs[task] = {seed: value for seed, value in theirs[task].items() if seed in both}
    tasks = tuple(task for task in ours if ours[task] and theirs.get(task))
    if not tasks:
        return None
    x, y = (stratified.sample({task: values[task] for task in tasks}) for values in (ours, theirs))
    return Pair(tasks, x, y, paired)


def against(
    method: ByTask,
    reference: ByTask,
    seed: int,
    repetitions: int,
    effect: float = EFFECT,
    statistic: str = "IQM",
    paired: bool = False,
) -> Pairwise:
    """Compare a method with a reference on the tasks that both have.

    `statistic` is a key of stratified.STATISTICS, and `effect` the difference of it that `seeds_needed` is for. If a
    task has a single run, difference and ratio have no interval.
    """
    found = pair(method, reference, paired)
    if found is None:
        return Pairwise((), NOTHING, NOTHING, NOTHING, (), (), (), None)
    times = _resamples(found, seed, repetitions)
    function = stratified.STATISTICS[statistic]
    value, other = (float(function(own, own.once)) for own in (found.ours, found.theirs))
    draws, others = function(found.ours, times[0]), function(found.theirs, times[1])
    difference = estimate(value - other, draws - others, found.fewest)
    ratio = NOTHING
    if other > 0 and (others > 0).mean() >= LEVEL:
        ratio = estimate(value / other, draws[others > 0] / others[others > 0], found.fewest)
    needed = seeds_needed(found.ours, found.theirs, statistic, effect, seed)
    there = sum(len(kept[task]) for kept in (numbers(method)[0], numbers(reference)[0]) for task in found.tasks)
    unpaired = there - len(found.ours.values) - len(found.theirs.values)
    return Pairwise(found.tasks, difference, ratio, _improvement(found, times), *_judged(found), needed, unpaired)


def improvement(method: ByTask, reference: ByTask, seed: int, repetitions: int, paired: bool = False) -> Estimate:
    """Estimate the probability that a run of the method beats one of the reference on the same task.

    It is averaged over the tasks that both have, and a tie counts one half. NOTHING if they share no task.
    """
    found = pair(method, reference, paired)
    return NOTHING if found is None else _improvement(found, _resamples(found, seed, repetitions))


def reversed_probability(found: Estimate) -> Estimate:
    """Turn the probability that a method beats the reference into the one that the reference beats the method."""
    value, low, high = (None if number is None else 1 - number for number in found[:3])
    return Estimate(value, high, low, found.seeds)


# The bootstrap ----------


def _resamples(found: Pair, seed: int, repetitions: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `times` [repetitions, runs] of both methods."""
    counts = tuple(found.ours.counts.tolist()), tuple(found.theirs.counts.tolist())
    return _draw_both(*counts, found.paired, seed, repetitions)


@functools.lru_cache(maxsize=4)
def _draw_both(
    counts: tuple[int, ...], others: tuple[int, ...], paired: bool, seed: int, repetitions: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw resamples of both methods. They are cached, as most pairs of methods have the same counts."""
    rng = np.random.default_rng(seed)
    ours, theirs = [], []
    for n, m in zip(counts, others, strict=True):
        ours.append(rng.multinomial(n, np.full(n, 1 / n), size=repetitions))
        theirs.append(ours[-1] if paired else rng.multinomial(m, np.full(m, 1 / m), size=repetitions))
    return np.concatenate(ours, axis=1), np.concatenate(theirs, axis=1)


def _improvement(found: Pair, times: tuple[np.ndarray, np.ndarray]) -> Estimate:
    parts = found.ours.split(times[0]), found.theirs.split(times[1])
    points, draws = [], []
    for (x, y), a, b in zip(found.by_task(), *parts, strict=True):
        if found.paired:
            wins = (x > y) + 0.5 * (x == y)  # [runs]
            draws.append(a @ wins / len(x))
        else:
            wins = (x[:, None] > y) + 0.5 * (x[:, None] == y)  # [runs, runs]
            draws.append(np.sum(a @ wins * b, axis=1) / wins.size)
        points.append(wins.mean())
    value, together = float(np.mean(points)), np.mean(draws, axis=0)
    resampled = estimate(value, together, found.fewest)
    if resampled.low == resampled.high:  # also where a task has a single run
        return Estimate(value, *score_interval(value, _variance(found)), found.fewest)
    return resampled


# Probabilities without spread ----------


def _variance(found: Pair) -> Callable[[float], float]:
    """Return the variance of the probability of improvement as a function of its true value.

    The true value is assumed to be that of every task. For unpaired runs this is method 5 of Newcombe 2006, Statistics
    in Medicine 25; for paired runs, the binomial variance.
    """

    def of(p: float) -> float:
        if found.paired:
            return p * (1 - p) * float(np.sum(1 / found.ours.counts)) / len(found.tasks) ** 2
        n, m = found.ours.counts, found.theirs.counts
        more = ((n + m) / 2 - 1) * ((1 - p) / (2 - p) + p / (1 + p))
        return p * (1 - p) * float(np.sum((1 + more) / (n * m))) / len(found.tasks) ** 2

    return of


def score_interval(value: float, variance: Callable[[float], float]) -> tuple[float, float]:
    """Return the 95 % interval of all p with |value - p| <= z sqrt(variance(p)), a score interval like Wilson's.

    For a probability that no resample varies, as all runs of one method beat all of the other, or as there is one run.
    """
    z = float(scipy.stats.norm.ppf(0.5 + LEVEL / 2))

    def beyond(p: float) -> float:
        return (value - p) ** 2 - z**2 * variance(p)

    low = scipy.optimize.brentq(beyond, 0, value - 1e-9) if value > 0 else 0.0
    high = scipy.optimize.brentq(beyond, value + 1e-9, 1) if value < 1 else 1.0
    return float(low), float(high)


# Task by task ----------


def _judged(found: Pair) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the tasks on which the method is better, those on which it is worse, and those that were judged."""
    runs = {task: own for task, own in zip(found.tasks, found.by_task(), strict=True) if len(own[0]) >= FEW_SEEDS}
    runs = {task: (x, y) for task, (x, y) in runs.items() if len(y) >= FEW_SEEDS}
    if not runs:
        return (), (), ()
    test = (lambda x, y: significance.one_sample(x - y)) if found.paired else significance.welch
    differ = significance.holm(np.array([test(x, y) for x, y in runs.values()])) < significance.SIZE
    apart = {task: x.mean() - y.mean() for (task, (x, y)), clear in zip(runs.items(), differ, strict=True) if clear}
    better = tuple(task for task, difference in apart.items() if difference > 0)
    return better, tuple(task for task in apart if task not in better), tuple(runs)
