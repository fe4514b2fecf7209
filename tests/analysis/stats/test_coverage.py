"""How often the intervals hold the true value: the figures in metrics.COVERAGE, simulated again."""

import numpy as np
import pytest
import scipy.stats

from analysis.stats.metrics import COVERAGE, PERCENTILES

EXPERIMENTS, REPETITIONS = 600, 400


def error(figure):
    """Three standard errors of a simulated figure, in %."""
    return 3 * np.sqrt(figure * (100 - figure) / EXPERIMENTS)


def coverage(seeds, tasks, statistic, truth, rng):
    """In %, of percentile intervals of a statistic [runs, resamples] -> [resamples]; scores are normal."""
    means = np.linspace(0, 2, tasks)
    held = 0
    for _ in range(EXPERIMENTS):
        scores = rng.normal(means, 0.3, (seeds, tasks))
        picks = rng.integers(seeds, size=(REPETITIONS, seeds, tasks))
        draws = statistic(scores[picks, np.arange(tasks)].reshape(REPETITIONS, -1).T)
        low, high = np.percentile(draws, PERCENTILES)
        held += low <= truth <= high
    return 100 * held / EXPERIMENTS


@pytest.mark.parametrize("seeds", COVERAGE)
def test_the_figures_are_those_of_a_simulation(seeds):
    rng = np.random.default_rng(seeds)
    on_one_task, over_tasks = COVERAGE[seeds]
    assert coverage(seeds, 1, lambda x: x.mean(axis=0), 0.0, rng) == pytest.approx(on_one_task, abs=error(on_one_task))
    # The scores of ten tasks are symmetric about 1, and so is their IQM.
    assert coverage(seeds, 10, lambda x: scipy.stats.trim_mean(x, 0.25), 1.0, rng) == pytest.approx(
        over_tasks, abs=error(over_tasks)
    )
