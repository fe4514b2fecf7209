"""Soft Actor-Critic (Haarnoja et al. 2018, arXiv 1812.05905) with twin critics and a learned temperature."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import chex
import gymnasium
import jax
import jax.numpy as jnp
import optax
from gymnasium import spaces

from suite.agents import ContinuousOptions, SACOptions
from suite.agents.activations import activations
from suite.agents.networks import Described, mlp, simba, with_statistics
from suite.errors import UserError
from suite.layers import network_at
from suite.population import over_trees
from suite.types import Actor, Agent, Array, Batch, Params

CRITICS = ("critic_0", "critic_1")
CRITIC_BLOCKS, ACTOR_BLOCKS = 2, 1  # of SimBa (Lee et al. 2025)
LOG_STD = (-20.0, 2.0)  # bounds of the Gaussian's log standard deviation (Haarnoja et al. 2018)


def apply(network: Described, params: Params, x: Array) -> jax.Array:
    """Return the network's outputs [..., outputs] for inputs [..., inputs]."""
    outputs: jax.Array = network.apply({"params": params}, x)
    return outputs


def sizes(agent: str, observation_space: gymnasium.Space[Any], action_space: gymnasium.Space[Any]) -> tuple[int, int]:
    """Return the sizes of an observation [d] and an action [A]: d, A.

    Raises UserError, which names the agent, for spaces that it does not take.
    """
    box = action_space if isinstance(action_space, spaces.Box) and len(action_space.shape) == 1 else None
    if box is None or not ((box.low == -1) & (box.high == 1)).all():
        raise UserError(f"agent {agent} needs continuous actions in [-1, 1]^A, not {action_space}")
    observed = observation_space.shape or ()
    if len(observed) != 1:
        raise UserError(f"agent {agent} needs vector observations, not {observation_space}")
    return observed[0], box.shape[0]


def init_critics(critic: Described, inputs: int, key: jax.Array) -> Params:
    """Draw the parameters of both critics; `inputs` is the size of an observation and an action together."""
    keys = jax.random.split(key, len(CRITICS))
    return {name: critic.init(key, jnp.zeros(inputs))["params"] for name, key in zip(CRITICS, keys, strict=True)}


def critic_values(
    critic: Described, params: Params, observation: Array, action: Array, names: Sequence[str] = CRITICS
) -> tuple[jax.Array, ...]:
    """Return Q_i(s, a), float32 [B], of each critic of these names."""
    chex.assert_rank([observation, action], 2)
    pairs = jnp.concatenate([observation, action], axis=-1)
    networks = tuple(params[name] for name in names)
    return over_trees(lambda network: apply(critic, network, pairs)[:, 0], networks)


def inspect_critics(critic: Described, params: Params, batch: Batch) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the values [B, 1] of the first critic, and the activations of both by path ("critic_0/Dense_0")."""
    pairs = jnp.concatenate([batch.observation, batch.action], axis=-1)
    parts = {name: activations(critic, params[name], pairs) for name in CRITICS}
    hidden = {f"{name}/{path}": units for name, (_, own) in parts.items() for path, units in own.items()}
    return parts[CRITICS[0]][0], hidden


def inspect_policy(policy: Described, actor: Params, batch: Batch) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the policy's outputs [B, n], before tanh, and its activations by path ("policy/Dense_0")."""
    outputs, hidden = activations(policy, actor["policy"], batch.observation)
    return outputs, {f"policy/{path}": units for path, units in hidden.items()}


def observe_critics(critic: Described, params: Params, batch: Batch, y: Array) -> Params:
    """Return the critics, with the batch's observations added to their running statistics."""
    return {name: with_statistics(critic, params[name], batch.observation) for name in CRITICS}


def observe_policy(policy: Described, actor: Params, critics: Params, batch: Batch) -> Params:
    """Return the actor, with the batch's observations added to its running statistics."""
    return {**actor, "policy": with_statistics(policy, actor["policy"], batch.observation)}


def gaussian(policy: Described, actor: Params, observation: Array) -> tuple[jax.Array, jax.Array]:
    """Return the mean and the log standard deviation [..., A] of the action before tanh."""
    mean, log_std = jnp.split(apply(policy, actor["policy"], observation), 2, axis=-1)
    return mean, jnp.clip(log_std, *LOG_STD)


