"""The trainer's clocks, with a learner that learns nothing."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from suite.record import schema
from tests.support.probes import Probe
from tests.support.trainer import Idle, run_idle


def test_an_epoch_ends_at_the_first_episode_end_after_its_agent_steps(tmp_path: Path) -> None:
    """Episodes of 7 steps, epochs of 20: 21 steps and three episodes each. Of 21: as many, not four episodes."""
    for asked in (20, 21):
        rows = run_idle(
            tmp_path / str(asked), lambda: Probe(7), Idle(), epochs=3, epoch_agent_steps=asked, initial_samples=1000
        )
        assert [row["agent_step"] for row in rows] == [21, 42, 63]
        assert [row["frame"] for row in rows] == [84, 168, 252]
        assert [row["epoch"] for row in rows] == [1, 2, 3]
        for row in rows:
            assert row["episode_lengths"] == [7, 7, 7]
            assert row["episode_returns"] == [7, 7, 7]
            assert (row["episodes"], row["return"], row["gradient_step"], row["loss"]) == (3, 7, 0, None)


def test_an_epoch_has_at_least_one_episode(tmp_path: Path) -> None:
    rows = run_idle(tmp_path, lambda: Probe(9), Idle(), epochs=2, epoch_agent_steps=1, initial_samples=1000)
    assert [(row["agent_step"], row["episodes"]) for row in rows] == [(9, 1), (18, 1)]


def test_returns_are_undiscounted_and_not_clipped(tmp_path: Path) -> None:
    """The replay clips to 1; the score is what the game paid. Truncation ends an episode as well."""
    learner = Idle()
    make = lambda: Probe(3, lambda state, action: 5.0 - 10 * (state == 1), truncates=True)  # noqa: E731
    rows = run_idle(tmp_path, make, learner, epochs=1, epoch_agent_steps=12, initial_samples=5, replay_ratio=1)
    assert rows[-1]["episode_returns"] == [5, 5, 5, 5]
    assert {float(reward) for batch in learner.batches for reward in batch.reward} == {1, -1}


@pytest.mark.parametrize(
    "ratio, due",
    [
        (0.25, {10: 0, 13: 0, 14: 1, 17: 1, 18: 2, 30: 5}),  # one for each 4 agent steps after the first 10
        (2, {10: 0, 11: 2, 12: 4, 30: 40}),
        (1, {10: 0, 11: 1, 30: 20}),
    ],
)
def test_gradient_steps_that_are_due(ratio: float, due: dict[int, int], tmp_path: Path) -> None:
    """`due`: agent steps done -> gradient steps done once the next one has been taken."""
    learner = Idle(target_update_period=4)
    rows = run_idle(
        tmp_path, lambda: Probe(8), learner, epochs=1, epoch_agent_steps=40, initial_samples=10, replay_ratio=ratio
    )
    taken = dict(learner.acted)  # agent steps done -> gradient steps before the learning of this one
    for agent_step, expected in due.items():
        assert taken[agent_step + 1] == expected, agent_step
    total = int((40 - 10) * ratio)  # the last ones at the very end
    assert rows[-1]["gradient_step"] == len(learner.batches) == total
    assert learner.target_updates == list(range(4, total + 1, 4))
    updates = [row for row in rows if row["kind"] == "target_update"]
    assert [row["gradient_step"] for row in updates] == learner.target_updates
    assert [agent_step for agent_step, _ in learner.acted] == list(range(40))


def test_batches_are_drawn_independently(tmp_path: Path) -> None:
    """400 transitions, told apart by their observation; two independent batches of 32 share 2.6 of them on average."""
    learner = Idle()
    clock = {"epochs": 1, "epoch_agent_steps": 400, "initial_samples": 350, "replay_ratio": 2}
    run_idle(tmp_path, lambda: Probe(400), learner, capacity=500, **clock)
    drawn = [set(batch.observation[:, 0].tolist()) for batch in learner.batches]
    shared = [len(one & two) for one, two in pairwise(drawn)]
    assert 1.5 < np.mean(shared) < 4


def test_an_evaluation_follows_each_epoch_and_moves_no_clock(tmp_path: Path) -> None:
    learner = Idle()
    make = lambda: Probe(3, lambda state, action: 10.0 * action)  # noqa: E731
    rows = run_idle(tmp_path, make, learner, epochs=2, epoch_agent_steps=6, initial_samples=100, evaluation_episodes=2)
    assert [row["kind"] for row in rows] == ["epoch", "evaluation"] * 2
    for epoch, evaluation in zip(rows[::2], rows[1::2], strict=True):
        assert evaluation["episode_returns"] == [30, 30]
        assert (evaluation["return"], evaluation["episodes"]) == (30, 2)
        assert epoch["return"] == 0
        for clock in ("epoch", *schema.CLOCKS):
            assert evaluation[clock] == epoch[clock]
    assert [row["agent_step"] for row in rows[::2]] == [6, 12]
    assert [step for step, _ in learner.acted] == list(range(12))
    assert learner.acted_greedily == list(range(6, 18))  # no two actions of an evaluation share their randomness


def test_the_loss_of_an_epoch_is_a_mean_over_the_election_window(tmp_path: Path) -> None:
    """A cumulated loss of 6 over the last 2 of 4 gradient steps."""
    learner = Idle(target_update_period=4)
    learner.election_steps, update_target = 2, learner.update_target
    learner.update_target = lambda state: (state, update_target(state)[1]._replace(losses=np.float32([6])))
    clock = {"epochs": 1, "epoch_agent_steps": 12, "initial_samples": 2, "replay_ratio": 1}
    assert run_idle(tmp_path, lambda: Probe(4), learner, **clock)[-1]["loss"] == 3
