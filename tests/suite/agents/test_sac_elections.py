"""EauDeSAC: what follows the elected pair of critics, and which losses elect it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from suite.learner import Learner
from tests.support.learning import PERIOD, assert_close, favour, train
from tests.support.sac import SIZE, TAU, WIDTH, actor_of, batches, learner_of

# The target ----------------------------------------------------------------------------------------------------------


def test_the_target_follows_the_elected_pair_at_every_gradient_step() -> None:
    """Also right after an election, and pruned weights die out in it by 1 - tau a step."""
    learner = learner_of("eaudeqn", num_networks=3, max_noise=1e6, max_speed=0.3)
    state = learner.init(0)
    copied = jax.tree.map(np.array, state.target)
    jax.tree.map(np.testing.assert_array_equal, copied, state.online[0].params)
    mask = left = None
    for number, batch in enumerate(batches(3 * PERIOD), start=1):
        old = jax.tree.map(np.array, state.target)
        state = learner.update(state, batch)
        expected = jax.tree.map(lambda t, o: (1 - TAU) * t + TAU * np.asarray(o), old, state.online[0].params)
        assert_close(state.target, expected, rtol=1e-5, atol=1e-7)
        if left is not None and mask is not None:
            left = left * (1 - TAU)
            kernel = np.asarray(state.target["critic_1"]["Dense_1"]["kernel"])
            np.testing.assert_allclose(kernel[~mask], left, rtol=1e-4)
        if number % PERIOD == 0:
            state, _ = learner.update_target(favour(state, 2))  # a pruned copy, but for the first time
            mask = np.asarray(state.online[0].masks["critic_1/Dense_1/kernel"])
            left = np.asarray(state.target["critic_1"]["Dense_1"]["kernel"])[~mask] if not mask.all() else None
    assert left is not None and left.size > 0.25 * WIDTH**2 and np.abs(left).max() > 1e-3


def test_all_pairs_learn_from_the_same_batch_target_and_noise() -> None:
    """In the first period they are one pair, three times."""
    _, _, losses = train(learner_of("eaudeqn", num_networks=3), batches(PERIOD))
    for loss in losses:
        np.testing.assert_allclose(loss, loss[0], rtol=1e-5)


def test_the_actor_improves_against_the_elected_pair_alone() -> None:
    """The others' parameters leave no trace in the actor, nor in the target."""
    learner, data = learner_of("eaudeqn", num_networks=3), batches(2)
    ends = []
    for others in (1.0, -2.0):
        state = learner.init(0)
        factors = (1.0, others, others)
        online = (
            network._replace(params=jax.tree.map(partial(jnp.multiply, factor), network.params))
            for network, factor in zip(state.online, factors, strict=True)
        )
        state = state._replace(online=tuple(online))
        for batch in data:
            state = learner.update(state, batch)
        ends.append((actor_of(state).params, state.target, state.online[0].params))
    jax.tree.map(np.testing.assert_array_equal, *ends)


# The election window -------------------------------------------------------------------------------------------------


def windowed(window: float) -> Learner:
    return learner_of("dense", (("election_window", window),)) if window < 1 else learner_of("dense")


@pytest.mark.parametrize("window, counted", [(1.0, 10), (0.3, 3), (0.04, 1)])
def test_the_last_share_of_a_period_counts(window: float, counted: int) -> None:
    data = batches(2 * PERIOD)
    _, updates, losses = train(learner_of("dense"), data)
    _, found_updates, found = train(windowed(window), data)
    assert windowed(window).election_steps == counted
    steps = np.diff(np.concatenate([[0], *losses])[: PERIOD + 1])
    expected = np.where(np.arange(PERIOD) >= PERIOD - counted, steps, 0).cumsum()
    np.testing.assert_allclose(np.concatenate(found)[:PERIOD], expected, rtol=1e-3, atol=1e-6)
    assert (np.concatenate(found)[PERIOD : 2 * PERIOD - counted] == 0).all()  # zeroed at the election
    assert float(found_updates[1]["losses"][0]) == pytest.approx(
        float(updates[1]["losses"][0] - losses[-counted - 1][0] * (counted < PERIOD)), rel=1e-3
    )


@pytest.mark.parametrize("window", [1.0, 0.3])
@pytest.mark.parametrize("broken", [1, PERIOD])
def test_a_loss_that_is_nan_elects_nobody(window: float, broken: int) -> None:
    """Also from before the window: the parameters are lost with it."""
    data = batches(PERIOD)
    data[broken - 1] = data[broken - 1]._replace(reward=np.full(SIZE, np.nan, np.float32))
    _, updates, losses = train(windowed(window), data)
    assert not np.isfinite(np.concatenate(losses)[broken - 1 :]).any()
    assert updates[0]["elected"] == -1
