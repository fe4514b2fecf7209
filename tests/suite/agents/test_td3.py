"""TD3: targets and actions by hand, a plain TD3 step by step, what waits for the delayed actor, and a probe."""

from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import traverse_util
from gymnasium import spaces

from suite.agents import TD3Options
from suite.agents.td3 import td3
from suite.errors import UserError
from suite.learner import TARGET, Learner
from suite.types import Agent, Batch
from tests.suite.agents.test_sac_equivalences import forward, q
from tests.suite.agents.test_sac_probes import LOW, SAMPLES, STEPS, run, values
from tests.support.learning import PERIOD, assert_close, learner_with, train
from tests.support.methods import NEVER_PRUNE
from tests.support.probes import Aim
from tests.support.sac import (
    ACTIONS,
    CRITICS,
    LEARNING_RATES,
    OBSERVATIONS,
    SIZE,
    TAU,
    UPDATES,
    WIDTHS,
    A,
    actor_of,
    actor_part,
    batches,
    double,
    mlp,
)

DELAY, NOISE, CLIP = 3, 0.4, 0.5


@cache
def agent_of(**options: Any) -> Agent:
    ours = {"policy_delay": DELAY, "target_noise": NOISE, "target_noise_clip": CLIP}
    return td3(OBSERVATIONS, ACTIONS, TD3Options(**{**WIDTHS, **LEARNING_RATES, **ours, **options}))


@cache
def learner_of(method: str, polyak: float | None = TAU, **options: Any) -> Learner:
    return learner_with(agent_of(), method, UPDATES, learner={"polyak": polyak}, **options)


def test_the_target_is_the_lower_critic_at_a_smoothed_action() -> None:
    """numpy's, with the noise that the key draws: clipped, and then the action too."""
    agent, batch, key = agent_of(), batches(1)[0], jax.random.key(2)
    critics, actor = agent.init(jax.random.key(0)), actor_part(agent).init(jax.random.key(1))
    actor = jax.tree.map(lambda leaf: 3 * leaf, actor)  # so that some actions reach the bounds
    noise = np.clip(NOISE * np.asarray(jax.random.normal(key, (SIZE, A)), np.float64), -CLIP, CLIP)
    smoothed = np.tanh(mlp(double(actor["policy"]), batch.next_observation)) + noise
    assert (np.abs(smoothed) > 1).any() and (np.abs(noise) == CLIP).any()
    pairs = np.concatenate([batch.next_observation, np.clip(smoothed, -1, 1)], axis=1)
    lowest = np.minimum(*(mlp(double(critics[name]), pairs)[:, 0] for name in CRITICS))
    found = agent.target(key, critics, actor, batch)
    np.testing.assert_allclose(found, batch.reward + batch.discount * lowest, rtol=1e-4, atol=1e-5)


def test_actions_are_random_then_noisy_and_greedy_ones_neither() -> None:
    agent = agent_of(random_steps=100, exploration_noise=0.1)
    actor, seen = actor_part(agent).init(jax.random.key(1)), batches(1)[0].observation[0]
    mean = np.tanh(mlp(double(actor["policy"]), seen[None])[0])
    act = jax.vmap(lambda key, step: agent.act(key, actor, seen, step, greedy=False), (0, None))
    keys = jax.random.split(jax.random.key(0), 4_000)
    early, late = np.asarray(act(keys, 99)), np.asarray(act(keys, 100))
    np.testing.assert_allclose(early.std(axis=0), 1 / np.sqrt(3), atol=0.03)
    np.testing.assert_allclose(late.mean(axis=0), mean, atol=0.01)
    np.testing.assert_allclose(late.std(axis=0), 0.1, atol=0.01)
    np.testing.assert_allclose(agent.act(keys[0], actor, seen, 0, greedy=True), mean, rtol=1e-4, atol=1e-6)
    loud = agent_of(random_steps=0, exploration_noise=5.0)
    assert np.abs(loud.act(keys[0], actor, seen, 0, greedy=False)).max() <= 1


def plain_td3(critics: dict, actor: dict, key: jax.Array, data: list[Batch]) -> dict[str, Any]:
    """TD3 without any of the suite (Fujimoto et al. 2018, algorithm 1), an optimizer a network."""
    params = {**critics, "policy": actor["policy"]}
    rates = dict.fromkeys(CRITICS, LEARNING_RATES["critic_learning_rate"])
    optimizers = {
        name: optax.adam(rate) for name, rate in {**rates, "policy": LEARNING_RATES["actor_learning_rate"]}.items()
    }
    states = {name: optimizers[name].init(params[name]) for name in params}
    target = dict(params)

    def act(policy: dict, observation: jax.Array) -> jax.Array:
        return jnp.tanh(forward(policy, observation))

    def critic_loss(critic: dict, batch: Batch, y: jax.Array) -> jax.Array:
        return jnp.mean((q(critic, batch.observation, batch.action) - y) ** 2) / 2

    def policy_loss(policy: dict, critic: dict, batch: Batch) -> jax.Array:
        return -jnp.mean(q(critic, batch.observation, act(policy, batch.observation)))

    of_critic, of_policy = jax.jit(jax.grad(critic_loss)), jax.jit(jax.grad(policy_loss))
    for number, batch in enumerate(data, start=1):
        draw = jax.random.normal(jax.random.fold_in(jax.random.fold_in(key, TARGET), number), (SIZE, A))
        action = act(target["policy"], batch.next_observation) + jnp.clip(NOISE * draw, -CLIP, CLIP)
        next_q = [q(target[name], batch.next_observation, jnp.clip(action, -1, 1)) for name in CRITICS]
        y = batch.reward + batch.discount * jnp.minimum(*next_q)
        gradients = {name: of_critic(params[name], batch, y) for name in CRITICS}
        for name, gradient in gradients.items():
            change, states[name] = optimizers[name].update(gradient, states[name])
            params[name] = optax.apply_updates(params[name], change)
        if number % DELAY == 0:
            gradient = of_policy(params["policy"], params["critic_0"], batch)
            change, states["policy"] = optimizers["policy"].update(gradient, states["policy"])
            params["policy"] = optax.apply_updates(params["policy"], change)
            target = jax.tree.map(lambda t, o: (1 - TAU) * t + TAU * o, target, params)
    return {"online": params, "target": target}


