"""Scores over thresholds and over training: performance profiles and sample-efficiency curves (Agarwal et al. 2021)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.data import scores
from analysis.data.scores import PUBLISHED, References
from analysis.stats import metrics, stratified
from analysis.stats.metrics import ByTask
from analysis.stats.stratified import Sample

TAUS = np.linspace(0.0, 2.0, 81)  # thresholds of a normalised score
REMAIN = 0.05  # share of runs that are above the last threshold, where scores go beyond TAUS
BEYOND = 40  # thresholds there
APART = 1.25  # ratio of the agent steps at one epoch, of two tasks that share a curve (ours): an episode ends an epoch


class Curve(NamedTuple):
    """`value`, `low` and `high` at each `x`, all [points]; low and high are NaN where there is no interval."""

    x: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def thresholds(rows: Iterable[ByTask]) -> np.ndarray:
    """Return TAUS, and geometrically spaced ones up to the score that REMAIN of the runs of some row are above."""
    tops = []
    for by_task in rows:
        kept = metrics.numbers(by_task)[0]
        if not metrics.no_aggregate(kept):
            found = stratified.sample(kept)
            order = np.argsort(found.values)
            upto = np.cumsum(stratified.weights(found, found.once)[order])
            tops.append(found.values[order][np.searchsorted(upto, 1 - REMAIN)])
    top = max(tops, default=0.0)
    return np.concatenate([TAUS, np.geomspace(TAUS[-1], top, BEYOND + 1)[1:]]) if top > TAUS[-1] else TAUS


def profile(by_task: ByTask, seed: int, repetitions: int, taus: np.ndarray = TAUS) -> Curve | None:
    """Return the fraction of runs whose score is above each threshold `taus` [thresholds], with a pointwise 95 % band.

    Each task weighs the same. If all tasks have equally many runs, the resamples and the numbers are rliable's. None
    if a task has no score.
    """
    kept, _ = metrics.numbers(by_task)
    if metrics.no_aggregate(kept):
        return None
    found = stratified.sample(kept)
    weight = stratified.weights(found, found.once)
    above = found.values[:, None] > taus  # [runs, thresholds]
    value = weight @ above
    if found.counts.min() == 1:
        nothing = np.full(len(taus), np.nan)
        return Curve(taus, value, nothing, nothing)
    times = stratified.rliables_resamples(tuple(found.counts.tolist()), seed, repetitions)
    return Curve(taus, value, *metrics.percentiles((times * weight) @ above))


def sample_efficiency(
    frame: pd.DataFrame,
    tasks: Sequence[str],
    seed: int,
    repetitions: int,
    references: References = PUBLISHED,
    x: str = "agent_step",
) -> tuple[Mapping[str, Curve], list[str]]:
    """Return {row: curve}, the IQM of the normalised scores over agent steps with a pointwise 95 % band, and notes.

    `frame` is tidy, and all `tasks` have references. A row without a run on one of them has no curve, as it has no
    aggregate; nor has one whose tasks have epochs of different lengths, such as tasks of two families.

    Runs are aligned by epoch and placed at the median agent step of theirs, or at the median of another column `x`.
    Whole curves are resampled, runs within each task (rliable would resample every point on its own). Epochs that not
    every task of a row has are left out. A point where any run has no return is a gap.
    """
    curves, notes = {}, []
    for row, own in frame.groupby("row", sort=False):
        if not tasks or not set(tasks) <= set(own["task"]):
            continue
        own = own[own["task"].isin(tasks)]
        lines = own.pivot(index=["task", "seed"], columns="epoch", values="return")
        counted = own.groupby("epoch")["task"].nunique()
        shared = counted.index[counted == own["task"].nunique()]
        if shared.empty:
            notes.append(f"{row}: it has no curve over tasks, as no epoch is known of all of them")
            continue
        ends = own[own["epoch"] == shared[-1]].groupby("task")["agent_step"].median()
        if ends.max() > APART * ends.min():
            apart = f"{ends.min():,.0f} on {ends.idxmin()} and {ends.max():,.0f} on {ends.idxmax()}"
            notes.append(f"{row}: it has no curve over tasks, as epoch {shared[-1]} ends at agent step {apart}")
            continue
        if shared[-1] < counted.index[-1]:
            notes.append(f"{row}: its curve ends at epoch {shared[-1]}, the last that every task has")
        scored = [_scored(task, lines.loc[task][shared].to_numpy(float), references) for task in tasks]
        counts = np.array([len(line) for line in scored])
        places = own.groupby("epoch")[x].median()[shared].to_numpy(float)
        curves[str(row)] = Curve(places, *_iqm_band(np.concatenate(scored), counts, seed, repetitions))
    return curves, notes


def _scored(task: str, returns: np.ndarray, references: References) -> np.ndarray:
    known = scores.reference(task, references)
    assert known.random is not None and known.reference is not None
    return (returns - known.random) / (known.reference - known.random)


def _iqm_band(
    lines: np.ndarray, counts: np.ndarray, seed: int, repetitions: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (value, low, high), each [points], of curves [runs, points] and the `counts` of runs by task [tasks]."""
    points = [Sample(values, counts) for values in lines.T]
    value = np.array([stratified.iqm(found, found.once) for found in points])
    if counts.min() < 2:
        return value, np.full(len(value), np.nan), np.full(len(value), np.nan)
    times = stratified.resamples(np.random.default_rng(seed).integers, counts, repetitions)
    draws = np.stack([stratified.iqm(found, times) for found in points], axis=1)  # [repetitions, points]
    return value, *metrics.percentiles(draws)


def tidy(curves: Mapping[str, Curve], x: str, value: str) -> pd.DataFrame:
    """Make a frame with the columns row, `x`, `value`, low, high of the curves, a line for each point."""
    parts = [
        pd.DataFrame({"row": row, x: curve.x, value: curve.value, "low": curve.low, "high": curve.high})
        for row, curve in curves.items()
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["row", x, value, "low", "high"])
