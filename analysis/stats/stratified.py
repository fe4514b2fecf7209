"""Statistics of runs on several tasks, with any number of runs on each: every task weighs the same.

A run weighs 1 / (tasks x n), where n is how many runs its task has. The bootstrap resamples the runs within each task,
n of them on each, and never the tasks (Agarwal et al. 2021, section 4). A resample is given by how often it takes each
run: `times` [..., runs], whole numbers. With equal n all statistics are those of rliable (tests/analysis/stats).
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

TRIM = 0.25  # of the weight, at either end of an interquartile mean

Draw = Callable[..., np.ndarray]  # (n, size=...) -> whole numbers in [0, n), as Generator.integers draws them


class Sample(NamedTuple):
    """The runs of one method: `values` [runs], task by task, and `counts` [tasks], how many runs each task has."""

    values: np.ndarray
    counts: np.ndarray

    @property
    def once(self) -> np.ndarray:
        """`times` [runs] of the sample itself: each run once."""
        return np.ones(len(self.values), dtype=int)

    def split(self, values: np.ndarray) -> list[np.ndarray]:
        """Split [..., runs] by task -> [..., runs of a task] for each task."""
        return np.split(values, np.cumsum(self.counts)[:-1], axis=-1)


def sample(by_task: Mapping[str, Mapping[int, float]]) -> Sample:
    """Make a sample of {task: {seed: value}}, seeds rising. Raises ValueError without tasks, or if one has no run."""
    counts = np.array([len(values) for values in by_task.values()], dtype=int)
    if len(counts) == 0 or counts.min() == 0:
        raise ValueError("every task needs a run")
    values = [values[seed] for values in by_task.values() for seed in sorted(values)]
    return Sample(np.array(values, dtype=float), counts)


# Resamples ----------


def resamples(draw: Draw, counts: Sequence[int] | np.ndarray, repetitions: int) -> np.ndarray:
    """Draw resamples with `counts` [tasks] runs of each task, as the sample has; return `times` [repetitions, runs].

    Equal counts are drawn as one matrix [repetitions, runs, tasks], as rliable draws them.
    """
    counts = np.asarray(counts)
    if (counts == counts[0]).all():
        picks = draw(counts[0], size=(repetitions, counts[0], len(counts)))
        return _times(picks + counts[0] * np.arange(len(counts)), counts.sum())
    parts = [_times(draw(n, size=(repetitions, n)), n) for n in counts]
    return np.concatenate(parts, axis=1)


def _times(picks: np.ndarray, runs: int) -> np.ndarray:
    """Count how often each run was picked [repetitions, runs], of indices of runs [repetitions, ...]."""
    repetitions = len(picks)
    flat = picks.reshape(repetitions, -1) + runs * np.arange(repetitions)[:, None]
    return np.bincount(flat.ravel(), minlength=repetitions * runs).reshape(repetitions, runs)


@functools.lru_cache(maxsize=4)
def rliables_resamples(counts: tuple[int, ...], seed: int, repetitions: int) -> np.ndarray:
    """Return the resamples that rliable draws after numpy.random.seed(seed), for equal counts.

    They are cached, as most methods have the same counts.
    """
    return resamples(np.random.RandomState(seed).randint, counts, repetitions)


# Statistics: (a sample, times [..., runs]) -> [...] ----------


def task_means(found: Sample, times: np.ndarray) -> np.ndarray:
    """Return the mean over the runs of each task [..., tasks]."""
    means: np.ndarray = _by_task(found, times * found.values) / _by_task(found, times)
    return means


def _by_task(found: Sample, values: np.ndarray) -> np.ndarray:
    """Sum values [..., runs] over the runs of each task -> [..., tasks]."""
    starts = np.cumsum(found.counts) - found.counts
    sums: np.ndarray = np.add.reduceat(values, starts, axis=-1)
    return sums


def mean(found: Sample, times: np.ndarray) -> np.ndarray:
    """Return the mean over all runs, in which each task weighs the same [...]."""
    value: np.ndarray = task_means(found, times).mean(axis=-1)
    return value


def median(found: Sample, times: np.ndarray) -> np.ndarray:
    """Return the median of the tasks' means [...]."""
    value: np.ndarray = np.median(task_means(found, times), axis=-1)
    return value


def optimality_gap(found: Sample, times: np.ndarray) -> np.ndarray:
    """Return how far the runs are from a score of 1 on average [...]; a run above 1 counts as 1."""
    return 1 - mean(Sample(np.minimum(found.values, 1.0), found.counts), times)


def iqm(found: Sample, times: np.ndarray) -> np.ndarray:
    """Return the interquartile mean over all runs, in which each task weighs the same [...]."""
    return trimmed_mean(found.values, times, weights(found, times))


def weights(found: Sample, times: np.ndarray) -> np.ndarray:
    """Return what a run weighs each time it is taken [runs]; every resample must take equally many of a task."""
    taken = _by_task(found, times.reshape(-1, len(found.values))[0])
    return np.repeat(1 / (len(taken) * taken), found.counts)


def trimmed_mean(values: np.ndarray, times: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the interquartile mean of weighted values.

    values [runs], times [..., runs], weight [runs] -> [...]; the weights of what is taken sum to 1. The lowest and the
    highest quarter of all weight is left out, so perhaps a part of a run. Equal weights give
    scipy.stats.trim_mean(..., 0.25), which leaves out whole runs (a quarter of them, rounded down). A NaN among the
    values makes the result NaN.
    """
    order = np.argsort(values, kind="stable")
    if np.isnan(values[order[-1]]):
        return np.full(times.shape[:-1], np.nan)
    times, weight = times[..., order], weight[order]
    if (weight == weight[0]).all():
        return _trimmed_mean_of_equals(values[order], times)
    upto = np.cumsum(times * weight, axis=-1)
    kept = np.diff(np.clip(upto, TRIM, 1 - TRIM), axis=-1, prepend=TRIM)
    value: np.ndarray = (kept @ values[order]) / (1 - 2 * TRIM)
    return value


def _trimmed_mean_of_equals(rising: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the trimmed mean for equal weights, with whole runs counted. Every resample must have the same size."""
    upto = np.cumsum(times, axis=-1)
    size = int(upto.reshape(-1, len(rising))[0, -1])
    cut = int(TRIM * size)
    kept = np.diff(np.clip(upto, cut, size - cut), axis=-1, prepend=cut)
    value: np.ndarray = (kept @ rising) / (size - 2 * cut)
    return value


Statistic = Callable[[Sample, np.ndarray], np.ndarray]
STATISTICS: dict[str, Statistic] = {
    "IQM": iqm,
    "median": median,
    "mean": mean,
    "optimality gap": optimality_gap,
}
