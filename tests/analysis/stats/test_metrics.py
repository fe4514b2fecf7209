"""Every estimator against an implementation of its own, and every guard."""

import itertools

import numpy as np
import pytest
import scipy.stats

from analysis.stats import metrics
from analysis.stats.metrics import NOTHING, SCORE_STATISTICS, aggregate, band, task_means
from tests.support.scores import by_task

MEAN = {"mean": SCORE_STATISTICS["mean"]}


INDEPENDENT = {
    "IQM": lambda x: float(scipy.stats.trim_mean(np.ravel(x), 0.25)),
    "median": lambda x: float(np.median(x.sum(axis=0) / len(x))),
    "mean": lambda x: float(np.sum(x) / x.size),
    "optimality gap": lambda x: float(np.mean([max(1.0 - v, 0.0) for v in x.ravel()])),
}


def plain_bootstrap(values, statistic, repetitions=4000):
    """Seeds resampled within each task, with plain loops and another generator."""
    rng = np.random.default_rng(12345)
    seeds, tasks = values.shape
    draws = []
    for _ in range(repetitions):
        columns = [values[rng.integers(seeds, size=seeds), task] for task in range(tasks)]
        draws.append(statistic(np.stack(columns, axis=1)))
    return np.percentile(draws, [2.5, 97.5])


@pytest.mark.parametrize(("seeds", "tasks"), [(5, 4), (3, 7), (2, 2), (10, 1)])
def test_aggregates_and_intervals_agree_with_independent_ones(seeds, tasks):
    values = np.random.default_rng(seeds * tasks).normal(0.8, 0.5, (seeds, tasks)) + np.linspace(0, 1, tasks)
    estimates, _ = aggregate(by_task(values), SCORE_STATISTICS, seed=0, repetitions=2000)
    assert list(estimates) == list(INDEPENDENT)
    for name, statistic in INDEPENDENT.items():
        low, high = plain_bootstrap(values, statistic, 2000)
        assert estimates[name].value == pytest.approx(statistic(values))
        assert estimates[name][1:3] == pytest.approx((low, high), abs=0.1 * (high - low)), name
        assert estimates[name].seeds == seeds


def test_iqm_of_eight_numbers_is_the_mean_of_the_middle_four():
    values = np.array([[1, 2], [3, 4], [5, 6], [7, 100]], dtype=float)
    estimates, _ = aggregate(by_task(values), SCORE_STATISTICS, seed=0, repetitions=10)
    assert estimates["IQM"].value == 4.5
    assert estimates["median"].value == np.median([4, 28])


def test_interval_agrees_with_all_resamples_of_a_tiny_case():
    values = np.array([[0.0], [1.0], [5.0], [20.0]])
    means = [np.mean(draw) for draw in itertools.product(values[:, 0], repeat=4)]  # 256 resamples, all as likely
    estimates, _ = aggregate(by_task(values), MEAN, seed=0, repetitions=5000)
    assert estimates["mean"].low == pytest.approx(np.percentile(means, 2.5, method="inverted_cdf"))
    assert estimates["mean"].high == pytest.approx(np.percentile(means, 97.5, method="inverted_cdf"))


@pytest.mark.parametrize("name", INDEPENDENT)
def test_every_statistic_agrees_with_all_resamples_of_a_tiny_case(name):
    """3 seeds of 2 tasks: 27 x 27 resamples, all as likely."""
    values = np.array([[0.0, 0.4], [0.7, 1.1], [1.9, 3.0]])
    within = list(itertools.product(range(3), repeat=3))
    exact = [
        INDEPENDENT[name](np.stack([values[list(a), 0], values[list(b), 1]], axis=1)) for a in within for b in within
    ]
    estimates, _ = aggregate(by_task(values), {name: SCORE_STATISTICS[name]}, seed=0, repetitions=4000)
    below, above = np.array(exact) - estimates[name].low, estimates[name].high - np.array(exact)
    for beyond in (below, above):
        assert np.mean(beyond < -1e-9) <= 0.035 and np.mean(beyond <= 1e-9) >= 0.015


def test_seeds_are_resampled_within_a_task_only():
    """Tasks that differ, seeds that agree: nothing to resample, whatever the differences between tasks."""
    estimates, _ = aggregate(by_task(np.tile([0.0, 10.0, 20.0], (5, 1))), MEAN, seed=0, repetitions=200)
    assert estimates["mean"][:3] == (10.0, 10.0, 10.0)


def test_tasks_are_resampled_each_on_its_own():
    """Whole seeds resampled over 16 tasks would give [0, 1]; task by task the errors average out."""
    values = np.tile([[0.0], [1.0]], (1, 16))
    estimates, _ = aggregate(by_task(values), MEAN, seed=0, repetitions=2000)
    expected = 1.96 * np.sqrt(0.125 / 16)
    assert estimates["mean"].high - 0.5 == pytest.approx(expected, abs=0.04)
    assert 0.5 - estimates["mean"].low == pytest.approx(expected, abs=0.04)


