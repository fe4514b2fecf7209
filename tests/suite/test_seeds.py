"""A run's seed reaches each of its random parts, one at a time: the others stand still here."""

from pathlib import Path

import numpy as np

from suite.experience.batches import batch_rng
from suite.experience.online import Online
from suite.experience.replay import Replay
from suite.options import ReplayOptions, TrainerOptions
from suite.trainer import Parts, Trainer
from tests.support.probes import Probe
from tests.support.trainer import Idle, make_tracker


class Reseeded(Probe):
    """Notes the seeds that its resets are given; None where an episode goes on from the one before."""

    def __init__(self, seeds: list[int | None]) -> None:
        super().__init__(20)
        self.seeds = seeds

    def reset(self, *, seed=None, options=None):
        self.seeds.append(seed)
        return super().reset(seed=seed)


class Run:
    """Two epochs with a learner that learns nothing: its batches, and the seeds of the two environments."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.training: list[int | None] = []
        self.evaluation: list[int | None] = []
        learner, environment = Idle(), Reseeded(self.training)
        ring = Replay(environment.observation_space, environment.action_space, ReplayOptions(capacity=100))
        with make_tracker(folder) as tracker:
            parts = Parts(Online(environment, ring), lambda: Reseeded(self.evaluation), learner)
            options = TrainerOptions(epochs=2, epoch_agent_steps=40, initial_samples=30, evaluation_episodes=2)
            Trainer(parts, tracker, options, seed).run()
        self.batches = np.array([batch.observation for batch in learner.batches])


def test_batches_follow_the_seed(tmp_path: Path) -> None:
    one, same, other = (Run(tmp_path / str(place), seed).batches for place, seed in enumerate((3, 3, 4)))
    assert len(one) > 5
    np.testing.assert_array_equal(one, same)
    assert not any(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_draws_of_no_two_batches_are_the_same() -> None:
    """Neither of two seeds, nor of two gradient steps."""
    clocks = [(seed, step) for seed in range(3) for step in (0, 1, 2, 1_000_000)]
    assert len({tuple(batch_rng(*clock).integers(10**9, size=4)) for clock in clocks}) == len(clocks)


def test_the_environment_begins_with_the_seed_and_is_not_seeded_again(tmp_path: Path) -> None:
    first, *later = Run(tmp_path, 3).training
    assert first == 3
    assert set(later) == {None}


def test_each_evaluation_has_a_seed_of_its_own(tmp_path: Path) -> None:
    """By the run's seed and the epoch; the second episode goes on from the first."""
    seeds = [Run(tmp_path / str(place), seed).evaluation for place, seed in enumerate((3, 3, 4))]
    assert seeds[0] == seeds[1]
    drawn = []
    for first, second, third, fourth in seeds[1:]:
        assert second is None and fourth is None
        drawn += [first, third]
    assert len(set(drawn)) == 4
    assert not {3, 4} & set(drawn)
