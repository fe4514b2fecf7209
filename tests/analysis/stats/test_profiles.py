"""Performance profiles and sample-efficiency curves, beside rliable and plain loops."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from rliable import library

from analysis.stats import profiles
from analysis.stats.profiles import profile, sample_efficiency
from suite.tasks import TASKS
from tests.support.scores import by_task
from tests.support.seeding import numpy_seeded

GAMES = ("atari/Pong", "atari/Boxing", "atari/Qbert")
NAMES = tuple(TASKS[game].name for game in GAMES)


def test_profile_agrees_with_rliables():
    values = np.random.default_rng(0).normal(0.8, 0.5, (5, 4))
    taus = np.linspace(0, 2, 9)
    curve = profile(by_task(values), seed=0, repetitions=2000, taus=taus)
    with numpy_seeded(1):
        theirs, bands = library.create_performance_profile({"": values}, taus, reps=2000)
    assert curve.value == pytest.approx(theirs[""])
    assert curve.low == pytest.approx(bands[""][0], abs=0.051)  # one run of 20
    assert curve.high == pytest.approx(bands[""][1], abs=0.051)


def test_profile_counts_what_is_above_and_not_at():
    curve = profile({"a": {0: 0.0, 1: 1.0}, "b": {0: 1.0, 1: 2.0}}, 0, 10, np.array([-1.0, 0.0, 1.0, 2.0]))
    assert curve.value.tolist() == [1.0, 0.75, 0.25, 0.0]
    curve = profile({"a": {0: 1.0}}, 0, 10)
    assert np.isnan(curve.low).all() and curve.value[0] == 1.0
    assert profile({"a": {}}, 0, 10) is None


def test_a_profile_weighs_each_task_the_same():
    values = {"a": {0: 2.0, 1: 2.0, 2: 2.0, 3: 0.0}, "b": {0: 2.0, 1: 0.0}}
    curve = profile(values, 0, 200, np.array([1.0]))
    assert curve.value == pytest.approx([(0.75 + 0.5) / 2])
    assert 0 <= curve.low[0] < curve.value[0] < curve.high[0] <= 1


def test_thresholds_extend_to_where_a_twentieth_of_the_runs_remain():
    low = by_task(np.full((5, 4), 0.5))
    assert profiles.thresholds([low]) is profiles.TAUS
    high = by_task(np.arange(1.0, 101.0).reshape(20, 5))
    taus = profiles.thresholds([low, high, {"a": {}}])
    assert taus[: len(profiles.TAUS)].tolist() == profiles.TAUS.tolist() and (np.diff(taus) > 0).all()
    assert profile(high, 0, 5, taus).value[-1] == pytest.approx(0.05)


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


def test_a_curve_uses_every_run_and_weighs_each_task_the_same():
    scores = np.random.default_rng(0).normal(size=(4, 3, 2))
    frame = frame_of(scores)
    frame = frame[(frame["task"] != NAMES[0]) | (frame["seed"] < 2)]
    curve = sample_efficiency(frame, NAMES, seed=0, repetitions=50)[0]["dense"]
    for point in range(2):
        runs = [scores[:2, 0, point], scores[:, 1, point], scores[:, 2, point]]
        values = np.sort(np.repeat(np.concatenate(runs), [2, 2, *[1] * 8]))  # equal weights: the first task's twice
        assert curve.value[point] == pytest.approx(values[3:-3].mean())
    assert not np.isnan(curve.low).any()


def test_the_x_axis_may_be_in_frames():
    frame = frame_of(np.ones((2, 3, 2)))
    frame["frame"] = 4 * frame["agent_step"]
    curves, _ = sample_efficiency(frame, NAMES, seed=0, repetitions=5, x="frame")
    assert curves["dense"].x == pytest.approx(4 * frame.groupby("epoch")["agent_step"].median().to_numpy())


def test_whole_curves_are_resampled():
    """Seeds that differ by a constant: so do the edges of the band, at every point alike."""
    scores = np.random.default_rng(0).normal(size=(4, 3, 1)) + np.arange(5.0)
    curve = sample_efficiency(frame_of(scores), NAMES, seed=0, repetitions=50)[0]["dense"]
    assert np.ptp(curve.high - curve.value) == pytest.approx(0, abs=1e-9)
    assert np.ptp(curve.value - curve.low) == pytest.approx(0, abs=1e-9)


def test_epochs_that_a_task_lacks_are_left_out():
    """A file of curves has every second epoch of a long task, and every one of a short task."""
    frame = frame_of(np.arange(6.0) + np.zeros((2, 3, 1)))
    frame = frame[np.where(frame["task"] == "atari/Qbert", frame["epoch"] % 2 == 0, frame["epoch"] < 5)]
    curves, notes = sample_efficiency(frame, NAMES, seed=0, repetitions=50)
    assert curves["dense"].value == pytest.approx([1.0, 3.0]) and len(curves["dense"].x) == 2
    assert notes == ["dense: its curve ends at epoch 4, the last that every task has"]
    frame = frame[(frame["task"] == "atari/Qbert") | (frame["epoch"] % 2 == 1)]
    curves, notes = sample_efficiency(frame, NAMES, seed=0, repetitions=50)
    assert curves == {} and len(notes) == 1


def test_ragged_epochs_are_cut_and_said_and_holes_are_gaps():
    scores = np.random.default_rng(0).normal(size=(2, 3, 4))
    scores[0, 1, 1] = np.nan
    frame = frame_of(scores)
    frame = frame[(frame["task"] != "atari/Qbert") | (frame["epoch"] < 4)]
    curves, notes = sample_efficiency(frame, NAMES, seed=0, repetitions=50)
    assert notes == ["dense: its curve ends at epoch 3, the last that every task has"]
    assert np.isnan(curves["dense"].value).tolist() == [False, True, False]


def test_epochs_of_different_lengths_share_no_curve():
    """Tasks of two families: an epoch of Qbert has ten times as many agent steps."""
    frame = frame_of(np.ones((2, 3, 4)))
    frame.loc[frame["task"] == "atari/Qbert", "agent_step"] *= 10
    curves, notes = sample_efficiency(frame, NAMES, seed=0, repetitions=50)
    assert curves == {} and len(notes) == 1 and "40,005 on atari/Qbert" in notes[0]


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
