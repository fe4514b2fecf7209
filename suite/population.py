"""What the K online networks share: mapping a function over them, the weights of losses, and the choice who acts."""

from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp

from suite.types import Stacked


def on_accelerator() -> bool:
    """Return whether JAX computes on another device than a CPU."""
    return jax.default_backend() != "cpu"


Population = tuple[Any, ...] | Stacked  # K networks, or what belongs to each of them


def over_networks(function: Callable[[Any], Any], networks: Population) -> Population:
    """Return `function(network)` for each of K networks: by vmap if they are stacked, else in a loop.

    The loop is for CPUs, where batched convolutions take some seven times as long.
    """
    if isinstance(networks, Stacked):
        return Stacked(jax.vmap(function)(networks.tree))
    return tuple(map(function, networks))


def over_trees(function: Callable[[Any], Any], trees: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return `function(tree)` for each of a few trees of one shape, such as twin critics: by vmap on an accelerator,
    else in a loop."""
    return tuple(over_networks(function, Stacked.of(trees) if on_accelerator() else trees))


def beside(networks: Population, others: jax.Array) -> Population:
    """Pair each of K networks with an entry of an array [K, ...], in the networks' container."""
    if isinstance(networks, Stacked):
        return Stacked((networks.tree, others))
    return tuple((network, others[k]) for k, network in enumerate(networks))


def contained(networks: tuple[Any, ...], like: Population) -> Population:
    """Put networks into a container of the kind of `like`."""
    return Stacked.of(networks) if isinstance(like, Stacked) else networks


def loss_weights(forgetting: float, period: int, counted: int) -> Callable[[jax.Array], jax.Array]:
    """Return a function: gradient steps before a step -> the weight of its loss in the next election.

    The last `counted` losses of a period count. A loss that is older by one step has 1 - forgetting times the weight:
    an exponential moving average. The weights sum to `counted`, so that the cumulated loss keeps its scale.
    """
    retained = 1 - forgetting
    scale = counted / sum(retained**age for age in range(counted))

    def weight(steps: jax.Array) -> jax.Array:
        age = period - 1 - steps % period
        return jnp.where(age < counted, scale * jnp.float32(retained) ** age, 0)

    return weight


def behaviour_probabilities(rule: str, losses: jax.Array) -> jax.Array:
    """Return the probability of each network to act, float32 [K]; zero if its loss is not finite, unless none is.

    `inverse_loss`: p_k ~ 1 / (L_k + 1e-6), as in the authors' AdaDQN; `uniform`; `elected`: the elected one alone. If
    the rule allows only networks whose losses are not finite, the finite ones are equally likely.
    """
    chex.assert_rank(losses, 1)
    weights = {
        "inverse_loss": 1 / (losses + 1e-6),
        "uniform": jnp.ones_like(losses),
        "elected": jnp.zeros_like(losses).at[0].set(1),
    }[rule]
    finite = jnp.isfinite(losses)
    usable = jnp.where(finite, weights, 0)
    fallback = jnp.where(finite.any(), finite, True).astype(losses.dtype)
    usable = jnp.where(jnp.sum(usable) > 0, usable, fallback)
    return usable / jnp.sum(usable)
