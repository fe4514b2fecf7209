"""One tidy frame of any runs, and which returns are taken from it."""

import itertools

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@given(st.lists(st.integers(1, 400), min_size=1, max_size=4), st.integers(1, 120), st.integers(1, 12))
def test_a_run_is_thinned_to_its_last_epochs_and_evenly_spaced_ones(lengths, most, last):
    most = max(most, last)
    frame = pd.concat(
        [
            pd.DataFrame({"row": "dense", "task": "t", "seed": i, "name": None, "epoch": range(1, length + 1)})
            for i, length in enumerate(lengths)
        ]
    )
    kept = runs.thin(frame, most, last).groupby("seed")["epoch"].agg(list)
    for length, epochs in zip(lengths, kept, strict=True):
        assert min(length, last) <= len(epochs) <= most and epochs == sorted(set(epochs))
        assert epochs[-last:] == list(range(max(1, length - last + 1), length + 1))
        assert max(lengths) > most or len(epochs) == length
        assert len({b - a for a, b in itertools.pairwise(epochs[:-last])}) <= 1


def test_seeds_of_unequal_length_keep_the_same_epochs():
    frame = pd.DataFrame({"row": "dense", "task": "t", "seed": [0] * 100 + [1] * 99, "name": None})
    frame["epoch"] = [*range(1, 101), *range(1, 100)]
    kept = runs.thin(frame, 60).groupby("seed")["epoch"].agg(set)
    assert kept[0] - kept[1] == {100} and kept[1] - kept[0] == {99} and len(kept[0]) == 50


def test_a_written_run_is_not_longer_than_a_plot_needs(run, tmp_path):
    long = runfolder.read(run(returns=tuple(range(250)), options={"trainer.epochs": 250}))
    runs.write_csv(runs.tidy([("dense", long)]), tmp_path / "curves.csv")
    written = pd.read_csv(tmp_path / "curves.csv")
    assert 60 <= len(written) <= runs.MOST_EPOCHS
    assert written["return"].tolist()[-runs.MOST_LAST_EPOCHS :] == list(range(240, 250))
