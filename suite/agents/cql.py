"""Conservative Q-Learning for discrete actions (Kumar et al. 2020, arXiv 2006.04779): DQN with another loss."""

from typing import Annotated

import gymnasium
import jax
import optax
from pydantic import Field

from suite.agents.dqn import LOSSES, Loss, q_learning
from suite.agents.networks import NetworkName
from suite.types import Agent


def cql(
    observation_space: gymnasium.Space,
    action_space: gymnasium.Space,
    *,
    network: Annotated[NetworkName, Field(description="Nature CNN, a laptop's CNN, no convolutions")] = "nature",
    width: Annotated[int, Field(ge=1, le=2**16, description="units of the hidden dense layer")] = 512,
    learning_rate: Annotated[float, Field(gt=0, description="Adam's step size")] = 5e-5,
    adam_epsilon: Annotated[float, Field(gt=0, description="Adam's epsilon")] = 1.5e-4,
    loss: Loss = "mse",
    cql_weight: Annotated[
        float,
        Field(ge=0, description="weight of the CQL term beside the squared TD error, halved where that is; 0 is DQN"),
    ] = 0.1,
    epsilon_evaluation: Annotated[
        float, Field(ge=0, le=1, description="share of random actions in evaluation (ours)")
    ] = 0.001,
) -> Agent:
    """CQL(H), to be trained on a data set; observations and actions as for DQN.

    The loss of a batch is mean((Q(s, a) - y)^2 + cql_weight (logsumexp_a' Q(s, a') - Q(s, a))) with DQN's y, the
    authors' loss (slimCQL), whose weight is 0.1. In Kumar et al.'s form, (Q(s, a) - y)^2 / 2 + alpha (...), alpha is
    half of cql_weight; so it is with half_mse and huber. Raises UserError as DQN does.
    """
    weight = cql_weight if loss == "mse" else cql_weight / 2

    def conservative(q: jax.Array, chosen: jax.Array, y: jax.Array) -> jax.Array:
        return LOSSES[loss](chosen, y) + weight * (jax.nn.logsumexp(q, axis=1) - chosen)

    return q_learning(
        observation_space,
        action_space,
        conservative,
        network=network,
        width=width,
        optimizer=optax.adam(learning_rate, eps=adam_epsilon),
        epsilon=optax.constant_schedule(epsilon_evaluation),  # no data is ever made
        epsilon_evaluation=epsilon_evaluation,
    )
