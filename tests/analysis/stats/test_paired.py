"""One method against another: every estimator beside an implementation of its own."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from rliable import library, metrics

from analysis.stats.metrics import NOTHING, numpy_seeded
from analysis.stats.paired import against, resampled, seeds_needed


def by_task(values):
    """[seeds, tasks] -> {task: {seed: value}}."""
    return {f"task{j}": {i: float(v) for i, v in enumerate(column)} for j, column in enumerate(np.asarray(values).T)}


@pytest.mark.parametrize(("seeds", "others", "tasks"), [(5, 5, 4), (10, 3, 2)])
def test_agrees_with_rliable(seeds, others, tasks):
    rng = np.random.default_rng(seeds)
    x, y = rng.normal(0.4, 1.0, (seeds, tasks)), rng.normal(0.0, 1.0, (others, tasks))
    pair = against(by_task(x), by_task(y), seed=0, repetitions=4000)
    assert pair.improvement.value == pytest.approx(metrics.probability_of_improvement(x, y))
    assert pair.difference.value == pytest.approx(np.mean(x.mean(axis=0) - y.mean(axis=0)))
    statistics = {
        "improvement": metrics.probability_of_improvement,
        "difference": lambda a, b: np.mean(a) - np.mean(b),
    }
    for name, statistic in statistics.items():
        with numpy_seeded(1):
            _, ((low,), (high,)) = (
                None,
                library.get_interval_estimates({"": [x, y]}, lambda a, b, f=statistic: np.array([f(a, b)]), reps=1000)[
                    1
                ][""],
            )
        estimate = getattr(pair, name)
        assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.12 * (high - low)), name
        assert estimate.seeds == min(seeds, others)


def test_interval_agrees_with_all_resamples_of_a_tiny_case():
    x, y = [0.0, 1.0, 5.0], [0.0, 2.0]
    pair = against(by_task([[v] for v in x]), by_task([[v] for v in y]), seed=0, repetitions=20_000)
    every = [
        (np.mean(a) - np.mean(b), np.mean([(i > j) + 0.5 * (i == j) for i in a for j in b]))
        for a in itertools.product(x, repeat=3)
        for b in itertools.product(y, repeat=2)
    ]
    for estimate, values in zip((pair.difference, pair.improvement), np.transpose(every), strict=True):
        low, high = np.percentile(values, [2.5, 97.5], method="inverted_cdf")
        assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=1e-9)


def test_ties_are_halves_and_equals_are_even():
    same = by_task(np.arange(6.0).reshape(3, 2))
    pair = against(same, same, seed=0, repetitions=100)
    assert (pair.difference.value, pair.improvement.value) == (0.0, 0.5)
    assert pair.better == pair.worse == ()


def test_tasks_that_are_better_and_worse():
    x = by_task(np.tile([[10.0, 0.0, 0.0]], (5, 1)) + np.arange(5)[:, None])
    y = by_task(np.tile([[0.0, 10.0, 0.0]], (5, 1)) + np.arange(5)[:, None])
    pair = against(x, y, seed=0, repetitions=500)
    assert (pair.better, pair.worse) == (("task0",), ("task1",))
    assert pair.judged == pair.tasks
    assert pair.improvement.value == pytest.approx((1 + 0 + 0.5) / 3)


def test_few_seeds_are_better_at_nothing():
    """Two seeds against two: the interval of equals excludes 0 in a third of the experiments."""
    x, y = by_task(np.array([[10.0], [11.0]])), by_task(np.array([[0.0], [1.0]]))
    pair = against(x, y, seed=0, repetitions=100)
    assert pair.difference.low > 0
    assert pair.better == pair.worse == pair.judged == ()


def test_only_tasks_that_both_have_and_every_seed_counts():
    x = {"a": {0: 1.0, 1: 2.0, 2: 9.0}, "b": {0: 1.0}, "c": {0: None, 1: math.nan}}
    y = {"a": {0: 0.0, 5: 2.0}, "c": {0: 1.0}, "d": {0: 1.0}}
    pair = against(x, y, seed=0, repetitions=100)
    assert pair.tasks == ("a",)
    assert pair.difference.value == pytest.approx(4.0 - 1.0)
    assert against({"a": {}}, y, 0, 10) == ((), NOTHING, NOTHING, (), (), (), None)


def test_one_seed_gives_no_interval():
    pair = against({"a": {0: 1.0, 1: 2.0}, "b": {0: 3.0}}, {"a": {0: 0.0, 1: 1.0}, "b": {0: 0.0}}, 0, 100)
    assert pair.difference == (2.0, None, None, 1)
    assert pair.seeds_needed is None


def test_reproducible_by_seed():
    values = np.random.default_rng(0).normal(size=(2, 5, 3))
    first, again, other = (against(*map(by_task, values), seed=seed, repetitions=100) for seed in (0, 0, 1))
    assert first == again and first.difference.low != other.difference.low


@given(st.integers(1, 12), st.integers(1, 20))
def test_weights_of_a_resample(count, repetitions):
    weights = resampled(np.random.default_rng(0), count, repetitions)
    assert weights.shape == (repetitions, count)
    assert weights.sum(axis=1) == pytest.approx(1)
    assert np.allclose(weights * count, np.round(weights * count))


def test_seeds_needed_on_one_task_are_those_of_the_exact_power():
    """Beside the noncentral t distribution, which is exact for two normal samples of one variance."""
    for deviation, effect in ((1.0, 1.0), (0.3, 0.1), (0.5, 1.0)):
        seeds = seeds_needed([2 * deviation**2], effect)

        def power(n, deviation=deviation, effect=effect):
            shift = effect / (deviation * math.sqrt(2 / n))
            edge = scipy.stats.t.ppf(0.975, 2 * n - 2)
            return scipy.stats.nct.sf(edge, 2 * n - 2, shift) + scipy.stats.nct.cdf(-edge, 2 * n - 2, shift)

        exact = next(n for n in itertools.count(2) if power(n) >= 0.8)
        assert abs(seeds - exact) <= 1, (deviation, effect)


def test_seeds_planned_from_few_suffice_four_times_in_five():
    rng = np.random.default_rng(0)
    true = seeds_needed([2 * 0.1**2], 0.1)
    plans = [
        against(by_task(x), by_task(y), seed=0, repetitions=2).seeds_needed
        for x, y in rng.normal(0, 0.1, (500, 2, 3, 1))
    ]
    assert np.mean([plan >= true for plan in plans]) == pytest.approx(0.8, abs=3 * math.sqrt(0.16 / 500))


def test_seeds_needed_follow_variance_tasks_and_effect():
    assert seeds_needed([0.02], 0.1) == 17  # textbook: two groups, one standard deviation apart
    assert seeds_needed([2.0] * 10, 0.1) == pytest.approx(seeds_needed([2.0], 0.1) / 10, rel=0.01)
    assert seeds_needed([0.0], 0.1) == 2
    assert seeds_needed([0.1, math.nan], 0.1) is None
