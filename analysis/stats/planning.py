"""How many seeds an experiment needs, simulated from the runs that there are."""

import bisect
import math

import numpy as np
import scipy.stats

from analysis.stats import stratified
from analysis.stats.stratified import Sample

POWER = 0.8  # that a test of size 5 % is to have (ours; the usual figure)
PLANNED = 0.8  # confidence that the seeds suffice (Browne 1995)
SIMULATIONS = 500  # experiments for each number of seeds that is tried
SIMULATED = 64  # seeds at most; beyond, the variance is taken to fall as 1 / seeds


def seeds_needed(ours: Sample, theirs: Sample, statistic: str, effect: float, seed: int) -> int | None:
    """Return how many seeds a method needs on a task so that a two-sided 5 % test detects a difference of `effect`.

    The test compares a statistic (a key of stratified.STATISTICS) of two methods on the same tasks, whose runs are
    `ours` and `theirs`, and detects the difference with probability POWER. `effect` is in units of the statistic.
    None where a task has a single run, as its variance is not known.

    The variance of the statistic with n seeds is that of SIMULATIONS experiments with n runs of each task, drawn with
    replacement from the runs that there are, after `widened` has raised their spread. The power is that of a normal
    approximation with the quantiles of a t distribution.
    """
    if min(*ours.counts, *theirs.counts) < 2:
        return None
    tasks = len(ours.counts)
    freedom = int(ours.counts.sum() + theirs.counts.sum()) - 2 * tasks
    samples = [widened(found, freedom) for found in (ours, theirs)]

    def variance(seeds: int) -> float:
        rng = np.random.default_rng(seed)
        return sum(_simulated_variance(found, statistic, seeds, rng) for found in samples)

    def detects(seeds: int) -> bool:
        return _quantiles(seeds, tasks) * variance(seeds) <= effect**2

    if detects(SIMULATED):
        return bisect.bisect_left(range(2, SIMULATED), True, key=detects) + 2
    return math.ceil(_quantiles(SIMULATED, tasks) * SIMULATED * variance(SIMULATED) / effect**2)


def _quantiles(seeds: int, tasks: int) -> float:
    """Return (t at 97.5 % + t at POWER) squared: effect squared over variance at which the power is POWER."""
    return float(scipy.stats.t.ppf([0.975, POWER], 2 * (seeds - 1) * tasks).sum() ** 2)


def widened(found: Sample, freedom: int) -> Sample:
    """Raise the deviations of runs from the mean of their task, so that their variance is not taken too low.

    They grow by sqrt(n / (n - 1)), as resampling n runs finds (n - 1) / n of the variance; and further, so that the
    variance is at its upper 80 % confidence limit (PLANNED), with `freedom` degrees of freedom in all. A plain estimate
    from few seeds is mostly too low, and so are the seeds planned with it (Browne 1995, Statistics in Medicine 14).
    """
    means = np.repeat(stratified.task_means(found, found.once), found.counts)
    n = np.repeat(found.counts, found.counts)
    factor = np.sqrt(n / (n - 1) * freedom / scipy.stats.chi2.ppf(1 - PLANNED, freedom))
    return Sample(means + factor * (found.values - means), found.counts)


def _simulated_variance(found: Sample, statistic: str, seeds: int, rng: np.random.Generator) -> float:
    times = [rng.multinomial(seeds, np.full(n, 1 / n), size=SIMULATIONS) for n in found.counts]
    return float(stratified.STATISTICS[statistic](found, np.concatenate(times, axis=1)).var())
