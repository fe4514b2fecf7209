"""The joint statistics against plain loops, and against all resamples of tiny cases."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from analysis.stats import pareto, sweep_lines
from analysis.stats.pareto import Outcome
from tests.support.scores import by_task


def outcome(points, seeds: int = 5, tasks: int = 1) -> Outcome:
    """One whose resamples are these [n, 2], around the first of them."""
    draws = np.asarray(points, dtype=float)
    return Outcome(draws[0], draws, seeds, tasks)


def all_resamples(values: np.ndarray) -> list[tuple[float, float]]:
    """(sparsity, score) of every equally likely draw of the seeds within each task, from [seeds, tasks, 2]."""
    seeds, tasks, _ = values.shape
    within = list(itertools.product(range(seeds), repeat=seeds))
    draws = []
    for picks in itertools.product(within, repeat=tasks):
        runs = [values[seed, task] for task in range(tasks) for seed in picks[task]]
        sparsities, scores = zip(*runs, strict=True)
        draws.append((sum(sparsities) / len(runs), float(scipy.stats.trim_mean(scores, 0.25))))
    return draws


TINY = np.array([[[0.1, 1.0], [0.5, 2.0]], [[0.3, 4.0], [0.6, 9.0]]])  # 2 seeds, 2 tasks
OTHER = np.array([[[0.2, 2.0], [0.4, 1.0]], [[0.2, 5.0], [0.7, 8.0]]])


# The joint bootstrap ----------


def flat(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[seeds, tasks, 2] -> runs [seeds * tasks, 2], task by task, and how many each task has."""
    seeds, tasks, _ = values.shape
    return values.swapaxes(0, 1).reshape(-1, 2), np.full(tasks, seeds)


def resample(values: np.ndarray, seed: int, repetitions: int) -> np.ndarray:
    return pareto.resample(*flat(values), np.random.default_rng(seed), repetitions)


def test_resamples_are_those_of_an_exact_enumeration():
    """Each of the 16 resamples comes as often as it should, and no other does."""
    draws = resample(TINY, 0, 40_000)
    exact: dict[tuple[float, float], float] = {}
    for draw in all_resamples(TINY):
        key = round(draw[0], 6), round(draw[1], 6)
        exact[key] = exact.get(key, 0.0) + 1 / 16
    keys, counts = np.unique(draws.round(6), axis=0, return_counts=True)
    found = {tuple(key): count / len(draws) for key, count in zip(keys.tolist(), counts, strict=True)}
    assert found == pytest.approx(exact, abs=0.01)


def test_both_axes_are_of_the_same_runs():
    """Score = 3 sparsity in each run: drawn apart, the two would not agree."""
    sparsity = np.random.default_rng(0).uniform(size=(5, 1))
    values = np.stack([sparsity, 3 * sparsity], axis=-1)
    draws = resample(np.repeat(values[:2], 2, axis=0), 1, 200)  # 4 runs: IQM of the middle 2
    assert np.corrcoef(draws.T)[0, 1] > 0.9
    alone = resample(values[:3], 1, 200)  # 3 runs: nothing is cut, so a mean
    assert alone[:, 1] == pytest.approx(3 * alone[:, 0], abs=1e-5)


def test_a_row_does_not_depend_on_its_company():
    values = by_task(TINY[..., 0]), by_task(TINY[..., 1])
    alone, _ = pareto.outcomes({"a": values[0]}, {"a": values[1]}, 3, 50)
    beside, _ = pareto.outcomes(*({"b": v, "a": v} for v in values), 3, 50)
    assert np.array_equal(alone["a"].draws, beside["a"].draws)
    assert not np.array_equal(beside["a"].draws, beside["b"].draws)


def test_a_run_counts_only_with_both_numbers():
    sparsities = {"t": {0: 0.1, 1: 0.2, 2: None}}
    scores = {"t": {0: 1.0, 1: float("nan"), 2: 3.0}}
    values, counts = pareto.both(sparsities, scores)
    assert values.tolist() == [[0.1, 1.0]] and counts.tolist() == [1]


