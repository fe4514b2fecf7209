"""Performance profiles and sample-efficiency curves, beside rliable and plain loops."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from rliable import library

from analysis.stats import profiles
from analysis.stats.metrics import numpy_seeded
from analysis.stats.profiles import iqm, profile, sample_efficiency
from suite.tasks import TASKS

GAMES = ("atari/Pong", "atari/Boxing", "atari/Qbert")
NAMES = tuple(TASKS[game].name for game in GAMES)


def by_task(values):
    return {f"task{j}": {i: float(v) for i, v in enumerate(column)} for j, column in enumerate(values.T)}


def test_profile_agrees_with_rliables():
    values = np.random.default_rng(0).normal(0.8, 0.5, (5, 4))
    taus = np.linspace(0, 2, 9)
    curve, notes = profile(by_task(values), seed=0, repetitions=2000, taus=taus)
    with numpy_seeded(1):
        theirs, bands = library.create_performance_profile({"": values}, taus, reps=2000)
    assert curve.value == pytest.approx(theirs[""])
    assert curve.low == pytest.approx(bands[""][0], abs=0.051)  # one run of 20
    assert curve.high == pytest.approx(bands[""][1], abs=0.051)
    assert notes == []


def test_profile_counts_what_is_above_and_not_at():
    curve, _ = profile({"a": {0: 0.0, 1: 1.0}, "b": {0: 1.0, 1: 2.0}}, 0, 10, np.array([-1.0, 0.0, 1.0, 2.0]))
    assert curve.value.tolist() == [1.0, 0.75, 0.25, 0.0]
    curve, _ = profile({"a": {0: 1.0}}, 0, 10)
    assert np.isnan(curve.low).all() and curve.value[0] == 1.0
    assert profile({"a": {}}, 0, 10)[0] is None


@pytest.mark.parametrize("count", range(1, 14))
def test_iqm_is_scipys_trimmed_mean(count):
    values = np.random.default_rng(count).normal(size=(count, 3))
    assert iqm(values) == pytest.approx(scipy.stats.trim_mean(values, 0.25, axis=0))


def test_iqm_of_a_column_with_a_nan_is_nan():
    assert np.isnan(iqm(np.array([[1.0, np.nan], [2.0, 3.0]]))).tolist() == [False, True]


def frame_of(scores, row="dense", games=GAMES):
    """[seeds, tasks, epochs] of scores -> a tidy frame of the returns that have them."""
    lines = []
    for (seed, place, epoch), score in np.ndenumerate(scores):
        task = TASKS[games[place]]
        value = task.random + score * (task.reference - task.random)
        named = {"row": row, "task": task.name, "seed": seed, "epoch": epoch + 1}
        lines.append({**named, "agent_step": 1000 * (epoch + 1) + seed, "return": value})
    return pd.DataFrame(lines)


def test_sample_efficiency_agrees_with_plain_loops():
    scores = np.random.default_rng(0).normal(0.5, 0.3, (5, 3, 4)) + np.arange(4) / 4
    curves, notes = sample_efficiency(frame_of(scores), NAMES, seed=0, repetitions=2000)
    curve = curves["dense"]
    assert notes == [] and curve.x.tolist() == [1002, 2002, 3002, 4002]
    rng = np.random.default_rng(7)
    for point in range(4):
        values = scores[:, :, point]
        assert curve.value[point] == pytest.approx(scipy.stats.trim_mean(values, 0.25, axis=None))
        draws = []
        for _ in range(2000):
            columns = [values[rng.integers(5, size=5), task] for task in range(3)]
            draws.append(scipy.stats.trim_mean(np.concatenate(columns), 0.25))
        low, high = np.percentile(draws, [2.5, 97.5])
        assert (curve.low[point], curve.high[point]) == pytest.approx((low, high), abs=0.1 * (high - low))


def test_whole_curves_are_resampled():
    """Seeds that differ by a constant: so do the edges of the band, at every point alike."""
    scores = np.random.default_rng(0).normal(size=(4, 3, 1)) + np.arange(5.0)
    curve = sample_efficiency(frame_of(scores), NAMES, seed=0, repetitions=50)[0]["dense"]
    assert np.ptp(curve.high - curve.value) == pytest.approx(0, abs=1e-9)
    assert np.ptp(curve.value - curve.low) == pytest.approx(0, abs=1e-9)


def test_ragged_epochs_are_cut_and_said_and_holes_are_gaps():
    scores = np.random.default_rng(0).normal(size=(2, 3, 4))
    scores[0, 1, 1] = np.nan
    frame = frame_of(scores)
    frame = frame[(frame["task"] != "atari/Qbert") | (frame["epoch"] < 4)]
    curves, notes = sample_efficiency(frame, NAMES, seed=0, repetitions=50)
    assert notes == ["dense: its curve ends at epoch 3, the last that every task has"]
    assert np.isnan(curves["dense"].value).tolist() == [False, True, False]


def test_a_row_without_a_task_has_no_curve():
    whole, part = frame_of(np.ones((2, 3, 2))), frame_of(np.ones((2, 2, 2)), "theirs", GAMES[:2])
    curves, _ = sample_efficiency(pd.concat([whole, part]), NAMES, seed=0, repetitions=5)
    assert set(curves) == {"dense"}
    assert sample_efficiency(whole, (), seed=0, repetitions=5) == ({}, [])


def test_one_seed_has_a_line_and_no_band():
    curve = sample_efficiency(frame_of(np.ones((1, 3, 2))), NAMES, seed=0, repetitions=50)[0]["dense"]
    assert curve.value == pytest.approx([1.0, 1.0]) and np.isnan(curve.low).all()


def test_tidy_frames():
    curves, _ = sample_efficiency(frame_of(np.ones((2, 3, 2))), NAMES, seed=0, repetitions=5)
    frame = profiles.tidy(curves, "agent_step", "IQM")
    assert list(frame.columns) == ["row", "agent_step", "IQM", "low", "high"] and len(frame) == 2
    assert list(profiles.tidy({}, "agent_step", "IQM").columns) == list(frame.columns)
