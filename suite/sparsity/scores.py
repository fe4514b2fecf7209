"""Scores: which weights go first. A score is a function of a key, kernels, masks and gradients, by path."""

import math
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from suite.types import Masks

Arrays = Mapping[str, jax.Array]
#: key, kernels, masks, gradients -> scores >= 0 of the kernels' shapes; the lowest go first
Score = Callable[[jax.Array, Arrays, Masks, Arrays], dict[str, jax.Array]]

SMALLEST = float(np.finfo(np.float32).tiny)


def magnitude(key: jax.Array, weights: Arrays, masks: Masks, gradients: Arrays) -> dict[str, jax.Array]:
    """Score weights by |w| (Zhu & Gupta 2017)."""
    return {path: jnp.abs(weight) for path, weight in weights.items()}


def random(key: jax.Array, weights: Arrays, masks: Masks, gradients: Arrays) -> dict[str, jax.Array]:
    """Draw random scores in [0, 1), again at each pruning."""
    keys = jax.random.split(key, len(weights))
    return {path: _hashed(k, weights[path].shape) for k, path in zip(keys, sorted(weights), strict=True)}


def _hashed(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Draw from [0, 1) by a hash of each place: JAX's own draws cost some three gradient steps of a large network.

    The hash is MurmurHash3's finalizer (Appleby 2011), once for each word of the key.
    """
    bits = jax.lax.iota(jnp.uint32, math.prod(shape)).reshape(shape)
    for word in jax.random.key_data(key).astype(jnp.uint32):
        bits ^= word
        bits = (bits ^ (bits >> 16)) * jnp.uint32(0x85EBCA6B)
        bits = (bits ^ (bits >> 13)) * jnp.uint32(0xC2B2AE35)
        bits ^= bits >> 16
    uniform: jax.Array = (bits >> 8).astype(jnp.float32) * jnp.float32(2**-24)
    return uniform


def saliency(key: jax.Array, weights: Arrays, masks: Masks, gradients: Arrays) -> dict[str, jax.Array]:
    """Score weights by |w g|, g the gradient of one batch (Mozer & Smolensky 1989; SNIP, Lee et al. 2019)."""
    return {path: jnp.abs(weight * gradients[path]) for path, weight in weights.items()}


def normalised(key: jax.Array, weights: Arrays, masks: Masks, gradients: Arrays) -> dict[str, jax.Array]:
    """Score weights by |w| over the root mean square of the layer's kept weights (ours).

    This is for the global distribution: a layer whose weights are all small is not pruned first.
    """

    def over_rms(weight: jax.Array, mask: jax.Array) -> jax.Array:
        squares = jnp.sum(jnp.where(mask, weight, 0) ** 2) / jnp.maximum(jnp.sum(mask), 1)
        return jnp.abs(weight) * jax.lax.rsqrt(jnp.maximum(squares, SMALLEST))

    return {path: over_rms(weight, masks[path]) for path, weight in weights.items()}


SCORES: dict[str, Score] = {"magnitude": magnitude, "random": random, "saliency": saliency, "normalised": normalised}