def squashed_sample(key: jax.Array, mean: jax.Array, log_std: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Draw an action a = tanh(u), u ~ N(mean, std^2), [..., A]; return it and the logarithm of its density [...].

    log pi(a) = sum_i log N(u_i) - log(1 - tanh(u_i)^2), the second term in a form that does not round to log 0
    (Haarnoja et al. 2018, appendix C).
    """
    noise = jax.random.normal(key, mean.shape)
    raw = mean + jnp.exp(log_std) * noise
    log_density = -0.5 * (noise**2 + jnp.log(2 * jnp.pi)) - log_std
    log_derivative = 2 * (jnp.log(2.0) - raw - jax.nn.softplus(-2 * raw))
    return jnp.tanh(raw), jnp.sum(log_density - log_derivative, axis=-1)


def sac(observation_space: gymnasium.Space[Any], action_space: gymnasium.Space[Any], options: SACOptions) -> Agent:
    """Make SAC for actions in [-1, 1]^A and vector observations float32 [d]. Raises UserError for other spaces."""
    inputs, dimension = sizes("sac", observation_space, action_space)
    critic, policy = make_networks(inputs, dimension, 2 * dimension, options)
    entropy = -dimension / 2 if options.target_entropy == "-dim/2" else -dimension

    def init_actor(key: jax.Array) -> Params:
        return {
            "policy": policy.init(key, jnp.zeros(inputs))["params"],
            "log_temperature": jnp.log(jnp.float32(options.initial_temperature)),
        }

    def act(key: jax.Array, actor: Params, observation: Array, agent_step: Array, *, greedy: bool) -> jax.Array:
        mean, log_std = gaussian(policy, actor, observation)
        if greedy:
            return jnp.tanh(mean)
        random_key, policy_key = jax.random.split(key)
        random = jax.random.uniform(random_key, (dimension,), minval=-1, maxval=1)
        return jnp.where(agent_step < options.random_steps, random, squashed_sample(policy_key, mean, log_std)[0])

    return Agent(
        partial(init_critics, critic, inputs + dimension),
        act,
        partial(soft_target, critic, policy),
        partial(critic_loss, critic),
        optax.adam(options.critic_learning_rate),
        tuple(network_at(name, critic.layers) for name in CRITICS),
        Actor(
            init_actor,
            partial(actor_loss, critic, policy, entropy),
            optax.adam(options.actor_learning_rate),
            (network_at("policy", policy.layers),),
            inspect=partial(inspect_policy, policy),
            observe=partial(observe_policy, policy),
        ),
        inspect=partial(inspect_critics, critic),
        observe=partial(observe_critics, critic),
    )


def make_networks(inputs: int, dimension: int, outputs: int, options: ContinuousOptions) -> tuple[Described, Described]:
    """Build a critic of observations [inputs] and actions [dimension], and a policy with this number of outputs.

    Raises UserError for incompatible options.
    """
    if options.network == "mlp":
        return (
            mlp(inputs + dimension, (options.critic_width,) * 2, 1, options.layer_norm),
            mlp(inputs, (options.actor_width,) * 2, outputs, options.layer_norm),
        )
    if options.layer_norm:
        raise UserError("agent.layer_norm: agent.network=simba has layer norms of its own; leave it out")
    return (
        simba(inputs + dimension, options.critic_width, CRITIC_BLOCKS, 1),
        simba(inputs, options.actor_width, ACTOR_BLOCKS, outputs),
    )


def soft_target(
    critic: Described, policy: Described, key: jax.Array, params: Params, actor: Params, batch: Batch
) -> jax.Array:
    """Return y = r + gamma^n (min_i Qtarget_i(s', a') - alpha log pi(a'|s')), a' ~ pi(s'): float32 [B]."""
    action, log_density = squashed_sample(key, *gaussian(policy, actor, batch.next_observation))
    lowest = jnp.minimum(*critic_values(critic, params, batch.next_observation, action))
    soft_value = lowest - jnp.exp(actor["log_temperature"]) * log_density
    return jnp.asarray(batch.reward) + batch.discount * soft_value


def critic_loss(critic: Described, params: Params, batch: Batch, y: jax.Array) -> jax.Array:
    """Return the loss of both critics, sum_i mean((Q_i(s, a) - y)^2) / 2: float32 []."""
    q_values = critic_values(critic, params, batch.observation, batch.action)
    chex.assert_equal_shape([*q_values, y])
    losses = [jnp.mean(optax.l2_loss(q, y)) for q in q_values]
    return sum(losses, jnp.float32(0))


def actor_loss(
    critic: Described, policy: Described, entropy: float, key: jax.Array, actor: Params, critics: Params, batch: Batch
) -> jax.Array:
    """Return the sum of two losses, float32 []: mean(alpha log pi(a|s) - min_i Q_i(s, a)), a ~ pi(s), for the policy,
    and -log alpha mean(log pi(a|s) + target entropy) for the temperature."""
    action, log_density = squashed_sample(key, *gaussian(policy, actor, batch.observation))
    lowest = jnp.minimum(*critic_values(critic, critics, batch.observation, action))
    log_temperature = actor["log_temperature"]
    improvement = jnp.mean(jax.lax.stop_gradient(jnp.exp(log_temperature)) * log_density - lowest)
    temperature_loss = -log_temperature * jax.lax.stop_gradient(jnp.mean(log_density) + entropy)
    loss: jax.Array = improvement + temperature_loss
    return loss
