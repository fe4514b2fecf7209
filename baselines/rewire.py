"""Dynamic sparse training: sparse from the start, each layer with as many weights all along, but not the same ones.

A rewiring drops the lowest of a layer's weights (by the pruner's score) and grows as many where there was none, at zero
and with an optimizer that knows nothing of them. SET grows anywhere, RigL where the dense gradient is largest.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from baselines.registry import SET, Rewiring, RigL
from baselines.schedules import every
from suite.errors import UserError
from suite.sparsity.masks import keep_largest, kernels
from suite.sparsity.pruner import random
from suite.types import Masks, Network, Sparsifier, Training, single_network

#: key, network, dense gradients by path -> scores of the weights that there might be; the highest are grown
Growth = Callable[[jax.Array, Network, Mapping[str, jax.Array]], dict[str, jax.Array]]


def rewired_from_time_to_time(training: Training, grow: Growth, options: Rewiring) -> Sparsifier:
    """Grow by `grow`. Raises UserError for a delay beyond the end, and for structures."""
    if training.pruner.structure != "unstructured":
        raise UserError(f"pruning.structure={training.pruner.structure}: set and rigl move single weights")
    if options.delay > options.end:
        raise UserError(f"delay={options.delay} is after end={options.end}: rewiring should start before it ends")
    first, last = round(options.delay * training.gradient_steps), round(options.end * training.gradient_steps)
    regular = every(training, options.period, most=options.max_period)

    def due(step):
        return regular(step) & (step >= first) & (step < last)

    def after_gradient(key, step, network, gradients):
        progress = jnp.clip(step / max(last, 1), 0, 1)
        fraction = options.drop_fraction * ((1 + jnp.cos(jnp.pi * progress)) / 2 if options.decay == "cosine" else 1)
        drop_key, grow_key = jax.random.split(key)
        slopes = kernels(gradients)
        kept = training.pruner.score(drop_key, kernels(network.params), network.masks, slopes)
        masks = rewire(network.masks, kept, grow(grow_key, network, slopes), fraction)
        grown = {path: mask & ~network.masks[path] for path, mask in masks.items()}
        return network._replace(masks=masks, opt_state=forget(network.opt_state, grown))

    return single_network(
        lambda key, params: training.pruner.scatter(key, params, options.sparsity), after_gradient, due=due
    )


def rewire(
    masks: Masks, keep: Mapping[str, jax.Array], grow: Mapping[str, jax.Array], fraction: jax.Array | float
) -> Masks:
    """In each layer, the lowest `fraction` of the weights by the scores `keep` give way to as many of the highest by
    the scores `grow`, of those that were not there: a weight never comes back at once (ours)."""
    rewired: Masks = {}
    for path, mask in masks.items():
        number = jnp.sum(mask, dtype=jnp.int32)
        moved = jnp.minimum(jnp.floor(fraction * number).astype(jnp.int32), mask.size - number)
        kept = keep_largest({path: keep[path]}, {path: mask}, number - moved)
        grown = keep_largest({path: grow[path]}, {path: ~mask}, moved)
        rewired[path] = kept[path] | grown[path]
    return rewired


def forget(opt_state: Any, grown: Masks) -> Any:
    """The state of any optimizer with zeros for the weights that are grown: in each of its arrays whose place in the
    tree ends like a kernel's path and whose shape is the kernel's, such as Adam's moments."""

    def clear(place: tuple[Any, ...], leaf: jax.Array) -> jax.Array:
        path = "/" + "/".join(str(key.key) for key in place if isinstance(key, jax.tree_util.DictKey))
        for kernel, new in grown.items():
            if path.endswith("/" + kernel) and leaf.shape == new.shape:
                return jnp.where(new, 0, leaf)
        return leaf

    return jax.tree_util.tree_map_with_path(clear, opt_state)


def by_chance(key: jax.Array, network: Network, gradients: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    return random(key, kernels(network.params), network.masks, gradients)


def by_gradient(key: jax.Array, network: Network, gradients: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    return {path: jnp.abs(gradient) for path, gradient in gradients.items()}


def sparse_evolution(training: Training, options: SET) -> Sparsifier:
    """SET, sparse evolutionary training (Mocanu et al. 2018): weights grow anywhere. The defaults are those of Graesser
    et al. 2022; with decay=constant and end=1 it is Mocanu et al.'s."""
    return rewired_from_time_to_time(training, by_chance, options)


def rigl(training: Training, options: RigL) -> Sparsifier:
    """RigL (Evci et al. 2020): weights grow where the dense gradient is largest, fewer and fewer. The defaults are
    those of Graesser et al. 2022; Evci et al. end at 0.75 of training."""
    return rewired_from_time_to_time(training, by_gradient, options)
