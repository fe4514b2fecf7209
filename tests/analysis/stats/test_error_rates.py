"""How often a method is called better or worse on a task where it is neither: simulated, at most 6 %."""

import itertools

import numpy as np
import pytest
import scipy.stats

from analysis.stats import significance

EXPERIMENTS = 20_000
MOST = 0.06
OF_FAMILY = 0.07  # that any of ten tasks is: far in the tail Welch's approximation is a little less exact


NORMAL, EXPONENTIAL = np.random.Generator.standard_normal, np.random.Generator.standard_exponential
CASES = {  # the distribution, and how many times wider the second method's is
    "equal variances": (NORMAL, 1.0),
    "a deviation of 3": (NORMAL, 3.0),
    "a deviation of 10": (NORMAL, 10.0),
    "exponential": (EXPONENTIAL, 1.0),
}


@pytest.mark.parametrize(("seeds", "others"), [(5, 5), (10, 10), (5, 10), (10, 5)])
@pytest.mark.parametrize("case", CASES)
def test_one_task(case: str, seeds: int, others: int) -> None:
    draw, scale = CASES[case]
    rng = np.random.default_rng(0)
    p = significance.welch(draw(rng, (EXPERIMENTS, seeds)), scale * draw(rng, (EXPERIMENTS, others)))
    assert 0.015 < (p < significance.SIZE).mean() < MOST


@pytest.mark.parametrize("seeds", [5, 10])
@pytest.mark.parametrize("case", CASES)
def test_any_of_ten_tasks(case: str, seeds: int) -> None:
    """With Holm's correction; without it, it would be 25 to 40 %."""
    draw, scale = CASES[case]
    rng = np.random.default_rng(1)
    shape = (EXPERIMENTS // 4, 10, seeds)
    p = significance.welch(draw(rng, shape), scale * draw(rng, shape))
    wrong = (significance.holm(p) < significance.SIZE).any(axis=1).mean()
    assert wrong < OF_FAMILY
    assert (p < significance.SIZE).any(axis=1).mean() > 0.2


def test_a_real_difference_is_found() -> None:
    rng = np.random.default_rng(3)
    p = significance.welch(rng.normal(0, 1, (1000, 10)), rng.normal(2, 3, (1000, 10)))
    assert (p < significance.SIZE).mean() > 0.4


def test_welch_is_scipys() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 20, 6))
    assert significance.welch(x, y[:, :4]) == pytest.approx(
        scipy.stats.ttest_ind(x, y[:, :4], axis=1, equal_var=False).pvalue
    )
    assert significance.one_sample(x) == pytest.approx(scipy.stats.ttest_1samp(x, 0, axis=1).pvalue)


def test_samples_without_spread() -> None:
    ones, twos = np.ones((1, 5)), np.full((1, 5), 2.0)
    assert significance.welch(ones, twos).tolist() == [0.0] and significance.welch(ones, ones).tolist() == [1.0]


@pytest.mark.parametrize("value", [-20.0, 0.1, 9.4, (0.0 - 0.1) / 0.7, (500 - 22.3) / (475 - 22.3)])
def test_equal_values_do_not_differ_by_their_rounding(value: float) -> None:
    """The means of 5 and of 18 of them may, as sums are rounded."""
    for seeds, others in itertools.product(range(5, 31), repeat=2):
        assert significance.welch(np.full(seeds, value), np.full(others, value)) == 1.0
    assert significance.welch(np.full(5, value), np.full(18, value + 1e-6)) == 0.0


def test_holm_by_hand() -> None:
    assert significance.holm(np.array([0.04, 0.01, 0.03])) == pytest.approx([0.06, 0.03, 0.06])
    assert significance.holm(np.array([0.6, 0.9])) == pytest.approx([1.0, 1.0])


def test_the_clear_best() -> None:
    runs = {name: centre + np.arange(5.0) for name, centre in (("a", 0.0), ("b", 20.0), ("c", 10.0))}
    close = {"a": np.arange(5.0), "b": 1 + np.arange(5.0)}
    few = {"a": np.arange(4.0), "b": 20 + np.arange(5.0)}
    alone = {"a": np.arange(5.0), "b": np.array([])}
    assert significance.clear_best([runs, close, few, alone, {}], 5) == ["b", None, None, None, None]
    assert significance.clear_best([runs], 5) == ["b"]
    tied = {**runs, "d": runs["b"] + 0.1}
    assert significance.clear_best([tied], 5) == [None]  # better than a and c alone