def test_unequal_numbers_of_runs_are_all_used():
    """Each task weighs the same: 4 runs of one and 2 of the other."""
    sparsities = {"t": dict.fromkeys(range(4), 0.2), "u": dict.fromkeys(range(2), 0.8)}
    scores = {"t": dict.fromkeys(range(4), 1.0), "u": dict.fromkeys(range(2), 3.0)}
    found, _ = pareto.outcomes({"a": sparsities}, {"a": scores}, 0, 20)
    assert found["a"].point == pytest.approx([0.5, 2.0])
    assert found["a"].draws == pytest.approx(np.tile([0.5, 2.0], (20, 1)))
    assert (found["a"].seeds, found["a"].tasks) == (2, 2)


def test_what_is_missing_is_said():
    found, notes = pareto.outcomes(
        {"a": {"t": {0: 0.5}}, "b": {"t": {0: 0.5}, "u": {}}},
        {"a": {"t": {0: 1.0}}, "b": {"t": {0: 1.0}, "u": {}}},
        0,
        10,
    )
    assert list(found) == ["a"] and found["a"].seeds == 1
    assert "a: one seed" in notes[0] and "b: not on the two axes" in notes[1]
    assert pareto.on_front(found) == {} and pareto.region(found["a"]) is None


# Confidence regions ----------


def test_a_region_is_hotellings_ellipse_of_the_mean():
    """Against the textbook's T2 region of a bivariate mean, made from the sample covariance."""
    rng = np.random.default_rng(0)
    sample = rng.normal(size=(10, 2)) @ np.array([[0.1, 0.0], [0.4, 0.5]])
    mean, covariance = sample.mean(axis=0), np.cov(sample, rowvar=False) / 10
    draws = sample[rng.integers(10, size=(200_000, 10))].mean(axis=1)
    found = pareto.region(Outcome(mean, draws, seeds=10, tasks=1))
    assert found is not None
    away = found.outline() - mean
    distances = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away)
    assert distances == pytest.approx(2 * 9 / 8 * scipy.stats.f.ppf(0.95, 2, 8), rel=0.02)


@pytest.mark.parametrize("signs", [(-1, 1), (1, -1), (-1, -1)])
def test_a_region_is_drawn_alike_whatever_signs_eigenvectors_have(signs, monkeypatch):
    shown = outcome([[0.1, 0.2], [0.3, 0.5], [0.2, 0.9], [0.6, 0.7]], seeds=5)
    expected, eigh = pareto.region(shown).outline(), np.linalg.eigh
    monkeypatch.setattr(np.linalg, "eigh", lambda matrix: (eigh(matrix)[0], eigh(matrix)[1] * signs))
    assert np.array_equal(pareto.region(shown).outline(), expected)


def holds(region, where):
    """Whether a region holds a point."""
    away = where - region.centre
    inner = np.linalg.pinv(region.axes) @ away
    return np.allclose(region.axes @ inner, away, atol=pareto.NO_SPREAD) and inner @ inner <= 1


@pytest.mark.parametrize(("seeds", "tasks"), [(5, 1), (10, 1), (5, 4), (10, 4)])
def test_regions_cover_what_they_say(seeds, tasks):
    """At least 95 - 2 % of the regions hold the true point, with sparsity and score of a run correlated; up to 98 % do,
    as resamples overstate the variance of an IQM of few runs."""
    rng = np.random.default_rng(seeds + tasks)
    mix = np.array([[0.05, -0.2], [0.0, 0.3]])
    simulations = 1500
    hits = 0
    for _ in range(simulations):
        values = 0.5 + rng.normal(size=(seeds, tasks, 2)) @ mix
        runs, counts = flat(values)
        point = pareto.point(runs, counts, np.ones(len(runs), dtype=int))
        found = pareto.region(Outcome(point, pareto.resample(runs, counts, rng, 300), seeds, tasks))
        hits += found is not None and holds(found, np.array([0.5, 0.5]))
    assert 0.93 < hits / simulations < 0.99


