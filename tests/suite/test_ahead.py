"""Batches that are drawn ahead, and gradient steps that one program takes, change no bit of a run."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from suite.experience.batches import Batches
from suite.experience.online import Online
from suite.experience.replay import Replay
from suite.learner import Learner
from suite.options import ReplayOptions, TrainerOptions
from suite.tracking.checkpoint import leaves
from suite.trainer import Parts, Trainer
from suite.types import Batch
from tests.suite.test_resume import Random, assert_equal, case, rows
from tests.support.datasets import chunk, dataset, write_chunk
from tests.support.trainer import Idle, make_tracker


def trained(learner: Learner, folder: Path) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """A short run of 2.5 gradient steps an agent step: the leaves of its state, and its record."""
    environment = Random()
    ring = Replay(environment.observation_space, environment.action_space, ReplayOptions(capacity=60, batch_size=4))
    clock = TrainerOptions(epochs=2, epoch_agent_steps=30, initial_samples=10, replay_ratio=2.5)
    with make_tracker(folder) as tracker:
        trainer = Trainer(Parts(Online(environment, ring), Random, learner), tracker, clock, 3)
        state = trainer.run()
    return leaves(state._replace(online=tuple(state.online))), rows(folder)


@pytest.mark.parametrize(("method", "has_hook"), [("eaudeqn", False), ("gmp", True)])
def test_a_run_that_draws_ahead_has_the_same_bits(method: str, has_hook: bool, tmp_path: Path) -> None:
    built = case(Random, "dqn", method, network="mlp", width=4, vectorize=True).learner
    assert built.draws_ahead
    numbers = set()

    def steps(state: Any, batches: Any) -> Any:
        numbers.add(len(batches))
        return built.gradient_steps(state, batches)

    found, record = trained(built._replace(gradient_steps=steps), tmp_path / "ahead")
    single = built._replace(draws_ahead=False, uninterrupted=lambda done, most: 1)
    expected, expected_record = trained(single, tmp_path / "single")
    assert numbers == (set() if has_hook else {2})
    assert_equal(found, expected)
    assert record == expected_record
    assert {row["kind"] for row in record} >= {"epoch", "target_update"}


def test_no_hook_and_no_target_update_comes_between_gradient_steps_of_one_program() -> None:
    learner = case(Random, "dqn", "gmp", network="mlp", width=4, vectorize=True).learner  # pruned after every step
    assert learner.uninterrupted(20, 8) == 1
    learner = case(Random, "dqn", "dense", network="mlp", width=4, vectorize=True).learner
    assert [learner.uninterrupted(done, 100) for done in range(8)] == [4, 4, 4, 4, 2, 2, 1, 4]  # an update at 7
    assert [learner.uninterrupted(0, most) for most in range(1, 6)] == [1, 2, 2, 4, 4]
    on_a_cpu = case(Random, "dqn", "dense", network="mlp", width=4, vectorize=False).learner
    assert on_a_cpu.uninterrupted(0, 4) == 1


def test_batches_are_drawn_one_ahead_and_no_further() -> None:
    """Each with its own randomness, and none that is not known yet."""
    drawn: list[float] = []

    def sample(rng: np.random.Generator) -> Batch:
        drawn.append(float(rng.random()))
        return Batch(*np.full((5, 1), drawn[-1]))

    plain = Batches(sample, seed=1, ahead=False)
    expected = [float(plain.get(step, step)[0][0]) for step in range(4)]
    drawn.clear()
    ahead = Batches(sample, seed=1, ahead=True)
    for step in range(4):
        batch = ahead.get(step, known=4)
        assert isinstance(batch[0], jax.Array)
        assert float(batch[0][0]) == np.float32(expected[step])
        if ahead.next:
            ahead.next[1].result()
        assert drawn == expected[: min(step + 2, 4)]
    ahead.prepare(4, known=4)
    assert not ahead.next and drawn == expected


def test_no_batch_of_an_epoch_is_drawn_from_the_chunks_of_another(tmp_path: Path) -> None:
    """A data set of four chunks, of which every epoch has one."""
    for number in range(4):
        write_chunk(tmp_path / "data", number, **chunk([0, 0, 0, 1] * 5, first=1 + 20 * number))
    learned = {}
    for ahead in (False, True):
        learner = Idle()
        learner.draws_ahead = ahead
        data = dataset(tmp_path / "data", chunks=4, chunk_transitions=20, chunks_per_epoch=1)
        clock = TrainerOptions(epochs=3, epoch_agent_steps=7, initial_samples=0, replay_ratio=1)
        with make_tracker(tmp_path / str(ahead)) as tracker:
            Trainer(Parts(data, Random, learner), tracker, clock, 1).run()
        learned[ahead] = learner.batches
    assert len(learned[True]) == len(learned[False]) == 21
    for one, two in zip(learned[True], learned[False], strict=True):
        jax.tree.map(np.testing.assert_array_equal, one, two)
    assert len({int(batch.frames[0].max()) // 20 for batch in learned[True]}) > 1  # not all epochs had the same chunk
