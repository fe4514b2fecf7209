"""Data sets in Minari's layout: what is recorded is learned from, and Minari reads it."""

from pathlib import Path

import minari
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from gymnasium.wrappers import FrameStackObservation

from suite.errors import UserError
from suite.experience.minari import Recorder
from suite.types import stack_frames
from tests.support.datasets import MANY, STACK, Film, dataset, loaded, play, record, replay, sampled


@pytest.mark.parametrize("relative", [False, True])
def test_what_is_recorded_is_learned_from(relative: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stacks, next stacks, rewards and endings: the same transitions, and no others."""
    monkeypatch.chdir(tmp_path)
    folder = Path("some/film") if relative else tmp_path / "film"
    transitions = record(folder)
    data = loaded(folder)
    assert sampled(data) == transitions
    assert len(data.replay) == len(transitions)


def test_minari_reads_what_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transitions = record(tmp_path / "film-v3")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    data = minari.load_dataset("film-v3")
    assert data.total_steps == len(transitions) == sum(len(episode) for episode in data)
    assert (data.spec.dataset_id, data.spec.observation_space.shape) == ("film-v3", (2, 2))
    assert data.storage.metadata["algorithm_name"] == "chance"
    for episode in data:
        assert episode.observations.shape == (len(episode.rewards) + 1, 2, 2)
        assert (episode.terminations | episode.truncations).tolist() == [False] * (len(episode.rewards) - 1) + [True]


@pytest.mark.filterwarnings("ignore::UserWarning")  # Minari wants an author and more
def test_a_data_set_of_whole_observations_is_read_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Minari's own collector writes it."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    environment = minari.DataCollector(FrameStackObservation(Film(), STACK))
    transitions = play(environment)
    environment.create_dataset("whole-v0", algorithm_name="chance")
    assert sampled(loaded(tmp_path / "whole-v0")) == transitions


def test_chunks_are_cut_at_ends_of_episodes(tmp_path: Path) -> None:
    transitions = record(tmp_path / "film")
    data = dataset(tmp_path / "film", chunk_transitions=10, chunks_per_epoch=2)
    sizes = data.chunks.sizes
    assert sum(sizes) == len(transitions) and all(size >= 10 for size in sizes[:-1]) and len(sizes) > 3
    data.start(0)
    data.begin_epoch(1)
    assert len(data.replay) == sum(sizes[number] for number in data.loaded)


def test_a_shorter_data_set_in_the_place_of_a_run_s_own_is_refused(tmp_path: Path) -> None:
    record(tmp_path / "film")
    data = loaded(tmp_path / "film", chunk_transitions=10, chunks_per_epoch=2)
    saved = {**data.save(), "loaded": [0, len(data.chunks.sizes)]}  # as if a chunk more had been there
    with pytest.raises(UserError, match="film"):
        dataset(tmp_path / "film", chunk_transitions=10, chunks_per_epoch=2).restore(saved)


def test_vectors_are_taken_whole(tmp_path: Path) -> None:
    class Walk(Film):
        observation_space = spaces.Box(-9, 9, (3,), np.float32)

        def reset(self, **options):
            super().reset(**options)
            return np.float32(self.np_random.normal(size=3)), {}

        def step(self, action):
            _, *rest = super().step(action)
            return np.float32(self.np_random.normal(size=3)), *rest

    walk = Walk()
    walk.spec = EnvSpec("Walk-v0", entry_point=Walk)  # a class, as an environment of one's own has
    environment = Recorder(walk, tmp_path / "walk", "chance")
    environment.reset(seed=0)
    ends = 0
    while ends < 3:
        _, _, terminated, truncated, _ = environment.step(np.int32(1))
        if terminated or truncated:
            ends += 1
            environment.reset()
    environment.close()
    data = loaded(tmp_path / "walk", replay(space=Walk.observation_space))
    assert stack_frames(data.sample(np.random.default_rng(0))).observation.shape == (MANY, 3)


def test_a_recording_that_is_not_finished_is_none(tmp_path: Path) -> None:
    """An interrupted one leaves a folder with another name, which the next one replaces."""
    environment = Recorder(FrameStackObservation(Film(), STACK), tmp_path / "film", "chance")
    environment.reset(seed=0)
    for _ in range(20):
        if any(environment.step(np.int32(0))[2:4]):
            environment.reset()
    with pytest.raises(UserError, match="no such folder"):
        dataset(tmp_path / "film")
    record(tmp_path / "film")
    assert [path.name for path in tmp_path.iterdir()] == ["film"]
    with pytest.raises(UserError, match="exists already"):
        record(tmp_path / "film")