def test_dense_is_plain_td3() -> None:
    learner, data = learner_of("dense"), batches(10)
    state = learner.init(0)
    start = jax.tree.map(jnp.array, (state.online[0].params, actor_of(state).params))
    assert_close(state.target_actor, start[1], rtol=0, atol=0)
    state, _, _ = train(learner, data)
    expected = plain_td3(*start, jax.random.key(0), data)
    found = {**state.online[0].params, **actor_of(state).params}
    assert_close(found, expected["online"], rtol=1e-4, atol=1e-5)
    assert_close({**state.target, **state.target_actor}, expected["target"], rtol=1e-4, atol=1e-5)
    for old, new in ((start[0], state.target), (start[1], state.target_actor), (start[1], actor_of(state).params)):
        assert max(jax.tree.leaves(jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), old, new))) > 2e-4


def test_between_its_steps_the_actor_is_still_pruned_and_rewired() -> None:
    """gmp prunes and RigL rewires at step 10, which is no step of the actor: its other weights stay."""
    for method, options in (("gmp", {"start": 0, "period": 5}), ("rigl", {"sparsity": 0.5, "period": 5})):
        learner = learner_of(method, **options)
        state = learner.init(0)
        for number, batch in enumerate(batches(PERIOD), start=1):
            before = jax.tree.map(np.array, (actor_of(state).params, actor_of(state).masks, state.target_actor))
            state = learner.update(state, batch)
            moved = number % DELAY == 0
            bias = np.asarray(actor_of(state).params["policy"]["Dense_0"]["bias"])
            assert (bias == before[0]["policy"]["Dense_0"]["bias"]).all() == (not moved)
            same = jax.tree.map(lambda a, b: bool((np.asarray(a) == b).all()), state.target_actor, before[2])
            assert all(jax.tree.leaves(same)) == (not moved)
        masks = {path: np.asarray(mask) for path, mask in actor_of(state).masks.items()}
        assert any((masks[path] != before[1][path]).any() for path in masks), method
        for layer, leaf in actor_of(state).params["policy"].items():
            assert (np.asarray(leaf["kernel"])[~masks[f"policy/{layer}/kernel"]] == 0).all()


def test_without_polyak_both_targets_are_replaced_at_the_election() -> None:
    state, _, _ = train(learner_of("dense", polyak=None), batches(PERIOD))
    assert_close(state.target, state.online[0].params, rtol=0, atol=0)
    assert_close(state.target_actor, actor_of(state).params, rtol=0, atol=0)
    pointers = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves((state.target_actor, state.actor))]
    assert len(pointers) == len(set(pointers))  # each of which is donated


def test_all_pairs_learn_from_one_target_and_the_actor_follows_the_elected() -> None:
    learner = learner_of("eaudeqn", num_networks=3, max_noise=1e6, max_speed=0.3)
    _, updates, losses = train(learner, batches(2 * PERIOD), winner=2)
    np.testing.assert_allclose(losses[PERIOD - 1], losses[PERIOD - 1][0], rtol=1e-5)  # one pair, three times
    assert updates[-1]["actor_sparsity"] == pytest.approx(updates[-1]["sparsities"][0], abs=0.02)
    assert updates[-1]["actor_sparsity"] > 0.1


def test_simba_learns_statistics_which_the_target_actor_follows() -> None:
    agent = agent_of(network="simba", policy_delay=1)
    learner = learner_with(agent, "gmp", UPDATES, learner={"polyak": TAU})
    state = learner.init(0)
    before = jax.tree.map(np.array, state.target_actor)
    for batch in batches(2):
        state = learner.update(state, batch)
    moved = jax.tree.map(lambda a, b: bool((np.asarray(a) != b).any()), state.target_actor, before)
    changes = [path for path, changed in traverse_util.flatten_dict(moved, sep="/").items() if changed]
    assert any(path.endswith("/mean") for path in changes)
    assert any(path.endswith("/kernel") for path in changes)


@pytest.mark.parametrize("method", ["dense", "eaudeqn"])
def test_the_action_of_the_highest_reward(method: str, tmp_path: Path) -> None:
    environment, rates = Aim(), {"critic_learning_rate": 5e-3, "actor_learning_rate": 5e-3}
    options = TD3Options(critic_width=24, actor_width=16, random_steps=SAMPLES, exploration_noise=0.3, **rates)
    agent = td3(environment.observation_space, environment.action_space, options)
    learner = learner_with(agent, method, STEPS - SAMPLES, 20, learner={"polyak": TAU}, **LOW.get(method, {}))
    state = run(Aim, learner, tmp_path)
    for sign in (-1, 1):
        action = learner.act_greedily(state, np.array([sign, 1], np.float32), np.int32(0))
        assert float(action[0]) == pytest.approx(sign / 2, abs=0.15)
        np.testing.assert_allclose(values(state.online[0].params, [sign, 1], sign / 2), 0, atol=0.1)
    assert (float(learner.measure(state)["actor_sparsity"]) == 0) == (method in NEVER_PRUNE)


def test_other_actions_are_refused_in_its_name() -> None:
    with pytest.raises(UserError, match="agent td3 needs"):
        td3(OBSERVATIONS, spaces.Discrete(3), TD3Options())
