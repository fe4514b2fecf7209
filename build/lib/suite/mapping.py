"""How one function is mapped over several networks: the K of a population, the two critics of SAC."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def over_networks(
    function: Callable[..., Any], networks: tuple[Any, ...], *others: Any, vectorize: bool | None = None
) -> tuple[Any, ...]:
    """`function(network, *others)` for each of the networks: the one place that knows how they are mapped.

    A loop inside the compiled function on a CPU, where batched convolutions are some seven times slower; vmap over
    a leading axis of stacked networks elsewhere (vectorize=None chooses by the device).
    """
    if vectorize is None:
        vectorize = jax.default_backend() != "cpu"
    if not vectorize or len(networks) == 1:
        return tuple(function(network, *others) for network in networks)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *networks)
    mapped = jax.vmap(lambda network: function(network, *others))(stacked)
    return tuple(jax.tree.map(lambda leaf: leaf[k], mapped) for k in range(len(networks)))  # noqa: B023
