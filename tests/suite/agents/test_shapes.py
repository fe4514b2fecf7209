"""Arrays of a wrong rank are refused where they come in; broadcasting would give a number that means nothing."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from suite.agents import AGENTS
from suite.population import behaviour_probabilities
from suite.sparsity.masks import apply_masks
from suite.types import Agent, Batch

KEY = jax.random.key(0)
OBSERVATIONS = spaces.Box(-1, 1, (4,), np.float32)
CASES: dict[str, tuple[spaces.Space[Any], dict[str, Any]]] = {
    "dqn": (spaces.Discrete(3), {"network": "mlp", "width": 8}),
    "cql": (spaces.Discrete(3), {"network": "mlp", "width": 8}),
    "sac": (spaces.Box(-1, 1, (2,), np.float32), {"critic_width": 8, "actor_width": 8}),
    "td3": (spaces.Box(-1, 1, (2,), np.float32), {"critic_width": 8, "actor_width": 8}),
}


def made(name: str) -> tuple[Agent, Batch]:
    actions, options = CASES[name]
    zeros = np.zeros((5, 4), np.float32)
    action = np.zeros(5, np.int32) if isinstance(actions, spaces.Discrete) else np.zeros((5, 2), np.float32)
    batch = Batch(zeros, action, np.ones(5, np.float32), np.ones(5, np.float32), zeros)
    agent: Agent = AGENTS[name].make(OBSERVATIONS, actions, **options)
    return agent, batch


@pytest.mark.parametrize("name", CASES)
def test_targets_that_are_a_column_are_refused(name: str) -> None:
    agent, batch = made(name)
    params = agent.init(KEY)
    y = jnp.ones(5)
    assert agent.loss(params, batch, y).shape == ()
    with pytest.raises(AssertionError):
        agent.loss(params, batch, y[:, None])


@pytest.mark.parametrize("name", ["dqn", "cql"])
def test_rewards_that_are_a_column_are_refused(name: str) -> None:
    agent, batch = made(name)
    with pytest.raises(AssertionError):
        agent.target(KEY, agent.init(KEY), None, batch._replace(reward=np.ones((5, 1), np.float32)))


def test_masks_of_another_shape_and_losses_of_another_rank_are_refused() -> None:
    with pytest.raises(AssertionError):
        apply_masks({"Dense_0": {"kernel": jnp.ones((3, 4))}}, {"Dense_0/kernel": jnp.ones((1, 4), bool)})
    with pytest.raises(AssertionError):
        behaviour_probabilities("inverse_loss", jnp.ones((2, 1)))
