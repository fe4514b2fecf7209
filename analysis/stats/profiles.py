"""Scores over thresholds and over training: performance profiles and sample-efficiency curves (Agarwal et al. 2021)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.data import scores
from analysis.data.scores import PUBLISHED, References
from analysis.stats import metrics
from analysis.stats.metrics import ByTask

TAUS = np.linspace(0.0, 2.0, 81)  # thresholds of a normalised score
TRIM = 0.25  # of the runs, at either end of an interquartile mean


class Curve(NamedTuple):
    """`value`, `low` and `high` at each `x`, all [points]; low and high are NaN where there is no interval."""

    x: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def profile(by_task: ByTask, seed: int, repetitions: int, taus: np.ndarray = TAUS) -> tuple[Curve | None, list[str]]:
    """The fraction of runs whose score is above each threshold, with a pointwise 95 % band; None without any run."""
    kept, notes = metrics.numbers(by_task)
    values, more = metrics.matrix(kept)
    if len(values) == 0:
        return None, notes + more

    def above(sample: np.ndarray) -> np.ndarray:
        return 1 - np.searchsorted(np.sort(sample, axis=None), taus, side="right") / sample.size

    if len(values) == 1:
        nothing = np.full(len(taus), np.nan)
        return Curve(taus, above(values), nothing, nothing), notes + more
    return Curve(taus, *metrics.bootstrap(values, above, seed, repetitions)), notes + more


def iqm(values: np.ndarray) -> np.ndarray:
    """Interquartile mean over the first axis; a column with a NaN has NaN."""
    count, cut = len(values), int(TRIM * len(values))
    middle = np.partition(values, (cut, count - cut - 1), axis=0)[cut : count - cut]
    return np.where(np.isnan(values).any(axis=0), np.nan, middle.mean(axis=0))


def sample_efficiency(
    frame: pd.DataFrame, tasks: Sequence[str], seed: int, repetitions: int, references: References = PUBLISHED
) -> tuple[Mapping[str, Curve], list[str]]:
    """For each row of the tidy frame, the IQM of the normalised scores on the tasks, which have references, over the
    agent steps, with a pointwise 95 % band. A row without a run on one of them has no curve, as it has no aggregate.

    Runs are aligned by epoch and placed at the median agent step of theirs. Whole curves are resampled, seeds within
    each task (rliable would resample every point on its own). Ragged seeds are cut as in metrics.matrix, ragged epochs
    to the fewest of a row. A point where any run has no return is a gap.
    """
    curves, notes = {}, []
    for row, own in frame.groupby("row", sort=False):
        if not tasks or not set(tasks) <= set(own["task"]):
            continue
        own = own[own["task"].isin(tasks)]
        lines = {task: own[own["task"] == task].pivot(index="seed", columns="epoch", values="return") for task in tasks}
        seeds, epochs = (min(line.shape[axis] for line in lines.values()) for axis in (0, 1))
        if max(line.shape[1] for line in lines.values()) > epochs:
            notes.append(f"{row}: its curve ends at epoch {epochs}, the last that every task has")
        cube = np.stack(
            [_scored(task, line.to_numpy(float)[:seeds, :epochs], references) for task, line in lines.items()], axis=1
        )  # [seeds, tasks, epochs]
        steps = own.groupby("epoch")["agent_step"].median().to_numpy(float)[:epochs]
        curves[str(row)] = Curve(steps, *_iqm_band(cube, seed, repetitions))
    return curves, notes


def _scored(task: str, returns: np.ndarray, references: References) -> np.ndarray:
    known = scores.reference(task, references)
    assert known.reference is not None
    return (returns - known.random) / (known.reference - known.random)


def _iqm_band(cube: np.ndarray, seed: int, repetitions: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(value, low, high), each [points], of curves [seeds, tasks, points]."""
    seeds, tasks, points = cube.shape
    value = iqm(cube.reshape(-1, points))
    if seeds < 2:
        return value, np.full(points, np.nan), np.full(points, np.nan)
    rng = np.random.default_rng(seed)
    draws = np.empty((repetitions, points))
    for draw in draws:
        picks = rng.integers(seeds, size=(seeds, tasks))
        draw[:] = iqm(cube[picks, np.arange(tasks)].reshape(-1, points))
    low, high = np.percentile(draws, metrics.PERCENTILES, axis=0)
    return value, low, high


def tidy(curves: Mapping[str, Curve], x: str, value: str) -> pd.DataFrame:
    """Curves by row -> a frame with the columns row, `x`, `value`, low, high."""
    parts = [
        pd.DataFrame({"row": row, x: curve.x, value: curve.value, "low": curve.low, "high": curve.high})
        for row, curve in curves.items()
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["row", x, value, "low", "high"])
