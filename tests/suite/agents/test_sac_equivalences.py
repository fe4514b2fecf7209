"""SAC: against a plain SAC, and methods that are the same with some of their options."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from suite.streams import IMPROVE, TARGET
from suite.types import Batch
from tests.support.learning import assert_close, train
from tests.support.sac import CRITICS, LEARNING_RATES, SIZE, TAU, A, actor_of, batches, learner_of


def forward(params: dict, x: jax.Array) -> jax.Array:
    for number in range(3):
        x = x @ params[f"Dense_{number}"]["kernel"] + params[f"Dense_{number}"]["bias"]
        x = jnp.maximum(x, 0) if number < 2 else x
    return x


def q(params: dict, observation: jax.Array, action: jax.Array) -> jax.Array:
    return forward(params, jnp.hstack([observation, action]))[:, 0]


def draw(key: jax.Array, policy: dict, observation: jax.Array, stream: int, number: int) -> tuple[jax.Array, jax.Array]:
    """Actions and the logarithms of their densities."""
    noise = jax.random.normal(jax.random.fold_in(jax.random.fold_in(key, stream), number), (SIZE, A))
    outputs = forward(policy, observation)
    mean, std = outputs[:, :A], jnp.exp(outputs[:, A:])
    raw = mean + std * noise
    density = jax.scipy.stats.norm.logpdf(raw, mean, std) + 2 * jnp.log(jnp.cosh(raw))
    return jnp.tanh(raw), density.sum(axis=1)


def plain_sac(critics: dict, actor: dict, key: jax.Array, data: list[Batch]) -> tuple[dict, dict, dict, list[float]]:
    """SAC without any of the suite, an optimizer a network: (critics, target, actor, losses of the steps).

    The noise alone is drawn as the learner does, by stream and clock.
    """

    def policy_loss(policy, one, two, log_alpha, batch, number):
        action, density = draw(key, policy, batch.observation, IMPROVE, number)
        best = jnp.minimum(q(one, batch.observation, action), q(two, batch.observation, action))
        return jnp.mean(jnp.exp(log_alpha) * density - best), density

    optimizer = {
        name: optax.adam(LEARNING_RATES[f"{'critic' if name in CRITICS else 'actor'}_learning_rate"])
        for name in (*CRITICS, "policy", "log_temperature")
    }
    params = {**critics, **actor}
    states = {name: optimizer[name].init(params[name]) for name in params}

    @jax.jit
    def step(params, states, target, batch, number):
        params, states = dict(params), dict(states)

        def descend(name, gradient):
            change, states[name] = optimizer[name].update(gradient, states[name])
            params[name] = optax.apply_updates(params[name], change)

        action, density = draw(key, params["policy"], batch.next_observation, TARGET, number)
        next_q = jnp.minimum(*(q(target[name], batch.next_observation, action) for name in CRITICS))
        y = batch.reward + batch.discount * (next_q - jnp.exp(params["log_temperature"]) * density)
        total = 0.0
        for name in CRITICS:
            loss, gradient = jax.value_and_grad(
                lambda critic: jnp.mean((q(critic, batch.observation, batch.action) - y) ** 2) / 2
            )(params[name])
            total += loss
            descend(name, gradient)
        online = {name: params[name] for name in CRITICS}
        target = jax.tree.map(lambda t, o: (1 - TAU) * t + TAU * o, target, online)
        gradient, density = jax.grad(policy_loss, has_aux=True)(
            params["policy"], params["critic_0"], params["critic_1"], params["log_temperature"], batch, number
        )
        descend("policy", gradient)
        descend("log_temperature", -jnp.mean(density - A))
        return params, states, target, total

    target, losses = dict(critics), []
    for number, batch in enumerate(data, start=1):
        params, states, target, loss = step(params, states, target, batch, number)
        losses.append(float(loss))
    actor = {name: params[name] for name in ("policy", "log_temperature")}
    return {name: params[name] for name in CRITICS}, target, actor, losses


def test_dense_is_plain_sac() -> None:
    learner, data = learner_of("dense"), batches(25)
    state = learner.init(0)
    start = jax.tree.map(jnp.array, (state.online[0].params, actor_of(state).params))
    state, updates, losses = train(learner, data)
    critics, target, actor, expected = plain_sac(*start, jax.random.key(0), data)
    assert_close(state.online[0].params, critics, rtol=1e-4, atol=1e-5)
    assert_close(state.target, target, rtol=1e-4, atol=1e-5)
    assert_close(actor_of(state).params, actor, rtol=1e-4, atol=1e-5)
    assert len(updates) == 2
    np.testing.assert_allclose(updates[1]["losses"], [sum(expected[10:20])], rtol=1e-4)
    np.testing.assert_allclose(losses[-1], [sum(expected[20:])], rtol=1e-4)
    # A test that can fail: everything moved far beyond the tolerance.
    before = (start[0], start[0], start[1])
    for old, new in zip(before, (critics, target, actor), strict=True):
        assert max(jax.tree.leaves(jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), old, new))) > 5e-3


@pytest.mark.parametrize(
    "method, options",
    [
        ("eaudeqn", {"num_networks": 1, "max_noise": 0}),
        ("eaudeqn", {"num_networks": 1, "actor": "dense"}),
        ("gmp", {"final_sparsity": 0, "start": 0, "end": 1, "period": 1}),
        ("distill", {"final_sparsity": 0, "start": 0, "end": 1}),
    ],
)
def test_without_pruning_a_method_is_dense(method: str, options: dict) -> None:
    data = batches(25)
    one, one_updates, one_losses = train(learner_of("dense"), data)
    two, two_updates, two_losses = train(learner_of(method, **options), data)
    for a, b in ((one.online[0], two.online[0]), (actor_of(one), actor_of(two))):
        assert_close((a.params, a.opt_state, a.loss), (b.params, b.opt_state, b.loss), rtol=1e-4, atol=1e-6)
    assert_close(one.target, two.target, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(one_losses, two_losses, rtol=1e-4)
    for a, b in zip(one_updates, two_updates, strict=True):
        np.testing.assert_allclose(a["losses"], b["losses"], rtol=1e-4)
        assert (a["elected"], a["actor_sparsity"]) == (b["elected"], b["actor_sparsity"]) == (0, 0)
