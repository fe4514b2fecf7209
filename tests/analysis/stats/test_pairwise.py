"""One method against another: every estimator beside an implementation of its own."""

import itertools
import math

import numpy as np
import pytest
from rliable import library, metrics

from analysis.stats import pairwise
from analysis.stats.metrics import NOTHING
from analysis.stats.pairwise import against
from tests.support.scores import by_task
from tests.support.seeding import numpy_seeded


@pytest.mark.parametrize(("seeds", "others", "tasks"), [(5, 5, 4), (10, 3, 2)])
def test_agrees_with_rliable(seeds, others, tasks):
    rng = np.random.default_rng(seeds)
    x, y = rng.normal(5.4, 1.0, (seeds, tasks)), rng.normal(5.0, 1.0, (others, tasks))
    pair = against(by_task(x), by_task(y), seed=0, repetitions=4000)
    assert pair.improvement.value == pytest.approx(metrics.probability_of_improvement(x, y))
    assert pair.difference.value == pytest.approx(metrics.aggregate_iqm(x) - metrics.aggregate_iqm(y))
    assert pair.ratio.value == pytest.approx(metrics.aggregate_iqm(x) / metrics.aggregate_iqm(y))
    statistics = {
        "improvement": metrics.probability_of_improvement,
        "difference": lambda a, b: metrics.aggregate_iqm(a) - metrics.aggregate_iqm(b),
        "ratio": lambda a, b: metrics.aggregate_iqm(a) / metrics.aggregate_iqm(b),
    }
    for name, statistic in statistics.items():
        with numpy_seeded(1):
            function = lambda a, b, f=statistic: np.array([f(a, b)])  # noqa: E731
            (low,), (high,) = library.get_interval_estimates({"": [x, y]}, function, reps=1000)[1][""]
        estimate = getattr(pair, name)
        assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.12 * (high - low)), name
        assert estimate.seeds == min(seeds, others)


def test_interval_agrees_with_all_resamples_of_a_tiny_case():
    x, y = [0.0, 1.0, 5.0], [0.0, 2.0]
    pair = against(by_task([[v] for v in x]), by_task([[v] for v in y]), 0, 20_000, statistic="mean")
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


def test_one_wide_task_does_not_decide():
    """A task with a score range of 1,400 where the reference wins: its mean is better, its IQM is not."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(1.5, 0.2, (5, 10)), rng.normal(1.0, 0.2, (5, 10))
    x[:, 0], y[:, 0] = rng.normal(300, 50, 5), rng.normal(360, 50, 5)
    by_iqm, by_mean = (against(by_task(x), by_task(y), 0, 500, statistic=name) for name in ("IQM", "mean"))
    assert by_iqm.difference.low > 0.3 and by_iqm.ratio.low > 1.2 and by_iqm.seeds_needed < 100
    assert by_mean.difference.value < 0 and by_mean.seeds_needed > 10_000


def test_few_seeds_are_better_at_nothing():
    """Two seeds against two: the interval of equals excludes 0 in a third of the experiments."""
    x, y = by_task(np.array([[10.0], [11.0]])), by_task(np.array([[0.0], [1.0]]))
    pair = against(x, y, seed=0, repetitions=100)
    assert pair.difference.low > 0
    assert pair.better == pair.worse == pair.judged == ()


@pytest.mark.parametrize(("seeds", "tasks"), [(1, 1), (2, 1), (2, 10), (10, 1)])
def test_a_probability_of_0_or_1_has_an_interval(seeds, tasks):
    x, y = np.arange(seeds * tasks, dtype=float).reshape(seeds, tasks) + 1000, np.zeros((seeds, tasks))
    won = against(by_task(x), by_task(y), 0, 100).improvement
    assert won.value == won.high == 1 and 0.1 < won.low < 0.99
    lost = against(by_task(y), by_task(x), 0, 100).improvement
    assert lost.value == lost.low == 0 and lost.high == pytest.approx(1 - won.low)
    assert pairwise.reversed_probability(won) == (pytest.approx(0), 0, pytest.approx(lost.high), seeds)


def test_the_score_interval_is_wilsons():
    """Of 8 successes in 10: the textbook's 0.490 to 0.943."""
    low, high = pairwise.score_interval(0.8, lambda p: p * (1 - p) / 10)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))


def test_a_ratio_needs_a_reference_above_0():
    x, y = np.random.default_rng(0).normal(size=(2, 5, 3))
    assert against(by_task(x + 10), by_task(y - 10), 0, 50).ratio == NOTHING
    assert against(by_task(x + 10), by_task(y - y.mean() + 0.01), 0, 50).ratio == NOTHING  # in too many resamples not


def test_runs_are_paired_on_request_only():
    """Seeds that differ far more than the methods do."""
    rng = np.random.default_rng(0)
    y = rng.normal(0, 10, (8, 3))
    x = y + rng.normal(1, 0.1, y.shape)
    apart, together = (against(by_task(x), by_task(y), 0, 500, paired=paired) for paired in (False, True))
    assert apart.better == () and len(together.better) == 3
    assert apart.improvement.value < 0.7 and together.improvement.value == 1
    width = [pair.difference.high - pair.difference.low for pair in (apart, together)]
    assert width[1] < 0.3 * width[0]
    assert 0 < together.improvement.low < 1


def test_pairs_are_of_equal_seeds():
    x = {"a": {0: 1.0, 1000: 2.0, 2000: 3.0}, "b": {7: 1.0}}
    y = {"a": {2000: 0.0, 0: 0.0, 5: 9.0}, "b": {8: 1.0}}
    pair = against(x, y, 0, 50, statistic="mean", paired=True)
    assert pair.tasks == ("a",) and pair.difference.value == 2.0 and pair.difference.seeds == 2


def test_only_tasks_that_both_have_and_every_seed_counts():
    x = {"a": {0: 1.0, 1: 2.0, 2: 9.0}, "b": {0: 1.0}, "c": {0: None, 1: math.nan}}
    y = {"a": {0: 0.0, 5: 2.0}, "c": {0: 1.0}, "d": {0: 1.0}}
    pair = against(x, y, seed=0, repetitions=100)
    assert pair.tasks == ("a",)
    assert pair.difference.value == pytest.approx(4.0 - 1.0)
    assert against({"a": {}}, y, 0, 10) == ((), NOTHING, NOTHING, NOTHING, (), (), (), None, 0)


def test_one_seed_gives_no_interval():
    pair = against(
        {"a": {0: 1.0, 1: 2.0}, "b": {0: 3.0}}, {"a": {0: 0.0, 1: 1.0}, "b": {0: 0.0}}, 0, 100, statistic="mean"
    )
    assert pair.difference == (2.0, None, None, 1)
    assert pair.seeds_needed is None


def test_reproducible_by_seed():
    values = np.random.default_rng(0).normal(size=(2, 5, 3))
    first, again, other = (against(*map(by_task, values), seed=seed, repetitions=100) for seed in (0, 0, 1))
    assert first == again and first.difference.low != other.difference.low
