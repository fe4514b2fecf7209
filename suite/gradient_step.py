"""A gradient step of one network, and how the targets follow it.

This is the only place where masks are applied: last, after every hook, or, for a method that keeps pruned weights,
wherever a network is read.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from suite.sparsity.masks import apply_masks
from suite.types import Actor, Agent, LearnerState, Network, Params, Sparsifier, select


def masked_step(
    hook: bool,
    network: Network,
    *inputs: Any,
    key: jax.Array,
    step: jax.Array,
    agent: Agent | Actor,
    sparsifier: Sparsifier,
    weight: jax.Array,
    learns: jax.Array | None = None,
) -> Network:
    """Take one masked optimizer step on `agent.loss(params, *inputs)`, unless `learns` is false; with `hook`, call the
    method's hook after it and apply its masks."""
    pruned, masks = sparsifier.pruned_weights, network.masks
    loss, gradients = jax.value_and_grad(agent.loss)(effective(sparsifier, network), *inputs)
    learned = gradients if pruned == "learning" else apply_masks(gradients, masks)
    updates, opt_state = agent.optimizer.update(learned, network.opt_state, network.params)
    if pruned == "kept":
        updates = apply_masks(updates, masks)  # momentum would still move pruned weights
    params = optax.apply_updates(network.params, updates)
    if agent.observe:
        params = agent.observe(params, *inputs)
    counted = jnp.where(jnp.isfinite(loss), weight * loss, loss)  # a weight of zero must not hide NaN
    stepped = Network(params, opt_state, masks, network.loss + counted)
    network = settle(sparsifier, stepped if learns is None else select(learns.astype(int), (network, stepped)))
    if not hook or sparsifier.after_gradient is None:
        return network
    return settle(sparsifier, sparsifier.after_gradient(key, step, network, gradients))


def delayed_step(step: Callable[..., Network], due: jax.Array, hook: bool, network: Network, *inputs: Any) -> Network:
    """Take the step of an actor that learns less often than its critics (Fujimoto et al. 2018), if it is `due`.

    A method's hook sees the actor's gradients also when the actor does not learn.
    """
    if hook:
        return step(hook, network, *inputs, learns=due)
    delayed: Network = jax.lax.cond(due, lambda: step(hook, network, *inputs), lambda: network)
    return delayed


def targets_follow(agent: Agent, sparsifier: Sparsifier, polyak: float, state: LearnerState) -> LearnerState:
    """Move the targets: target <- polyak elected + (1 - polyak) target, and likewise a target actor.

    This happens at each gradient step, or, where the actor learns less often, whenever it learns.
    """
    share: Any = polyak
    if agent.actor and agent.actor.period > 1:
        share = polyak * (state.step % agent.actor.period == 0)
    target = optax.incremental_update(effective(sparsifier, state.online[0]), state.target, share)
    target_actor = state.target_actor
    if state.actor and target_actor is not None:
        target_actor = optax.incremental_update(effective(sparsifier, state.actor), target_actor, share)
    return state._replace(target=target, target_actor=target_actor)


def masked(network: Network) -> Network:
    """Set pruned weights to zero, also for a method that keeps them."""
    return network._replace(params=apply_masks(network.params, network.masks))


def settle(sparsifier: Sparsifier, network: Network) -> Network:
    """Set pruned weights to zero, unless the method keeps them."""
    return masked(network) if sparsifier.pruned_weights == "zero" else network


def effective(sparsifier: Sparsifier, network: Network) -> Params:
    """Return the parameters that the network computes with: pruned weights are zero, also if the method keeps them."""
    return network.params if sparsifier.pruned_weights == "zero" else apply_masks(network.params, network.masks)
