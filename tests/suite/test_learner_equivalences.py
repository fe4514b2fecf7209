"""The learner: against a plain DQN, and methods that are the same with some of their options."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from suite.agents import AGENTS, DQNOptions
from suite.agents.dqn import dqn
from suite.learner import Learner
from suite.sparsity.masks import apply_masks, dense_masks
from suite.types import Batch, Network, Params
from tests.support import sac
from tests.support.learners import ACTIONS, EPSILON, LEARNING_RATE, OBSERVATIONS, UPDATES, batches, learner_of
from tests.support.learning import PERIOD, assert_close, learner_with, train

# Equivalences --------------------------------------------------------------------------------------------------------


def assert_same_learning(left: Learner, right: Learner) -> None:
    """Parameters, optimizers, targets and losses. Not bit by bit: with masks in it the program is fused otherwise."""
    data = batches(UPDATES)
    (one, one_updates, one_losses), (two, two_updates, two_losses) = train(left, data), train(right, data)
    for a, b in zip(one.online, two.online, strict=True):
        assert_close((a.params, a.opt_state), (b.params, b.opt_state), rtol=1e-5, atol=1e-6)
    assert_close(one.target, two.target, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(one_losses, two_losses, rtol=1e-5)
    for a, b in zip(one_updates, two_updates, strict=True):
        np.testing.assert_allclose(a["losses"], b["losses"], rtol=1e-5)
        assert a["elected"] == b["elected"] == 0


def plain_dqn(
    params: dict, data: list[Batch], level: float = 0.0, dense_gradient: bool = True
) -> tuple[dict, list[dict], list[float]]:
    """DQN without any of the suite: (weights, those in use after each step, cumulated losses). Targets are held for
    PERIOD updates. With a level, masks are made of all weights after the first update, and where pruned weights learn
    anew after each."""
    optimizer = optax.adam(LEARNING_RATE, eps=EPSILON)
    opt_state, target, used, cumulated, losses = optimizer.init(params), params, [], 0.0, []

    def masks_of(params):
        def largest(leaf):
            order = np.argsort(-np.abs(np.asarray(leaf)).ravel(), kind="stable")
            mask = np.zeros(leaf.size, bool)
            mask[order[: int(np.round((1 - level) * leaf.size))]] = True
            return mask.reshape(leaf.shape)

        return {name: {"kernel": largest(layer["kernel"]), "bias": True} for name, layer in params.items()}

    def q(params, x):
        hidden = jnp.maximum(x @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"], 0)
        return hidden @ params["Dense_1"]["kernel"] + params["Dense_1"]["bias"]

    @jax.jit
    def loss_and_slopes(params, target, batch):
        y = batch.reward + batch.discount * q(target, batch.next_observation).max(axis=1)
        rows = jnp.arange(len(y))
        return jax.value_and_grad(lambda p: jnp.mean((q(p, batch.observation)[rows, batch.action] - y) ** 2))(params)

    def masked(tree):
        return jax.tree.map(lambda leaf, mask: jnp.where(mask, leaf, 0), tree, masks)

    masks = jax.tree.map(np.ones_like, params)
    for number, batch in enumerate(data, start=1):
        value, gradients = loss_and_slopes(masked(params), target, batch)
        cumulated += float(value)
        losses.append(cumulated)
        updates, opt_state = optimizer.update(gradients if dense_gradient else masked(gradients), opt_state)
        params = optax.apply_updates(params, updates if dense_gradient else masked(updates))
        if dense_gradient or number == 1:
            masks = masks_of(params)
        used.append(masked(params))
        if number % PERIOD == 0:
            target, cumulated = used[-1], 0.0
    return params, used, losses


def test_dense_is_plain_dqn() -> None:
    learner, data = learner_of("dense"), batches(UPDATES + 5)
    initial = jax.tree.map(np.asarray, learner.init(0).online[0].params)
    state, updates, losses = train(learner, data)
    params, used, expected_losses = plain_dqn(initial, data)
    assert_close(state.online[0].params, params, rtol=1e-5, atol=1e-6)
    assert_close(state.target, used[UPDATES - 1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose([loss[0] for loss in losses], expected_losses, rtol=1e-5)
    assert len(updates) == UPDATES // PERIOD
    # A test that can fail: learning moved the parameters far beyond the tolerance.
    moved = np.abs(np.asarray(params["Dense_0"]["kernel"]) - initial["Dense_0"]["kernel"]).mean()
    assert moved > 1e-2


def test_eaudeqn_with_one_network_and_no_noise_is_dense() -> None:
    assert_same_learning(learner_of("eaudeqn", num_networks=1, max_noise=0), learner_of("dense"))


@pytest.mark.parametrize(
    "method, options",
    [
        ("gmp", {"period": 1, "start": 0, "end": 1}),
        ("gmp", {"period": 1, "start": 0, "end": 1, "regrow": True}),
        ("ste", {"period": 1, "start": 0, "end": 1}),
        ("distill", {"start": 0, "end": 1}),
        ("iterative", {}),
        ("constant", {}),
    ],
)
def test_pruning_to_zero_is_dense(method: str, options: dict) -> None:
    assert_same_learning(learner_of(method, final_sparsity=0, **options), learner_of("dense"))


@pytest.mark.parametrize("method, options", [("static", {}), ("set", {"period": 1}), ("rigl", {"period": 1})])
def test_no_sparsity_from_the_start_is_dense(method: str, options: dict) -> None:
    assert_same_learning(learner_of(method, sparsity=0, **options), learner_of("dense"))


# Methods that keep pruned weights ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method, options, dense_gradient", [("ste", {}, True), ("gmp", {"regrow": True}, False)])
def test_masks_of_all_weights(method: str, options: dict, dense_gradient: bool) -> None:
    """Held against a plain implementation: loss, target and policy read masked weights; ste's gradient goes to all, and
    its masks change after the end of the schedule."""
    level, data = 0.5, batches(2 * PERIOD + 3)
    options = {**options, "distribution": "uniform", "start": 0, "end": 1e-9, "period": 1}
    learner = learner_of(method, final_sparsity=level, **options)
    initial = jax.tree.map(np.asarray, learner.init(0).online[0].params)
    state, _, _ = train(learner, data)
    params, used, _ = plain_dqn(initial, data, level, dense_gradient)
    assert_close(state.online[0].params, params, rtol=1e-4, atol=1e-5)
    assert_close(state.target, used[2 * PERIOD - 1], rtol=1e-4, atol=1e-5)
    assert_close(learner.policy(state).params, used[-1], rtol=1e-4, atol=1e-5)
    kept = np.asarray(state.online[0].params["Dense_0"]["kernel"])[~np.asarray(state.online[0].masks["Dense_0/kernel"])]
    assert (kept != 0).all()  # which the policy has not
    zero = np.asarray(learner.policy(state).params["Dense_0"]["kernel"]) == 0
    np.testing.assert_array_equal(zero, ~np.asarray(state.online[0].masks["Dense_0/kernel"]))


@pytest.mark.parametrize("method, options", [("ste", {}), ("gmp", {"regrow": True})])
def test_acting_reads_masked_weights(method: str, options: dict) -> None:
    """Action 2 is best by a weight that is pruned, else action 1."""
    agent = dqn(
        OBSERVATIONS, ACTIONS, DQNOptions(network="mlp", width=4, epsilon_start=0, epsilon_end=0, epsilon_evaluation=0)
    )
    learner = learner_with(agent, method, UPDATES, **options)
    state = learner.init(0)
    params: Params = jax.tree.map(jnp.zeros_like, state.online[0].params)
    params["Dense_0"]["bias"] = jnp.ones(4)
    params["Dense_1"]["kernel"] = params["Dense_1"]["kernel"].at[0, 2].set(5.0).at[0, 1].set(1.0)
    masks = dense_masks(params)
    hidden = {**masks, "Dense_1/kernel": masks["Dense_1/kernel"].at[0, 2].set(False)}
    for mask, action in ((masks, 2), (hidden, 1)):
        seen = state._replace(online=(state.online[0]._replace(params=params, masks=mask),))
        assert int(learner.act(seen, np.ones(4, np.float32), np.int32(0))) == action
        assert int(learner.act_greedily(seen, np.ones(4, np.float32), np.int32(0))) == action


@pytest.mark.parametrize("agent_name", ["sac", "td3"])
@pytest.mark.parametrize("method, options", [("ste", {}), ("gmp", {"regrow": True})])
def test_kept_values_of_pruned_weights_leave_no_trace(agent_name: str, method: str, options: dict) -> None:
    """With other values, a gradient step gives the same losses, targets, actor and critics."""
    agent = AGENTS[agent_name].make(sac.OBSERVATIONS, sac.ACTIONS, critic_width=8, actor_width=8)
    learner = learner_with(agent, method, 100, learner={"polyak": 0.5}, start=0.5, period=50, **options)

    def hide(network: Network, value: float) -> Network:
        """Prune every other weight, which keeps this value."""
        masks = {path: jnp.arange(mask.size).reshape(mask.shape) % 2 == 0 for path, mask in network.masks.items()}
        kept = apply_masks(network.params, masks)
        values = jax.tree.map(lambda old, new: jnp.where(old == new, new, value), network.params, kept)
        return network._replace(params=values, masks=masks)

    found = []
    for value in (0.0, 3.0):
        state = learner.init(0)
        state = state._replace(online=(hide(state.online[0], value),), actor=hide(sac.actor_of(state), value))
        state = state._replace(step=jnp.int32(1))  # at the second step the actor of TD3 learns
        state = learner.update(state, sac.batches(1)[0])
        used = [learner.policy(state).params, learner.policy(state._replace(actor=None)).params]
        found.append((used, state.target, state.target_actor, state.online[0].loss, sac.actor_of(state).loss))
    assert_close(*found, rtol=1e-6, atol=1e-7)


# What methods and agents are given -----------------------------------------------------------------------------------


def test_rigl_grows_by_the_dense_gradient_of_the_gradient_step() -> None:
    """Of the pruned weights, those with the largest gradient before the step grow; they start at zero."""
    learner = learner_of("rigl", sparsity=0.5, period=1)
    state, (batch,) = learner.init(0), batches(1)
    before = jax.tree.map(np.array, state.online[0])
    y = learner.agent.target(jax.random.key(0), before.params, before.params, batch)
    gradients = jax.grad(learner.agent.loss)(before.params, batch, y)
    after = learner.update(state, batch).online[0]
    for name in ("Dense_0", "Dense_1"):
        pruned, mask = ~before.masks[f"{name}/kernel"], np.asarray(after.masks[f"{name}/kernel"])
        slopes = np.where(pruned, np.abs(gradients[name]["kernel"]), -1)
        grown = mask & pruned
        assert 3 < grown.sum() < pruned.sum() - 3
        assert slopes[grown].min() > slopes[~grown].max()
        assert not np.asarray(after.params[name]["kernel"])[grown].any()


def test_double_dqn_reads_the_elected_network_alone() -> None:
    """The target values depend on its parameters, and not on those of the other networks."""
    agent = dqn(OBSERVATIONS, ACTIONS, DQNOptions(network="mlp", width=8, double=True))
    learner, losses = learner_with(agent, "eaudeqn", 100, num_networks=2), []
    for factors in ((1, 1), (1, -1), (-1, 1)):
        state = learner.init(0)
        networks = zip(state.online, factors, strict=True)
        online = (n._replace(params=jax.tree.map(lambda leaf, by=by: by * leaf, n.params)) for n, by in networks)
        state = learner.update(state._replace(online=tuple(online)), batches(1)[0])
        losses.append([float(network.loss) for network in state.online])
    assert losses[0][0] == losses[1][0]
    assert losses[0][1] != losses[2][1]


# Losses in the election ----------------------------------------------------------------------------------------------


def test_a_smoothed_election_weighs_late_losses_more() -> None:
    """Two networks' losses by gradient step: their exponential moving averages, from the same value, say who wins."""
    rate, data = 0.3, batches(PERIOD)
    plain = learner_of("eaudeqn", num_networks=1)
    smoothed = learner_of("eaudeqn", num_networks=1, elect="smoothed", smoothing=rate)
    _, _, cumulated = train(plain, data)
    losses = np.diff(np.concatenate([[0.0], np.array(cumulated)[:, 0]]))
    weights = (1 - rate) ** np.arange(PERIOD - 1, -1, -1)
    expected = np.cumsum(losses * weights * PERIOD / weights.sum())
    _, _, found = train(smoothed, data)
    np.testing.assert_allclose(np.array(found)[:, 0], expected, rtol=1e-3)