def test_a_fixed_sparsity_leaves_students_interval():
    scores = np.array([1.0, 2.0, 4.0, 4.5, 7.0, 9.0])
    draws = np.random.default_rng(0).choice(scores, (200_000, 6)).mean(axis=1)
    fixed = np.stack([np.full(len(draws), 0.95), draws], axis=-1)
    found = pareto.region(Outcome(np.array([0.95, scores.mean()]), fixed, seeds=6, tasks=1))
    assert found is not None
    low, high = scipy.stats.t.interval(0.95, 5, scores.mean(), scipy.stats.sem(scores))
    outline = found.outline(400)
    assert set(outline[:, 0]) == {0.95}
    assert (outline[:, 1].min(), outline[:, 1].max()) == pytest.approx((low, high), rel=0.01)
    assert holds(found, np.array([0.95, low + 0.1])) and not holds(found, np.array([0.94, scores.mean()]))


def test_no_spread_is_a_point():
    found = pareto.region(outcome([[0.5, 1.0]] * 4))
    assert found is not None and np.ptp(found.outline(), axis=0).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("seeds", "tasks", "there"), [(1, 60, False), (2, 3, False), (2, 4, True), (5, 1, True)])
def test_too_few_runs_have_no_region(seeds, tasks, there):
    assert (pareto.region(outcome([[0.5, 1.0], [0.6, 2.0]], seeds, tasks)) is not None) == there


# Dominance and the front ----------


@pytest.mark.parametrize("value", [-21.5, 0.1, -1 / 7, (9.4 - 23.8) / 15.5, 21_000.3])
def test_equal_scores_are_equal_with_any_number_of_seeds(value):
    runs = {"dense": (5, 0.0), "set": (10, 0.9), "rigl": (18, 0.9)}
    levels = {row: {"a": dict.fromkeys(range(seeds), level)} for row, (seeds, level) in runs.items()}
    reached = {row: {"a": dict.fromkeys(range(seeds), value)} for row, (seeds, _) in runs.items()}
    found, _ = pareto.outcomes(levels, reached, seed=0, repetitions=200)
    assert pareto.on_front(found) == {"dense": 0.0, "set": 1.0, "rigl": 1.0}
    assert pareto.dominance(found)["set", "rigl"] == pareto.dominance(found)["rigl", "set"] == 0.0


def test_the_front_by_hand():
    points = np.array([[0.0, 1.0], [0.5, 1.0], [0.9, 0.2], [0.9, 0.2], [0.6, 0.1]])
    assert pareto.front(points).tolist() == [False, True, True, True, False]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=8))
def test_the_front_is_what_nothing_dominates(points):
    def beaten(a):
        return any(b[0] >= a[0] and b[1] >= a[1] and b != a for b in points)

    assert pareto.front(np.array(points, dtype=float)).tolist() == [not beaten(point) for point in points]


def test_probabilities_are_those_of_an_exact_enumeration():
    """Two rows of 16 resamples each: 256 pairs, all as likely."""
    values = {"a": TINY, "b": OTHER}
    found, _ = pareto.outcomes(
        {row: by_task(v[..., 0]) for row, v in values.items()},
        {row: by_task(v[..., 1]) for row, v in values.items()},
        seed=0,
        repetitions=40_000,
    )
    pairs = list(itertools.product(*(np.round(all_resamples(v), 6).tolist() for v in values.values())))
    a_wins = sum(a[0] >= b[0] and a[1] >= b[1] and a != b for a, b in pairs) / len(pairs)
    b_wins = sum(b[0] >= a[0] and b[1] >= a[1] and a != b for a, b in pairs) / len(pairs)
    assert 0 < a_wins < 1 and 0 < b_wins < 1
    assert pareto.dominance(found) == pytest.approx({("a", "b"): a_wins, ("b", "a"): b_wins}, abs=0.01)
    assert pareto.on_front(found) == pytest.approx({"a": 1 - b_wins, "b": 1 - a_wins}, abs=0.01)


