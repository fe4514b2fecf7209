"""One tidy frame of any runs, and which returns are taken from it."""

import pytest

from analysis.data import runs
from analysis.data.sources import runfolder


def test_tidy_frame(run):
    first = runfolder.read(run(seed=1, returns=(1.0, None, 3.0), evaluations=(7.5, 8.5, 9.5)))
    second = runfolder.read(run(task="mujoco/Ant", sparsity=0.9, actor_sparsity=0.6))
    frame = runs.tidy([("dense, width=512", first), ("dense", second)])
    assert list(frame.columns) == list(runs.COLUMNS)
    assert frame["row"].tolist() == ["dense, width=512"] * 3 + ["dense"] * 3
    assert frame["task"].tolist() == ["atari/Pong"] * 3 + ["mujoco/Ant"] * 3
    assert frame["seed"].tolist() == [1] * 3 + [0] * 3
    assert frame["return"].isna().tolist() == [False, True] + [False] * 4
    assert frame["evaluation_return"].tolist()[:3] == [7.5, 8.5, 9.5]
    assert frame["evaluation_return"].isna().tolist() == [False] * 3 + [True] * 3
    assert frame["agent_step"].tolist() == [1001, 2001, 3001, 1000, 2000, 3000]
    assert frame["actor_sparsity"].tolist()[3:] == pytest.approx([0.2, 0.4, 0.6])
    assert frame["operations"].isna().all()
    assert frame["frame"].dtype == int
    assert set(frame["source"]) == {"records"} and set(frame["method"]) == {"dense"}


def test_tidy_frame_of_nothing():
    frame = runs.tidy([])
    assert frame.empty and list(frame.columns) == list(runs.COLUMNS)


def test_the_actors_sparsity_is_read_beside_the_critics(run):
    read = runfolder.read(run(task="mujoco/Ant", sparsity=0.9, actor_sparsity=0.6))
    assert (read.final("sparsity"), read.final("actor_sparsity")) == (0.9, 0.6)
    assert runfolder.read(run()).final("actor_sparsity") is None


def test_final_values_are_those_of_the_last_epoch(run):
    read = runfolder.read(run(returns=(1.0, 2.0, 3.0), evaluations=(7.5, 8.5), sparsity=0.5))
    assert (read.final("return"), read.final("evaluation_return"), read.final("sparsity")) == (3.0, None, 0.5)
