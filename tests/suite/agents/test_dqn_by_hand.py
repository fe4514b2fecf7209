"""DQN's share of random actions by the clock, and its targets where episodes end."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from suite.agents import DQNOptions
from suite.agents.dqn import dqn
from suite.types import Agent, Batch

ACTIONS, DRAWS = 10, 4_000
OBSERVATION = np.array([0.5, -0.25, 1.0], np.float32)


def make(**options: float) -> Agent:
    return dqn(
        spaces.Box(-1, 1, (3,), np.float32), spaces.Discrete(ACTIONS), DQNOptions(network="mlp", width=4, **options)
    )


def share_of_best(agent: Agent, agent_step: int, *, greedy: bool) -> float:
    """How often the action of most draws is taken: all actions but the random ones, and a tenth of those."""
    params = agent.init(jax.random.key(0))
    keys = jax.random.split(jax.random.key(1), DRAWS)
    act = jax.jit(jax.vmap(lambda key: agent.act(key, params, OBSERVATION, jnp.int32(agent_step), greedy=greedy)))
    return np.bincount(np.asarray(act(keys)), minlength=ACTIONS).max() / DRAWS


@pytest.mark.parametrize("agent_step, random", [(0, 1.0), (50, 0.5), (100, 0.0), (1_000, 0.0)])
def test_random_actions_are_as_many_as_the_schedule_says(agent_step: int, random: float) -> None:
    """From the last step of the decay on there is none, where it ends at 0."""
    agent = make(epsilon_start=1.0, epsilon_end=0.0, epsilon_decay=100, epsilon_evaluation=1.0)
    share = share_of_best(agent, agent_step, greedy=False)
    assert share == 1 if random == 0 else share == pytest.approx(1 - random * (1 - 1 / ACTIONS), abs=0.05)


@pytest.mark.parametrize("random", [0.0, 0.5])
def test_an_evaluation_has_its_own_share_of_random_actions(random: float) -> None:
    agent = make(epsilon_start=1.0, epsilon_end=1.0, epsilon_evaluation=random)
    share = share_of_best(agent, 0, greedy=True)
    assert share == 1 if random == 0 else share == pytest.approx(1 - random * (1 - 1 / ACTIONS), abs=0.05)


def test_each_transition_is_bootstrapped_by_its_own_discount() -> None:
    """A terminal has a discount of 0, so that its target is the reward alone."""
    agent = make()
    params = agent.init(jax.random.key(0))
    observations = np.stack([OBSERVATION, -OBSERVATION, OBSERVATION])
    discounts, rewards = np.array([0.0, 0.9, 0.81], np.float32), np.array([1.0, -1.0, 2.0], np.float32)
    batch = Batch(observations, np.zeros(3, np.int32), rewards, discounts, observations)
    y = np.asarray(agent.target(jax.random.key(1), params, None, batch))
    first, last = (jax.tree.map(np.asarray, params[name]) for name in ("Dense_0", "Dense_1"))
    hidden = np.maximum(observations @ first["kernel"] + first["bias"], 0)
    best = (hidden @ last["kernel"] + last["bias"]).max(axis=1)
    assert (np.abs(best) > 0.01).all()
    np.testing.assert_allclose(y, rewards + discounts * best, rtol=1e-5, atol=1e-6)


def test_double_dqn_values_the_elected_networks_choice_by_the_target() -> None:
    """van Hasselt et al. 2016: Q_target(s', argmax_a Q(s', a)), here of linear functions of one number."""
    agent = dqn(
        spaces.Box(-1, 1, (1,), np.float32), spaces.Discrete(2), DQNOptions(network="mlp", width=1, double=True)
    )

    def network(*kernel: float) -> dict:
        """Q(s, .) = kernel max(s, 0)."""
        last = {"kernel": jnp.array([kernel]), "bias": jnp.zeros(2)}
        return {"Dense_0": {"kernel": jnp.ones((1, 1)), "bias": jnp.zeros(1)}, "Dense_1": last}

    target, elected = network(1.0, 5.0), network(3.0, 2.0)  # each prefers another action
    state = np.array([[1.0], [2.0]], np.float32)
    batch = Batch(state, np.zeros(2, np.int32), np.float32([10, 20]), np.float32([0.5, 0.0]), state)
    np.testing.assert_allclose(agent.target(jax.random.key(0), target, elected, batch), [10 + 0.5 * 1, 20])
    np.testing.assert_allclose(agent.target(jax.random.key(0), elected, target, batch), [10 + 0.5 * 2, 20])
