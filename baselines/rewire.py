"""Dynamic sparse training: the number of weights of each layer is constant, but the weights change.

A rewiring drops a layer's lowest weights (by the pruner's score) and grows as many pruned ones, with value zero and a
fresh optimizer state. SET grows random weights, RigL those with the largest dense gradient.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from baselines.registry import SET, Rewiring, RigL
from baselines.schedules import period_of
from suite.errors import UserError
from suite.sparsity.masks import keep_largest, kernels
from suite.sparsity.pruner import refuse_beyond_limit
from suite.sparsity.scores import random
from suite.types import Masks, Network, Params, Sparsifier, Training, single_network

#: key, network, dense gradients by path -> scores of all weights; the highest among the pruned ones grow
Growth = Callable[[jax.Array, Network, Mapping[str, jax.Array]], dict[str, jax.Array]]


def rewired(training: Training, grow: Growth, options: Rewiring) -> Sparsifier:
    """Rewire periodically, and grow weights by the scores of `grow`.

    Raises UserError for structures, for a sparsity that the pruner cannot reach, if no rewiring is ever due, and for
    an option that would do nothing.
    """
    if training.pruner.structure != "unstructured":
        raise UserError(
            f"pruning.structure={training.pruner.structure}: set and rigl move single weights; leave it out"
        )
    if options.delay >= options.end:
        raise UserError(f"delay={options.delay} should be before end={options.end}; the method static never rewires")
    if options.period and options.max_period != type(options).model_fields["max_period"].default:
        raise UserError(f"max_period={options.max_period}: period={options.period} is given; leave one of them out")
    refuse_beyond_limit(training, "sparsity", options.sparsity)
    first, last = round(options.delay * training.gradient_steps), round(options.end * training.gradient_steps)
    period = period_of(training, options.period, options.max_period)
    if -(-max(first, 1) // period) * period >= last:
        raise UserError(
            f"period={period}: no multiple of it lies from gradient step {first:,} (delay) to before {last:,} (end), so"
            " nothing would be rewired; lower it, or use the method static"
        )

    def due(step: jax.Array) -> jax.Array:
        return (step % period == 0) & (step >= first) & (step < last)

    def after_gradient(key: jax.Array, step: jax.Array, network: Network, gradients: Params) -> Network:
        progress = jnp.clip((step - first) / (last - first), 0, 1)
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
    """Drop the lowest `fraction` of each layer's kept weights by the scores `keep`, and grow as many pruned ones.

    Those with the highest scores `grow` grow, but no weight that has just been dropped (ours). A layer drops no more
    weights than it has pruned ones.
    """
    new: Masks = {}
    for path, mask in masks.items():
        number = jnp.sum(mask, dtype=jnp.int32)
        moved = jnp.minimum(jnp.floor(fraction * number).astype(jnp.int32), mask.size - number)
        kept = keep_largest({path: keep[path]}, {path: mask}, number - moved)
        grown = keep_largest({path: grow[path]}, {path: ~mask}, moved)
        new[path] = kept[path] | grown[path]
    return new


def forget(opt_state: Any, grown: Masks) -> Any:
    """Set an optimizer's state to zero at the weights that have grown.

    This covers any optimizer: every array in its state whose path ends with a kernel's path and whose shape is the
    kernel's, such as Adam's moments.
    """

    def clear(place: tuple[Any, ...], leaf: jax.Array) -> jax.Array:
        path = "/" + "/".join(str(key.key) for key in place if isinstance(key, jax.tree_util.DictKey))
        for kernel, new in grown.items():
            if path.endswith("/" + kernel) and leaf.shape == new.shape:
                return jnp.where(new, 0, leaf)
        return leaf

    return jax.tree_util.tree_map_with_path(clear, opt_state)


def sparse_evolution(training: Training, options: SET) -> Sparsifier:
    """Grow random weights: SET, sparse evolutionary training (Mocanu et al. 2018).

    Most defaults are those of Graesser et al. 2022 (see sweeps/sources.py). decay=constant and end=1 give the method of
    Mocanu et al.
    """

    def by_chance(key: jax.Array, network: Network, gradients: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        return random(key, kernels(network.params), network.masks, gradients)

    return rewired(training, by_chance, options)


def rigl(training: Training, options: RigL) -> Sparsifier:
    """Grow the weights with the largest dense gradients: RigL (Evci et al. 2020).

    Most defaults are those of Graesser et al. 2022 (see sweeps/sources.py). Evci et al. end at 0.75 of training.
    """

    def by_gradient(key: jax.Array, network: Network, gradients: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        return {path: jnp.abs(gradient) for path, gradient in gradients.items()}

    return rewired(training, by_gradient, options)