def test_reproducible_by_seed_and_numpys_global_state_is_untouched():
    values = by_task(np.random.default_rng(0).normal(size=(5, 3)))
    np.random.seed(7)
    expected = np.random.random(3)
    np.random.seed(7)
    first, _ = aggregate(values, SCORE_STATISTICS, seed=0, repetitions=100)
    assert np.array_equal(np.random.random(3), expected)
    again, _ = aggregate(values, SCORE_STATISTICS, seed=0, repetitions=100)
    other, _ = aggregate(values, SCORE_STATISTICS, seed=1, repetitions=100)
    assert first == again
    assert first["mean"].low != other["mean"].low


def test_one_seed_gives_a_value_no_interval_and_says_so():
    estimates, notes = aggregate({"a": {3: 1.0}, "b": {4: 2.0}}, SCORE_STATISTICS, seed=0, repetitions=10)
    assert estimates["mean"] == (1.5, None, None, 1)
    assert notes == ["one seed on a, b: no interval over seeds exists"]


def test_unequal_numbers_of_runs_are_all_used_and_counted():
    values = {"a": {0: 1.0, 1: 3.0, 2: 50.0}, "b": {1: 5.0, 4: 7.0}}
    estimates, notes = aggregate(values, MEAN, seed=0, repetitions=10)
    assert estimates["mean"].value == (18.0 + 6.0) / 2
    assert estimates["mean"].seeds == 2
    assert notes == ["unequal numbers of runs, 2 to 3: all are used, each with a weight of 1 / n"]


def test_a_single_run_on_one_task_leaves_no_interval():
    estimates, notes = aggregate({"a": {0: 1.0, 1: 3.0}, "b": {1: 5.0}}, SCORE_STATISTICS, seed=0, repetitions=10)
    assert estimates["mean"] == (3.5, None, None, 1)
    assert notes[1] == "one seed on b: no interval over seeds exists"


def test_a_note_names_few_tasks():
    assert metrics.some("abcd") == "a, b, c, d"
    assert metrics.some("abcde") == "a, b, c and 2 more"


@pytest.mark.parametrize("hole", [None, float("nan"), float("inf")])
def test_what_is_no_number_is_left_out_and_named(hole):
    estimates, notes = aggregate({"a": {0: 1.0, 1: hole, 2: 3.0}}, MEAN, seed=0, repetitions=10)
    assert (estimates["mean"].value, estimates["mean"].seeds) == (2.0, 2)
    assert notes[0] == "1 run without a finite number left out, on a"
    assert task_means({"a": {0: 1.0, 1: hole, 2: 3.0}}, 0, 10)["a"].value == 2.0


def test_a_task_without_values_leaves_no_aggregate():
    estimates, notes = aggregate({"a": {0: 1.0}, "b": {}}, SCORE_STATISTICS, seed=0, repetitions=10)
    assert set(estimates.values()) == {NOTHING}
    assert notes == ["no aggregate: no number on b"]


def test_task_means_use_every_run():
    rng = np.random.default_rng(1)
    values = {"a": rng.normal(size=6), "b": rng.normal(size=5), "c": rng.normal(size=6), "d": [2.0], "e": []}
    estimates = task_means({task: dict(enumerate(v)) for task, v in values.items()}, seed=0, repetitions=2000)
    assert list(estimates) == list(values)
    for task in "abc":
        column = np.asarray(values[task])[:, None]
        low, high = plain_bootstrap(column, lambda x: x.mean())
        assert estimates[task].value == pytest.approx(column.mean())
        assert estimates[task].low == pytest.approx(low, abs=0.1 * (high - low))
        assert estimates[task].high == pytest.approx(high, abs=0.1 * (high - low))
        assert estimates[task].seeds == len(column)
    assert estimates["d"] == (2.0, None, None, 1)
    assert estimates["e"] == NOTHING


@pytest.mark.parametrize("count", [2, 3, 4])
def test_few_runs_of_a_task_have_their_range(count):
    values = np.random.default_rng(count).normal(size=count)
    estimate = task_means({"a": dict(enumerate(values))}, seed=0, repetitions=50)["a"]
    assert estimate == (pytest.approx(values.mean()), values.min(), values.max(), count)


def test_band_is_the_bootstrap_of_the_mean_curve():
    curves = np.random.default_rng(3).normal(size=(6, 4))
    mean, low, high = band(curves, seed=0, repetitions=4000)
    assert mean == pytest.approx(curves.mean(axis=0))
    for point in range(4):
        expected = plain_bootstrap(curves[:, point : point + 1], lambda x: x.mean())
        assert [low[point], high[point]] == pytest.approx(expected, abs=0.1)


def test_band_has_a_gap_where_a_seed_has_no_number_and_none_with_one_seed():
    mean, low, _ = band(np.array([[1.0, np.nan], [3.0, 4.0]]), 0, 100)
    assert mean[0] == 2.0 and np.isnan(mean[1]) and np.isnan(low[1]) and not np.isnan(low[0])
    mean, low, high = band(np.array([[1.0, 2.0]]), 0, 100)
    assert mean.tolist() == [1.0, 2.0]
    assert np.isnan(low).all() and np.isnan(high).all()
