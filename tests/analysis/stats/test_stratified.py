"""Statistics of unequal numbers of runs: beside rliable, scipy and plain loops."""

import itertools

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from rliable import library
from rliable import metrics as rliable

from analysis.stats import metrics, stratified
from analysis.stats.stratified import Sample
from tests.support.seeding import numpy_seeded

RLIABLE = {
    "IQM": rliable.aggregate_iqm,
    "median": rliable.aggregate_median,
    "mean": rliable.aggregate_mean,
    "optimality gap": rliable.aggregate_optimality_gap,
}


def sample(*tasks: list[float]) -> Sample:
    return stratified.sample({f"task{i}": dict(enumerate(values)) for i, values in enumerate(tasks)})


@pytest.mark.parametrize(("seeds", "tasks"), [(2, 1), (5, 4), (10, 7), (3, 3)])
@pytest.mark.parametrize("name", RLIABLE)
def test_equal_numbers_are_rliables(name: str, seeds: int, tasks: int) -> None:
    """The value, and every resample: the percentiles agree to the last digits."""
    values = np.random.default_rng(0).normal(0.8, 0.5, (seeds, tasks))
    found = Sample(values.T.ravel(), np.full(tasks, seeds))
    times = stratified.resamples(np.random.RandomState(7).randint, found.counts, 300)
    draws = stratified.STATISTICS[name](found, times)
    with numpy_seeded(7):
        point, interval = library.get_interval_estimates({"": values}, lambda x: np.array([RLIABLE[name](x)]), reps=300)
    assert stratified.STATISTICS[name](found, found.once) == pytest.approx(point[""][0], rel=1e-12)
    assert np.percentile(draws, [2.5, 97.5]) == pytest.approx(interval[""][:, 0], rel=1e-12)
    by_task = {str(task): dict(enumerate(column.tolist())) for task, column in enumerate(values.T)}
    estimate = metrics.aggregate(by_task, metrics.SCORE_STATISTICS, 7, 300)[0][name]
    assert estimate[:3] == pytest.approx((point[""][0], *interval[""][:, 0]), rel=1e-12)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30))
def test_equal_weights_give_scipys_trimmed_mean(values: list[float]) -> None:
    found = sample(values)
    expected = scipy.stats.trim_mean(values, 0.25)
    assert stratified.iqm(found, found.once) == pytest.approx(expected, abs=1e-9)


def test_a_trimmed_mean_of_unequal_weights_by_hand() -> None:
    """Weights of 1/4 each for two runs, 1/8 each for four: 1.0 and 6.0 hold the lowest and the highest quarter."""
    found = sample([1.0, 9.0], [2.0, 3.0, 4.0, 5.0])
    assert stratified.iqm(found, found.once) == pytest.approx((2 + 3 + 4 + 5) / 4)
    found = sample([4.0, 2.5], [1.0, 2.0, 3.0, 9.0])  # left out: 1, 2, and 9; half of 4 lies in the highest quarter
    assert stratified.iqm(found, found.once) == pytest.approx((2.5 / 4 + 3 / 8 + 4 / 8) / (1 / 2))


def test_the_order_of_tasks_with_equal_scores_does_not_matter() -> None:
    """Of twelfths of the weight, 7 have 1 and 5 have 2; the middle half is 4 with 1 and 2 with 2."""
    for tasks in ([[1.0, 1.0, 2.0], [2.0, 1.0]], [[2.0, 1.0], [1.0, 1.0, 2.0]]):
        found = sample(*tasks)
        assert stratified.iqm(found, found.once) == pytest.approx(8 / 6)


@given(st.lists(st.lists(st.integers(-9, 9), min_size=1, max_size=5), min_size=1, max_size=4))
def test_copies_of_runs_change_nothing(tasks: list[list[int]]) -> None:
    """Each task repeated until it has 240 runs, which scipy's trimmed mean takes as equals."""
    found, copies = sample(*tasks), sample(*(own * (240 // len(own)) for own in tasks))
    for function in (stratified.mean, stratified.median, stratified.optimality_gap):
        assert function(found, found.once) == pytest.approx(function(copies, copies.once)), function.__name__
    if len(set(map(len, tasks))) > 1:
        assert stratified.iqm(found, found.once) == pytest.approx(scipy.stats.trim_mean(copies.values, 0.25))


@given(st.lists(st.lists(st.integers(-9, 9), min_size=1, max_size=5), min_size=1, max_size=4))
def test_a_trimmed_mean_is_odd_and_between_its_values(tasks: list[list[int]]) -> None:
    found, mirrored = sample(*tasks), sample(*([-value for value in own] for own in tasks))
    value = stratified.iqm(found, found.once)
    assert found.values.min() - 1e-9 <= value <= found.values.max() + 1e-9
    assert stratified.iqm(mirrored, mirrored.once) == pytest.approx(-value)


def test_every_task_is_resampled_with_its_own_n() -> None:
    """Against all 4 x 27 resamples of 2 and 3 runs, all as likely."""
    found = sample([0.0, 1.0], [5.0, 7.0, 12.0])
    times = stratified.resamples(np.random.default_rng(0).integers, found.counts, 50_000)
    assert (times[:, :2].sum(axis=1) == 2).all() and (times[:, 2:].sum(axis=1) == 3).all()
    exact = [
        (np.mean(a) + np.mean(b)) / 2
        for a in itertools.product([0.0, 1.0], repeat=2)
        for b in itertools.product([5.0, 7.0, 12.0], repeat=3)
    ]
    draws = stratified.mean(found, times)
    levels = [2.5, 25, 50, 75, 97.5]
    found_levels, true = (np.percentile(values, levels, method="inverted_cdf") for values in (draws, exact))
    assert found_levels == pytest.approx(true, abs=1e-9)
    assert draws.std() == pytest.approx(np.std(exact), rel=0.02)


def test_a_nan_stays_a_nan() -> None:
    found = Sample(np.array([1.0, np.nan, 2.0]), np.array([3]))
    assert np.isnan(stratified.trimmed_mean(found.values, np.ones((4, 3)), np.full(3, 1 / 3))).all()


def test_a_task_without_a_run_is_refused() -> None:
    with pytest.raises(ValueError, match="every task"):
        sample([1.0], [])
