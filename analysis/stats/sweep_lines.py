"""The line of a sweep, which joins the rows of one method that differ only in the sparsity they were given."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from analysis.stats.metrics import LEVEL, NOTHING, Estimate
from analysis.stats.pareto import KEPT, Outcome, above_random, interval

SWEPT = ("final_sparsity", "sparsity")  # options that give a method its sparsity


def find(
    found: Mapping[str, Outcome],
    methods: Mapping[str, str],
    reference: str = "dense",
    variants: Mapping[str, str] = {},
) -> dict[str, list[str]]:
    """Return {name of a sweep: its rows}, of the rows that have an outcome.

    A sweep has two or more rows of one method, which differ only in the sparsity that they were given. If none of them
    is unpruned, another row that is comes before them, as their sparsity of 0 (ours).

    "gmp:final_sparsity=0.5" and "gmp" are the sweep "gmp", as a label leaves out what is at its default. `methods` maps
    rows to their methods, and `variants` those with swept options to these.
    """
    families: dict[tuple[str, str], list[str]] = {}
    for row in found:
        name, _, options = methods[row].partition(":")
        others = ",".join(part for part in options.split(",") if part.partition("=")[0] not in SWEPT)
        families.setdefault((f"{name}:{others}" if others else name, variants.get(row, "")), []).append(row)
    unpruned = [row for row in found if found[row].point[0] == 0]
    unpruned.sort(key=lambda row: methods[row] != reference)  # the reference's rows come first
    found_sweeps = {}
    for (name, variant), rows in families.items():
        if len(rows) > 1:
            starts = [row for row in unpruned if variants.get(row, "") == variant]
            found_sweeps[name + variant] = rows if set(rows) & set(starts) else starts[:1] + rows
    return found_sweeps


def curve(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (sparsities, scores), each [points], of rows [rows, 2], by rising sparsity.

    Rows of equal sparsity are one point, at their mean score. The scores may rise and fall: pruning may help.
    """
    levels, where, counts = np.unique(points[:, 0], return_inverse=True, return_counts=True)
    return levels, np.bincount(where, weights=points[:, 1]) / counts


def score_at(points: np.ndarray, sparsity: float) -> float:
    """Return the score at a sparsity, linear in between the rows; NaN outside of them, as nothing is extrapolated."""
    return float(np.interp(sparsity, *curve(points), left=np.nan, right=np.nan))


class Matched(NamedTuple):
    """A row and a sweep, both at the sparsity of the row. `remark` says why there is no number or no interval."""

    sparsity: float
    score: float
    other: float | None  # the sweep's score there
    difference: Estimate  # row - sweep
    remark: str


def matched(own: Outcome, sweep: Sequence[Outcome]) -> Matched:
    """Compare the score of a row with that of a sweep at the same sparsity. Every resample of the row is compared, at
    the sparsity that it realised, with the same resample of the sweep."""
    ends = np.stack([outcome.point for outcome in sweep])
    other = score_at(ends, own.point[0])
    draws = np.stack([outcome.draws for outcome in sweep], axis=1)  # [repetitions, rows, 2]
    others = np.array([score_at(points, x) for points, x in zip(draws, own.draws[:, 0], strict=True)])
    inside = float(np.isfinite(others).mean())
    seeds = min(own.seeds, *(outcome.seeds for outcome in sweep))
    place = float(own.point[0]), float(own.point[1])
    if math.isnan(other):
        low, high = ends[:, 0].min(), ends[:, 0].max()
        remark = f"sparsity {place[0]:.3f} lies outside the sweep's {low:.3f} to {high:.3f}; nothing is extrapolated"
        return Matched(*place, None, NOTHING, remark)
    difference = place[1] - other
    if inside < LEVEL:
        remark = f"no interval: {1 - inside:.0%} of the resamples lie outside the sweep"
        return Matched(*place, other, Estimate(difference, None, None, seeds), remark)
    gaps = (own.draws[:, 1] - others)[np.isfinite(others)]
    return Matched(*place, other, interval(difference, gaps, seeds), "one seed" if seeds < 2 else "")


def last_kept(points: np.ndarray, threshold: float) -> float:
    """Return the sparsity up to which a sweep's score, linear in between its rows [rows, 2], holds a threshold.

    This ends where the score first falls below: a sparser row that recovers does not count. -inf means that the least
    sparse row is below the threshold, and inf that no row is.
    """
    levels, scores = curve(points)
    below = np.flatnonzero(scores < threshold)
    if len(below) == 0:
        return math.inf
    first = below[0]
    if first == 0:
        return -math.inf
    share = (scores[first - 1] - threshold) / (scores[first - 1] - scores[first])
    return float(levels[first - 1] + share * (levels[first] - levels[first - 1]))


def kept_sparsity(sweep: Sequence[Outcome], dense: Outcome, share: float = KEPT) -> Estimate:
    """Estimate the sparsity up to which a sweep keeps `share` of dense's score (see `last_kept`); NOTHING if dense's
    score is not surely above a random policy's (see `above_random`)."""
    positive = above_random(dense)
    if not positive.any():
        return NOTHING
    value = last_kept(np.stack([outcome.point for outcome in sweep]), share * dense.point[1])
    lines = np.stack([outcome.draws for outcome in sweep], axis=1)  # [repetitions, rows, 2]
    draws = zip(lines[positive], dense.draws[positive, 1], strict=True)
    values = np.array([last_kept(points, share * score) for points, score in draws])
    return interval(value, values, min(dense.seeds, *(outcome.seeds for outcome in sweep)))
