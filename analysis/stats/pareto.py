"""Sparsity and score together: what a method reaches on both axes at once, and how sure that is.

Sparsity is an outcome of EauDeQN and an input of the others, so neither axis can be held still. The bootstrap here is
joint: a resample draws seeds within each task, and takes the realised sparsity and the score of the same runs. Its
point is (mean sparsity, IQM of the scores) over all tasks and seeds. Rows of the table are resampled each on its own,
as their runs are independent; probabilities are shares of the resamples.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import f as f_distribution

from analysis.stats import stratified
from analysis.stats.metrics import FEW_SEEDS, LEVEL, NOTHING, ByTask, Estimate, estimate, numbers
from analysis.stats.stratified import Sample

KEPT = 0.95  # of dense's score: "within 5 % of dense"
LEAST_FREEDOM = 4  # degrees; below that a 95 % region would be larger than any figure
DIGITS = 13  # of a score; later ones depend on how many numbers were added
NO_SPREAD = 1e-9  # standard deviation of a sparsity or a score that is rounding


@dataclass(frozen=True, eq=False)
class Outcome:
    """One row of the table: `point` [2] = (sparsity, score), its resamples `draws` [repetitions, 2], how many seeds of
    how many tasks it rests on (of the task that has fewest)."""

    point: np.ndarray
    draws: np.ndarray
    seeds: int
    tasks: int


# The joint bootstrap ----------


def outcomes(
    sparsities: Mapping[str, ByTask],
    scores: Mapping[str, ByTask],
    seed: int,
    repetitions: int,
    axes: str = "a sparsity and a score",
    names: Mapping[str, str] = {},
) -> tuple[dict[str, Outcome], list[str]]:
    """Return {row: outcome} of sparsities and scores {row: {task: {seed: value}}}, and notes.

    A row without a value on some task has no outcome, as it would be compared over other tasks than the rest. `names`
    maps renamed rows to their names before: these seed the resamples, so a new name changes no number.
    """
    found, notes = {}, []
    for row in sparsities:
        values, counts = both(sparsities[row], scores[row])
        seeds = int(counts.min(initial=len(values)))
        if seeds == 0:
            notes.append(f"{row}: not on the two axes, as a task has no run with both {axes}")
            continue
        if seeds == 1:
            notes.append(f"{row}: one seed, so a point without a region, and in none of the probabilities")
        elif seeds < FEW_SEEDS:
            notes.append(f"{row}: {seeds} seeds, so its probabilities are surer of themselves than they should be")
        rng = np.random.default_rng([seed, *names.get(row, row).encode()])
        once = np.ones(len(values), dtype=int)
        found[row] = Outcome(
            point(values, counts, once), resample(values, counts, rng, repetitions), seeds, len(counts)
        )
    return found, notes


def both(sparsities: ByTask, scores: ByTask) -> tuple[np.ndarray, np.ndarray]:
    """Return (values [runs, 2], counts [tasks]) of the runs with sparsity and score, task by task, seeds rising."""
    levels, reached = numbers(sparsities)[0], numbers(scores)[0]
    runs = {task: sorted(levels[task].keys() & kept.keys()) for task, kept in reached.items()}
    values = [(levels[task][seed], reached[task][seed]) for task, seeds in runs.items() for seed in seeds]
    return np.array(values, dtype=float).reshape(-1, 2), np.array([len(seeds) for seeds in runs.values()], dtype=int)


def point(values: np.ndarray, counts: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return (mean sparsity, IQM of the scores) [..., 2] of runs [runs, 2], each taken `times` [..., runs].

    Sparsities are rounded to a millionth, so that methods which prune to the same level are equally sparse, and scores
    to DIGITS of the highest, so that methods whose runs all have the same score are equally good.
    """
    sparsity, score = (Sample(column, counts) for column in values.T)
    decimals = DIGITS - math.ceil(math.log10(max(float(np.abs(score.values).max()), 1.0)))
    return np.stack([stratified.mean(sparsity, times).round(6), stratified.iqm(score, times).round(decimals)], axis=-1)


def resample(values: np.ndarray, counts: np.ndarray, rng: np.random.Generator, repetitions: int) -> np.ndarray:
    """Return the points [repetitions, 2] of resamples of runs [runs, 2], drawn with replacement within each task; both
    axes have the same runs."""
    return point(values, counts, stratified.resamples(rng.integers, counts, repetitions))


def interval(value: float, draws: np.ndarray, seeds: int) -> Estimate:
    """Return a 95 % percentile interval; no interval with one seed. Infinite draws are allowed."""
    return estimate(value, draws, seeds, method="inverted_cdf")


# Confidence regions ----------


