"""TD3, Twin Delayed DDPG (Fujimoto et al. 2018, arXiv 1802.09477): a deterministic actor and SAC's twin critics."""

from functools import partial
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import optax

from suite.agents import TD3Options
from suite.agents.sac import (
    CRITICS,
    apply,
    critic_loss,
    critic_values,
    init_critics,
    inspect_critics,
    inspect_policy,
    make_networks,
    observe_critics,
    observe_policy,
    sizes,
)
from suite.layers import network_at
from suite.types import Actor, Agent, Array, Batch, Params


def td3(observation_space: gymnasium.Space[Any], action_space: gymnasium.Space[Any], options: TD3Options) -> Agent:
    """Make TD3 for actions in [-1, 1]^A and vector observations float32 [d]. Raises UserError for other spaces.

    The critics' loss is SAC's, half of the authors' loss: up to its epsilon, Adam's step does not depend on the scale.
    """
    inputs, dimension = sizes("td3", observation_space, action_space)
    critic, policy = make_networks(inputs, dimension, dimension, options)

    def init_actor(key: jax.Array) -> Params:
        return {"policy": policy.init(key, jnp.zeros(inputs))["params"]}

    def action_of(actor: Params, observation: Array) -> jax.Array:
        """Return pi(s) in [-1, 1]: float32 [..., A]."""
        return jnp.tanh(apply(policy, actor["policy"], observation))

    def act(key: jax.Array, actor: Params, observation: Array, agent_step: Array, *, greedy: bool) -> jax.Array:
        """Return pi(s) + N(0, exploration_noise^2), clipped to [-1, 1], after random first steps; pi(s) if greedy."""
        action = action_of(actor, observation)
        if greedy:
            return action
        random_key, noise_key = jax.random.split(key)
        random = jax.random.uniform(random_key, (dimension,), minval=-1, maxval=1)
        noise = options.exploration_noise * jax.random.normal(noise_key, (dimension,))
        return jnp.where(agent_step < options.random_steps, random, jnp.clip(action + noise, -1, 1))

    def target(key: jax.Array, params: Params, target_actor: Params, batch: Batch) -> jax.Array:
        """Return y = r + gamma^n min_i Qtarget_i(s', a'), float32 [B], with a' = pi_target(s') +
        clip(N(0, target_noise^2)), clipped to [-1, 1] (equation 14)."""
        smooth = options.target_noise * jax.random.normal(key, batch.action.shape)
        smooth = jnp.clip(smooth, -options.target_noise_clip, options.target_noise_clip)
        action = jnp.clip(action_of(target_actor, batch.next_observation) + smooth, -1, 1)
        lowest = jnp.minimum(*critic_values(critic, params, batch.next_observation, action))
        return jnp.asarray(batch.reward) + batch.discount * lowest

    def actor_loss(key: jax.Array, actor: Params, critics: Params, batch: Batch) -> jax.Array:
        """Return -mean(Q_1(s, pi(s))): float32 []."""
        action = action_of(actor, batch.observation)
        return -jnp.mean(critic_values(critic, critics, batch.observation, action, CRITICS[:1])[0])

    return Agent(
        partial(init_critics, critic, inputs + dimension),
        act,
        target,
        partial(critic_loss, critic),
        optax.adam(options.critic_learning_rate),
        tuple(network_at(name, critic.layers) for name in CRITICS),
        Actor(
            init_actor,
            actor_loss,
            optax.adam(options.actor_learning_rate),
            (network_at("policy", policy.layers),),
            period=options.policy_delay,
            has_target=True,
            critics=(network_at(CRITICS[0], critic.layers),),
            inspect=partial(inspect_policy, policy),
            observe=partial(observe_policy, policy),
        ),
        inspect=partial(inspect_critics, critic),
        observe=partial(observe_critics, critic),
    )
