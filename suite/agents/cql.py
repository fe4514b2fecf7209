"""Conservative Q-Learning for discrete actions (Kumar et al. 2020, arXiv 2006.04779): DQN with another loss."""

from typing import Any

import gymnasium
import jax
import optax

from suite.agents import CQLOptions
from suite.agents.dqn import LOSSES, q_learning
from suite.types import Agent


def cql(observation_space: gymnasium.Space[Any], action_space: gymnasium.Space[Any], options: CQLOptions) -> Agent:
    """Make CQL(H), to be trained on a data set; observations and actions are as for DQN.

    The loss of a batch is mean((Q(s, a) - y)^2 + cql_weight (logsumexp_a' Q(s, a') - Q(s, a))) with DQN's y, the
    authors' loss (slimCQL), whose weight is 0.1. In Kumar et al.'s form, (Q(s, a) - y)^2 / 2 + alpha (...), alpha is
    half of cql_weight; so it is with half_mse and huber. Raises UserError as DQN does.
    """
    weight = options.cql_weight if options.loss == "mse" else options.cql_weight / 2

    def conservative(q: jax.Array, chosen: jax.Array, y: jax.Array) -> jax.Array:
        return LOSSES[options.loss](chosen, y) + weight * (jax.nn.logsumexp(q, axis=1) - chosen)

    epsilon = optax.constant_schedule(options.epsilon_evaluation)  # no data is ever made
    return q_learning(observation_space, action_space, options, conservative, epsilon)