class Region(NamedTuple):
    """All points centre + axes @ u with |u| <= 1; a zero column of `axes` [2, 2] is an axis without spread."""

    centre: np.ndarray
    axes: np.ndarray

    def outline(self, points: int = 100) -> np.ndarray:
        """Return points on the edge of the region [points, 2]; the last one is the first."""
        angle = np.linspace(0, 2 * np.pi, points)
        points_there: np.ndarray = self.centre + np.stack([np.cos(angle), np.sin(angle)], axis=-1) @ self.axes.T
        return points_there


def region(outcome: Outcome) -> Region | None:
    """Return the 95 % confidence region, a normal ellipse; None if there are too few seeds.

    An ellipse, since a mean and a trimmed mean of many runs are near normal; the hull or the density of the resamples
    would take over the bootstrap's narrowness. That is corrected here: resampling n seeds finds (n - 1)/n of the
    variance, and the radius is Hotelling's, with tasks x (seeds - 1) degrees of freedom, in place of the normal one. In
    simulations with 5 and 10 seeds such regions hold the true point 95 to 98 % of the time.
    """
    freedom = outcome.tasks * (outcome.seeds - 1)
    if freedom < LEAST_FREEDOM:
        return None
    spread = outcome.draws.std(axis=0) * math.sqrt(outcome.seeds / (outcome.seeds - 1))
    spread[spread < NO_SPREAD] = 0.0
    if not spread.any():
        return Region(outcome.point, np.zeros((2, 2)))
    standard = (outcome.draws - outcome.draws.mean(axis=0)) / np.where(spread > 0, outcome.draws.std(axis=0), 1.0)
    variances, directions = np.linalg.eigh(np.cov(standard * (spread > 0), rowvar=False, bias=True))
    variances[variances < NO_SPREAD] = 0.0
    directions *= np.sign([1.0, 0.5] @ directions)  # LAPACK's signs, and so the figures, differ between processors
    rank = int((variances > 0).sum())
    radius2 = rank * freedom / (freedom - rank + 1) * f_distribution.ppf(LEVEL, rank, freedom - rank + 1)
    return Region(outcome.point, spread[:, None] * directions * np.sqrt(variances * radius2))


# Dominance and the front ----------


def dominates(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return whether a [..., 2] dominates b [..., 2], bool [...]: at least as sparse and as good, and better in one."""
    return np.logical_and((a >= b).all(axis=-1), (a > b).any(axis=-1))


def front(points: np.ndarray) -> np.ndarray:
    """Return which points [methods, ..., 2] no other one dominates, bool [methods, ...]. Equal points never do."""
    return np.logical_not(dominates(points[:, None], points[None]).any(axis=0))


def on_front(found: Mapping[str, Outcome]) -> dict[str, float]:
    """Return {row: probability of being on the Pareto front}, of the rows with two seeds or more."""
    rows = _resampled(found)
    if not rows:
        return {}
    shares = front(np.stack([found[row].draws for row in rows])).mean(axis=1)
    return dict(zip(rows, map(float, shares), strict=True))


def dominance(found: Mapping[str, Outcome]) -> dict[tuple[str, str], float]:
    """Return {(a, b): probability that a dominates b} of the pairs of different rows with two seeds or more."""
    rows = _resampled(found)
    return {(a, b): float(dominates(found[a].draws, found[b].draws).mean()) for a in rows for b in rows if a != b}


def _resampled(found: Mapping[str, Outcome]) -> list[str]:
    return [row for row, outcome in found.items() if outcome.seeds > 1]


# Beside dense ----------


class Against(NamedTuple):
    """A row's score as a share of dense's, and the probability that it keeps KEPT of it."""

    ratio: Estimate
    keeps: float | None


def above_random(dense: Outcome) -> np.ndarray:
    """Return in which resamples [repetitions] dense's score is above a random policy's, so that a share of it has a
    meaning. All are False if the score itself is not above it, or if this holds in less than LEVEL of them."""
    positive: np.ndarray = dense.draws[:, 1] > 0
    return positive if dense.point[1] > 0 and positive.mean() >= LEVEL else np.zeros_like(positive)


def against(own: Outcome, dense: Outcome, share: float = KEPT) -> Against:
    """Compare a row with dense; NOTHING if dense's score is not surely above a random policy's (see `above_random`)."""
    positive = above_random(dense)
    if not positive.any():
        return Against(NOTHING, None)
    seeds = min(own.seeds, dense.seeds)
    ratios = own.draws[positive, 1] / dense.draws[positive, 1]
    ratio = interval(float(own.point[1] / dense.point[1]), ratios, seeds)
    return Against(ratio, None if seeds < 2 else float((ratios >= share).mean()))
