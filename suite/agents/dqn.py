"""Deep Q-Network (Mnih et al. 2015), in the variant of the paper's configuration: Adam and a squared error."""

from collections.abc import Callable
from typing import Any

import chex
import gymnasium
import jax
import jax.numpy as jnp
import optax
from gymnasium import spaces

from suite.agents import CQLOptions, DQNOptions
from suite.agents.activations import activations
from suite.agents.networks import q_network
from suite.errors import UserError
from suite.layers import network_at
from suite.types import Agent, Array, Batch, Params

#: Of Q(s, a) and y. Adam's epsilon belongs to the scale of the loss: halved, the same epsilon makes steps smaller.
LOSSES: dict[str, Callable[[jax.Array, jax.Array], jax.Array]] = {
    "mse": optax.squared_error,
    "half_mse": optax.l2_loss,
    "huber": optax.huber_loss,
}


def dqn(observation_space: gymnasium.Space[Any], action_space: gymnasium.Space[Any], options: DQNOptions) -> Agent:
    """Make DQN for discrete actions, on images uint8 [stack, height, width] or vectors float32 [d].

    The loss of a batch is mean((Q(s, a) - y)^2) with y = r + gamma^n max_a' Q_target(s', a'). Double DQN (van Hasselt
    et al. 2016) has Q_target(s', argmax_a' Q(s', a')) instead, with Q the elected network (ours for K > 1).
    Raises UserError when the network does not fit the observations or the actions are not discrete.
    """
    return q_learning(
        observation_space,
        action_space,
        options,
        lambda q, chosen, y: LOSSES[options.loss](chosen, y),
        optax.linear_schedule(options.epsilon_start, options.epsilon_end, options.epsilon_decay),
        double=options.double,
    )


def q_learning(
    observation_space: gymnasium.Space[Any],
    action_space: gymnasium.Space[Any],
    options: DQNOptions | CQLOptions,
    loss: Callable[[jax.Array, jax.Array, jax.Array], jax.Array],
    epsilon: optax.Schedule,
    *,
    double: bool = False,
) -> Agent:
    """Make Q-learning whose loss is the mean of loss(Q(s, .) [B, A], Q(s, a) [B], y [B]) -> [B].

    In training, a fraction `epsilon` of the actions is random, which depends on the agent step; in evaluation, the
    fraction `epsilon_evaluation`. Raises UserError when the network does not fit the observations or the actions are
    not discrete.
    """
    if not isinstance(action_space, spaces.Discrete):
        raise UserError(f"a Q-network needs discrete actions, not {action_space}")
    shape = observation_space.shape or ()
    num_actions = int(action_space.n)
    module = q_network(options.network, shape, options.width, num_actions, options.scale, options.layer_norm)

    def init(key: jax.Array) -> Params:
        return module.init(key, jnp.zeros((1, *shape), observation_space.dtype))["params"]

    def values(params: Params, observation: Array) -> jax.Array:
        q: jax.Array = module.apply({"params": params}, observation)
        return q

    def act(key: jax.Array, params: Params, observation: Array, agent_step: Array, *, greedy: bool) -> jax.Array:
        explore_key, action_key = jax.random.split(key)
        chance = options.epsilon_evaluation if greedy else epsilon(agent_step)
        action: jax.Array = jax.lax.cond(
            jax.random.uniform(explore_key) < chance,
            lambda: jax.random.randint(action_key, (), 0, num_actions),
            lambda: jnp.argmax(values(params, jnp.asarray(observation)[None])[0]).astype(jnp.int32),
        )
        return action

    def target(key: jax.Array, params: Params, elected: Params, batch: Batch) -> jax.Array:
        chex.assert_rank([batch.reward, batch.discount], 1)
        q = values(params, batch.next_observation)
        if double:
            best = jnp.argmax(values(elected, batch.next_observation), axis=1)
            next_value = jnp.take_along_axis(q, best[:, None], axis=1)[:, 0]
        else:
            next_value = jnp.max(q, axis=1)
        return jnp.asarray(batch.reward) + batch.discount * next_value

    def mean_loss(params: Params, batch: Batch, y: jax.Array) -> jax.Array:
        q = values(params, batch.observation)
        chosen = jnp.take_along_axis(q, batch.action[:, None], axis=1)[:, 0]
        chex.assert_rank(q, 2)
        chex.assert_equal_shape([chosen, y])
        return jnp.mean(loss(q, chosen, y))

    def inspect(params: Params, batch: Batch) -> tuple[jax.Array, dict[str, jax.Array]]:
        return activations(module, params, batch.observation)

    optimizer = optax.adam(options.learning_rate, eps=options.adam_epsilon)
    return Agent(init, act, target, mean_loss, optimizer, (network_at("", module.layers),), inspect=inspect)
