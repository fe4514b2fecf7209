"""Which methods differ on which tasks: Welch's t test on each task, and Holm's correction over the tasks.

Percentile bootstrap intervals of few runs exclude the true difference far too often, so they decide nothing here. With
5 or 10 seeds the error rate of Welch's test at 5 % is at most 6 % with normal returns of unequal variance, and with
exponential ones (tests/analysis/stats/test_error_rates.py simulates it). Where returns are as skewed as that and the
variances differ too, it is up to 12 % on one task: no test of so few runs that keeps its power does much better.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.special

SIZE = 0.05  # of a family of tests
ROUNDING = 1e-12  # share of the values that is no difference: sums of the same numbers differ by less


def welch(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return two-sided p values [...] of the difference of the means of x [..., n] and y [..., m] (Welch 1947).

    n and m are at least 2. Samples without any spread differ surely (p = 0) or not at all (p = 1). What is smaller than
    the rounding of the values is no spread and no difference: the means of 5 and of 10 equal numbers may differ by it.
    """
    parts = [values.var(axis=-1, ddof=1) / values.shape[-1] for values in (x, y)]
    squares = sum(part**2 / (values.shape[-1] - 1) for part, values in zip(parts, (x, y), strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = (parts[0] + parts[1]) ** 2 / squares
    largest = np.maximum(np.abs(x).max(axis=-1), np.abs(y).max(axis=-1))
    return _p_values(x.mean(axis=-1) - y.mean(axis=-1), parts[0] + parts[1], freedom, largest)


def one_sample(differences: np.ndarray) -> np.ndarray:
    """Return two-sided p values [...] of a t test that the mean of differences [..., n] of paired runs is 0."""
    n = differences.shape[-1]
    variance = differences.var(axis=-1, ddof=1) / n
    largest = np.abs(differences).max(axis=-1)
    return _p_values(differences.mean(axis=-1), variance, np.full_like(variance, n - 1), largest)


def _p_values(difference: np.ndarray, variance: np.ndarray, freedom: np.ndarray, largest: np.ndarray) -> np.ndarray:
    spreads, differs = (size > ROUNDING * largest for size in (np.sqrt(variance), np.abs(difference)))
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * scipy.special.stdtr(freedom, -np.abs(difference) / np.sqrt(variance))
    return np.where(spreads, p, np.where(differs, 0.0, 1.0))


def holm(p: np.ndarray) -> np.ndarray:
    """Adjust p values [..., tests] (Holm 1979): those that are below SIZE afterwards may be rejected together."""
    order = np.argsort(p, axis=-1)
    factors = np.arange(p.shape[-1], 0, -1)
    rising = np.maximum.accumulate(np.take_along_axis(p, order, axis=-1) * factors, axis=-1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(rising, 1.0), axis=-1)
    return adjusted


def clear_best(values: Sequence[Mapping[str, np.ndarray]], fewest: int) -> list[str | None]:
    """Return the clear best row of each task, None if it has none. `values` are {row: values [runs]} of each task.

    The mean of the clear best is the highest, and differs from the mean of every other row of the task (Welch's test at
    SIZE, with Holm's correction over the tasks). A task is tested if at least two rows have values on it, and all of
    those have `fewest` or more.
    """
    bests: list[str | None] = [None] * len(values)
    p = np.ones(len(values))
    for i, by_row in enumerate(values):
        there = {row: own for row, own in by_row.items() if len(own)}
        if len(there) > 1 and min(map(len, there.values())) >= fewest:
            best = bests[i] = max(there, key=lambda row: there[row].mean())
            p[i] = max(welch(there[best], own) for row, own in there.items() if row != best)
    tested = [i for i, best in enumerate(bests) if best is not None]
    clear = dict(zip(tested, holm(p[tested]) < SIZE, strict=True))
    return [best if clear.get(i) else None for i, best in enumerate(bests)]
