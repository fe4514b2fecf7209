"""Masks: how many weights a layer keeps, which ones, and how sparse a network is.

Only kernels are pruned, never biases, and each network is ranked alone. Everything here works on the flat dict of a
network's kernels ("Conv_0/kernel" -> array) and can be traced: a sparsity may be a Python float or a scalar array.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from flax import traverse_util

from suite.types import Masks, Params


def kernels(params: Params) -> dict[str, jax.Array]:
    """The prunable leaves by path: those whose name is `kernel` (a stacked bias has two axes too)."""
    flat = traverse_util.flatten_dict(params, sep="/")
    return {path: leaf for path, leaf in flat.items() if path.split("/")[-1] == "kernel"}


def dense_masks(params: Params) -> Masks:
    """Masks that keep every weight."""
    return {path: jnp.ones(kernel.shape, bool) for path, kernel in kernels(params).items()}


def apply_masks(params: Params, masks: Masks) -> Params:
    """`params` with every weight that is not kept set to zero; also for gradients."""
    flat = traverse_util.flatten_dict(params, sep="/")
    flat |= {path: jnp.where(mask, flat[path], 0) for path, mask in masks.items()}
    return traverse_util.unflatten_dict(flat, sep="/")


def layer_sparsity(params: Params, masks: Masks) -> dict[str, jax.Array]:
    """Fraction zero of each layer, float32 []; 0 for a layer that has no mask."""
    masked = {path: jnp.float32(_zeros(mask)) / mask.size for path, mask in masks.items()}
    return dict.fromkeys(kernels(params), jnp.float32(0)) | masked


def sparsity(masks: Masks) -> jax.Array:
    """Fraction zero over all kernels, float32 []; 0 for a method that has no masks."""
    size = sum(mask.size for mask in masks.values())
    zeros = sum((_zeros(mask) for mask in masks.values()), start=jnp.int32(0))
    return jnp.float32(zeros) / max(size, 1)


def _zeros(mask: jax.Array) -> jax.Array:
    return mask.size - jnp.sum(mask, dtype=jnp.int32)


def keep_count(level: jax.Array | float, size: int) -> jax.Array:
    """How many of `size` weights a layer keeps: round((1 - level) size) in float32, at least 1. int32 []."""
    kept = jnp.round((1 - jnp.float32(level)) * size)
    return jnp.clip(kept, 1, size).astype(jnp.int32)


def prune(params: Params, masks: Masks, level: jax.Array | float) -> Masks:
    """The sparser masks of a network: in each layer the largest weights that `level` leaves (uniform over layers).

    The masks are nested: a pruned weight stays pruned, so a level below a layer's sparsity changes nothing there.
    Magnitude pruning after Zhu & Gupta (2017).
    """
    weights = kernels(params)
    return {path: _keep_largest(weights[path], mask, keep_count(level, mask.size)) for path, mask in masks.items()}


def _keep_largest(weights: jax.Array, mask: jax.Array, count: jax.Array) -> jax.Array:
    """The `count` kept weights of the largest magnitude; ties go to the lower index.

    No sort, which takes some thirty times as long on a large layer: the bits of non-negative floats are ordered as the
    floats are, so the threshold can be searched for among the integers, at one cheap pass a guess.
    """
    rank = jnp.where(mask, jax.lax.bitcast_convert_type(jnp.abs(weights), jnp.int32) + 1, 0).ravel()
    count = jnp.minimum(count, jnp.sum(mask))
    threshold, at_least = _largest_bound(lambda bound: jnp.sum(rank >= bound, dtype=jnp.int32), jnp.max(rank), count)
    return jax.lax.cond(
        at_least == count, lambda: rank >= threshold, partial(_break_ties, rank, threshold, count)
    ).reshape(mask.shape)


def _break_ties(rank: jax.Array, threshold: jax.Array, count: jax.Array) -> jax.Array:
    """All ranks above the threshold and, of those equal to it, the first in the layer's order, `count` in all."""
    missing = count - jnp.sum(rank > threshold, dtype=jnp.int32)
    place = jnp.arange(rank.size, 0, -1, dtype=jnp.int32)  # the first weight has the highest place
    tied = jnp.where(rank == threshold, place, 0)
    first, _ = _largest_bound(lambda bound: jnp.sum(tied >= bound, dtype=jnp.int32), jnp.int32(rank.size), missing)
    return (rank > threshold) | (tied >= first)


def _largest_bound(
    count_from: Callable[[jax.Array], jax.Array], highest: jax.Array, count: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The largest integer b in [1, highest] with count_from(b) >= count (or any b that meets it exactly), and
    count_from(b). `count_from` falls with b and is at least `count` at 1.

    Interpolation finds the neighbourhood in few passes; every third pass halves, which bounds the passes.
    """

    def unfinished(search):
        low, high, at_low, _, _ = search
        return (high - low > 1) & (at_low != count)

    def narrow(search):
        low, high, at_low, at_high, passes = search
        fraction = (at_low - count).astype(jnp.float32) / jnp.maximum(at_low - at_high, 1)
        guess = low + (fraction * (high - low)).astype(jnp.int32)
        middle = jnp.where(passes % 3 == 2, low + (high - low) // 2, jnp.clip(guess, low + 1, high - 1))
        found = count_from(middle)
        enough = found >= count
        return (
            jnp.where(enough, middle, low),
            jnp.where(enough, high, middle),
            jnp.where(enough, found, at_low),
            jnp.where(enough, at_high, found),
            passes + 1,
        )

    start = jnp.int32(1), highest + 1, count_from(jnp.int32(1)), jnp.int32(0), jnp.int32(0)
    low, _, at_low, _, _ = jax.lax.while_loop(unfinished, narrow, start)
    return low, at_low