# Along a sweep ----------


def sweeps_of(levels, reference="dense"):
    """The sweeps of {method: sparsity}."""
    found = {method: outcome([[level, 1.0]]) for method, level in levels.items()}
    return sweep_lines.find(found, {method: method for method in levels}, reference)


GMP = {"gmp:final_sparsity=0.5": 0.5, "gmp": 0.95}


def test_rows_that_differ_in_their_final_sparsity_are_a_sweep():
    levels = {"dense": 0.0, **GMP, "gmp:final_sparsity=0.5,start=0.1": 0.5, "eaudeqn": 0.7, "eaudeqn:law=success": 0.6}
    names = {f"{method} {width}": (method, f", width={width}") for method in levels for width in (32, 512)}
    found = {row: outcome([[levels[method], 1.0]]) for row, (method, _) in names.items()}
    methods, variants = ({row: own[i] for row, own in names.items()} for i in (0, 1))
    assert sweep_lines.find(found, methods, variants=variants) == {
        f"gmp, width={width}": [f"{method} {width}" for method in list(levels)[:3]] for width in (32, 512)
    }
    assert sweeps_of(GMP) == {"gmp": list(GMP)}
    static = {"static:sparsity=0.5": 0.5, "static:sparsity=0.9": 0.9}
    assert sweeps_of({"dense": 0.0, **static, "rigl:sparsity=0.9": 0.9}) == {"static": ["dense", *static]}
    assert sweeps_of({method: levels[method] for method in ("dense", "eaudeqn", "eaudeqn:law=success")}) == {}


@pytest.mark.parametrize(
    ("levels", "reference", "start"),
    [
        ({"dense": 0.0, "eaudeqn": 0.6}, "eaudeqn", ["dense"]),  # pruned, so no point at sparsity 0
        ({"dense": 0.0}, "gmp", ["dense"]),  # in the sweep already
        ({"eaudeqn": 0.6}, "eaudeqn", []),
        ({"dense": 0.0, "mine": 0.0}, "mine", ["mine"]),
        ({"dense": 0.0, "gmp:final_sparsity=0": 0.0}, "dense", ["gmp:final_sparsity=0"]),
    ],
)
def test_a_sweep_begins_at_one_unpruned_row(levels, reference, start):
    assert sweeps_of(levels | GMP, reference) == {"gmp": start + list(GMP)}


def test_a_name_does_not_seed_the_resamples():
    values = by_task(TINY[..., 0]), by_task(TINY[..., 1])
    plain, _ = pareto.outcomes({"gmp": values[0]}, {"gmp": values[1]}, 3, 50)
    named, _ = pareto.outcomes({"GMP": values[0]}, {"GMP": values[1]}, 3, 50, names={"GMP": "gmp"})
    assert np.array_equal(plain["gmp"].draws, named["GMP"].draws)


def test_scores_between_rows_by_hand():
    points = np.array([[0.9, 0.2], [0.5, 1.0], [0.7, 0.4], [0.7, 0.8]])  # in no order, two at one sparsity: 0.6
    assert sweep_lines.score_at(points, 0.6) == pytest.approx(0.8)
    assert sweep_lines.score_at(points, 0.8) == pytest.approx(0.4)
    assert sweep_lines.score_at(points, 0.5) == 1.0
    assert math.isnan(sweep_lines.score_at(points, 0.49)) and math.isnan(sweep_lines.score_at(points, 0.91))


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(-5, 5)), min_size=1, max_size=6, unique_by=lambda p: p[0]),
    st.floats(0, 1),
)
def test_interpolation_agrees_with_plain_loops(points, where):
    ordered = sorted(points)
    expected = None
    for (x0, y0), (x1, y1) in zip(ordered, ordered[1:] or ordered, strict=False):
        if x0 <= where <= x1:
            expected = y0 if x0 == x1 else y0 + (y1 - y0) * (where - x0) / (x1 - x0)
            break
    found = sweep_lines.score_at(np.array(points), where)
    assert math.isnan(found) if expected is None else found == pytest.approx(expected, abs=1e-6)


