"""Masks: what they do, how sparse a network is, and the search for the weights of the largest scores.

Only kernels are pruned, never biases. Everything here works on the flat dict of a network's kernels ("Conv_0/kernel" ->
array) and can be traced: a sparsity may be a Python float or a scalar array. suite.sparsity.pruner
chooses which weights are pruned.
"""

from collections.abc import Mapping
from functools import partial

import chex
import jax
import jax.numpy as jnp
from flax import traverse_util

from suite.types import Masks, Params

SAMPLED = 61  # in large layers, a search begins with every 61st weight: a prime, so that all units are seen


def kernels(params: Params) -> dict[str, jax.Array]:
    """Return the prunable leaves by path: those whose name is `kernel` (a stacked bias has two axes too)."""
    flat = traverse_util.flatten_dict(params, sep="/")
    return {path: leaf for path, leaf in flat.items() if path.split("/")[-1] == "kernel"}


def dense_masks(params: Params) -> Masks:
    """Return masks that keep every weight."""
    return {path: jnp.ones(kernel.shape, bool) for path, kernel in kernels(params).items()}


def apply_masks(params: Params, masks: Masks) -> Params:
    """Return `params`, or gradients, with every weight that is not kept set to zero."""
    flat = traverse_util.flatten_dict(params, sep="/")
    for path, mask in masks.items():
        chex.assert_equal_shape([flat[path], mask])
    flat |= {path: jnp.where(mask, flat[path], 0) for path, mask in masks.items()}
    return traverse_util.unflatten_dict(flat, sep="/")


def layer_sparsity(params: Params, masks: Masks) -> dict[str, jax.Array]:
    """Return the fraction of zeros of each layer's mask, float32 []; 0 for a layer that has no mask."""
    masked = {path: jnp.float32(_zeros(mask)) / mask.size for path, mask in masks.items()}
    return dict.fromkeys(kernels(params), jnp.float32(0)) | masked


def sparsity(masks: Masks) -> jax.Array:
    """Return the fraction of zeros of all masks together, float32 []; 0 for a method that has no masks."""
    size = sum(mask.size for mask in masks.values())
    zeros = sum((_zeros(mask) for mask in masks.values()), start=jnp.int32(0))
    fraction: jax.Array = jnp.float32(zeros) / max(size, 1)
    return fraction


def _zeros(mask: jax.Array) -> jax.Array:
    return mask.size - jnp.sum(mask, dtype=jnp.int32)


def keep_count(level: jax.Array | float, size: int) -> jax.Array:
    """Return how many of `size` weights a layer keeps: round((1 - level) size) in float32, at least 1. int32 []."""
    kept = jnp.round((1 - jnp.float32(level)) * size)
    return jnp.clip(kept, 1, size).astype(jnp.int32)


def keep_largest(scores: Mapping[str, jax.Array], masks: Masks, count: jax.Array) -> Masks:
    """Keep the `count` weights of the largest |score| among the kept weights of these layers, ranked together.

    Ties go to the lower index and the earlier layer. If fewer weights are kept, keep all of them. A sort would take
    some thirty times as long on a large layer. Instead, as the bits of non-negative floats are ordered as the floats
    are, the threshold is searched for among the integers, with one cheap pass for each guess.
    """
    ranks = {
        path: jnp.where(mask, jax.lax.bitcast_convert_type(jnp.abs(scores[path]), jnp.int32) + 1, 0)
        for path, mask in masks.items()
    }
    count = jnp.minimum(count, _count_from(ranks, jnp.int32(1)))
    highest = jnp.max(jnp.stack([jnp.max(rank) for rank in ranks.values()]))
    threshold, at_least = _largest_bound(ranks, *_bracket(ranks, highest, count), count)
    kept: Masks = jax.lax.cond(
        at_least == count,
        lambda: {path: rank >= threshold for path, rank in ranks.items()},
        partial(_break_ties, ranks, threshold, count),
    )
    return kept


def _bracket(ranks: Mapping[str, jax.Array], highest: jax.Array, count: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return bounds with count_from(low) >= count > count_from(high); in large layers a sample makes them close."""
    size = sum(rank.size for rank in ranks.values())
    widest = jnp.int32(1), highest + 1
    if size < 64 * SAMPLED:
        return widest
    sample = {path: rank.ravel()[::SAMPLED] for path, rank in ranks.items()}
    drawn = sum(rank.size for rank in sample.values())
    share = count / size
    spread = 4 * jnp.sqrt(drawn * share * (1 - share)) + 4
    more, fewer = ((drawn * share + sign * spread).astype(jnp.int32) for sign in (1, -1))
    low, _ = _largest_bound(sample, *widest, more)
    high, _ = _largest_bound(sample, *widest, fewer)
    low = jnp.where(_count_from(ranks, low) >= count, low, widest[0])
    high = jnp.where(_count_from(ranks, high + 1) < count, high + 1, widest[1])
    return low, jnp.maximum(high, low + 1)


def _count_from(ranks: Mapping[str, jax.Array], bound: jax.Array) -> jax.Array:
    return sum((jnp.sum(rank >= bound, dtype=jnp.int32) for rank in ranks.values()), start=jnp.int32(0))


def _break_ties(ranks: Mapping[str, jax.Array], threshold: jax.Array, count: jax.Array) -> Masks:
    """Keep all ranks above the threshold and the first of those equal to it, in the layers' order: `count` in all."""
    missing = count - _count_from(ranks, threshold + 1)
    size = sum(rank.size for rank in ranks.values())
    places, start = {}, size
    for path, rank in ranks.items():  # the first weight has the highest place
        place = start - jnp.arange(rank.size, dtype=jnp.int32).reshape(rank.shape)
        places[path] = jnp.where(rank == threshold, place, 0)
        start -= rank.size
    first, _ = _largest_bound(places, jnp.int32(1), jnp.int32(size + 1), missing)
    return {path: (rank > threshold) | ((places[path] >= first) & (missing > 0)) for path, rank in ranks.items()}


#: low and high bound, the numbers of ranks from each on, passes
Search = tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]


def _largest_bound(
    ranks: Mapping[str, jax.Array], low: jax.Array, high: jax.Array, count: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return the largest integer b in [low, high) with at least `count` ranks from b on, and the number of these ranks.

    A b with exactly `count` ranks ends the search; if there is no b, `low` is returned. Interpolation finds the
    neighbourhood in few passes; every third pass halves, which bounds the passes.
    """

    def unfinished(search: Search) -> jax.Array:
        low, high, at_low, _, _ = search
        return (high - low > 1) & (at_low != count)

    def narrow(search: Search) -> Search:
        low, high, at_low, at_high, passes = search
        fraction = (at_low - count).astype(jnp.float32) / jnp.maximum(at_low - at_high, 1)
        guess = low + (fraction * (high - low)).astype(jnp.int32)
        middle = jnp.where(passes % 3 == 2, low + (high - low) // 2, jnp.clip(guess, low + 1, high - 1))
        found = _count_from(ranks, middle)
        enough = found >= count
        return (
            jnp.where(enough, middle, low),
            jnp.where(enough, high, middle),
            jnp.where(enough, found, at_low),
            jnp.where(enough, at_high, found),
            passes + 1,
        )

    start = low, high, _count_from(ranks, low), _count_from(ranks, high), jnp.int32(0)
    low, _, at_low, _, _ = jax.lax.while_loop(unfinished, narrow, start)
    return low, at_low