def test_matched_sparsity_by_hand():
    """Three resamples, of which every one realises another sparsity on another sweep."""
    own = outcome([[0.6, 1.0], [0.5, 2.0], [0.8, 0.0]])
    sweep = [outcome([[0.5, 0.8], [0.5, 1.0], [0.5, 0.0]]), outcome([[0.9, 0.4], [0.9, 0.0], [0.9, 4.0]])]
    found = sweep_lines.matched(own, sweep)
    assert (found.sparsity, found.score, found.remark) == (0.6, 1.0, "")
    assert found.other == pytest.approx(0.7)
    assert found.difference[:3] == pytest.approx((0.3, -3.0, 1.0))  # the differences are 0.3, 1 and -3


def test_nothing_is_extrapolated():
    sweep = [outcome([[0.5, 1.0]] * 4), outcome([[0.9, 0.5]] * 4)]
    outside = sweep_lines.matched(outcome([[0.4, 1.0]] * 4), sweep)
    assert outside.other is None and outside.difference.value is None
    assert "0.400 lies outside the sweep's 0.500 to 0.900" in outside.remark
    partly = sweep_lines.matched(outcome([[0.6, 1.0], [0.6, 1.0], [0.6, 1.0], [0.4, 1.0]]), sweep)
    assert partly.difference[:3] == (pytest.approx(0.125), None, None) and "25%" in partly.remark


@pytest.mark.parametrize(
    ("threshold", "expected"), [(1.1, -math.inf), (1.0, 0.5), (0.9, 0.6), (0.5, 0.8), (0.4, 0.84), (0.25, math.inf)]
)
def test_how_far_a_score_is_kept(threshold, expected):
    points = np.array([[0.8, 0.5], [0.5, 1.0], [0.6, 0.9], [0.9, 0.25]])
    assert sweep_lines.last_kept(points, threshold) == pytest.approx(expected)


def test_a_row_that_recovers_does_not_count():
    assert sweep_lines.last_kept(np.array([[0.0, 1.0], [0.5, 0.0], [0.9, 1.0]]), 0.5) == 0.25


def test_kept_sparsity_and_its_ends():
    dense = outcome([[0.0, 1.0]] * 3)
    sweep = [dense, outcome([[0.5, 1.0], [0.5, 0.9], [0.5, 1.0]]), outcome([[0.9, 0.9], [0.9, 0.9], [0.9, 1.0]])]
    found = sweep_lines.kept_sparsity(sweep, dense)
    assert found[:3] == pytest.approx((0.7, 0.25, math.inf))
    assert sweep_lines.kept_sparsity(sweep, outcome([[0.0, -0.1]] * 3)).value is None


def test_against_dense_by_hand():
    dense = outcome([[0.0, 2.0], [0.0, 1.0], [0.0, 4.0], [0.0, 2.0]])
    own = outcome([[0.5, 1.0], [0.5, 1.0], [0.5, 3.8], [0.5, 1.0]])
    found = pareto.against(own, dense)
    assert found.ratio[:3] == pytest.approx((0.5, 0.5, 1.0))
    assert found.keeps == 0.5
    unsure = outcome([[0.0, 1.0], [0.0, -1.0]] * 2)
    assert pareto.against(own, unsure).ratio.value is None
    assert sweep_lines.kept_sparsity([unsure, own], unsure).value is None
