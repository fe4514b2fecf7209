"""Distributions: how the layers of one network share its sparsity."""

import math
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from suite.sparsity.masks import keep_count, keep_largest
from suite.sparsity.scores import Arrays
from suite.types import Level, Masks

#: sparsity, scores and masks of some layers of one network, and the sparsity at the end of pruning -> their sparser
#: masks, nested
Distribution = Callable[[Level, Arrays, Masks, float | None], Masks]


def uniform(level: Level, scores: Arrays, masks: Masks, final: float | None = None) -> Masks:
    """Make every layer as sparse as the network."""
    return each_alone(scores, masks, {path: keep_count(level, mask.size) for path, mask in masks.items()})


def erk(level: Level, scores: Arrays, masks: Masks, final: float | None = None) -> Masks:
    """Share by Erdos-Renyi-kernel: the density of a layer ~ sum(shape) / prod(shape) (Evci et al. 2020)."""
    return each_alone(scores, masks, erk_counts(level, {path: mask.shape for path, mask in masks.items()}, final))


def everywhere(level: Level, scores: Arrays, masks: Masks, final: float | None = None) -> Masks:
    """Rank all weights of a network together, and keep the best."""
    best = {path: _best(scores[path], mask) for path, mask in masks.items()}
    total = jnp.maximum(keep_count(level, sum(mask.size for mask in masks.values())), len(masks))
    others = {path: mask & ~best[path] for path, mask in masks.items()}
    chosen = keep_largest(scores, others, total - sum(jnp.sum(mask, dtype=jnp.int32) for mask in best.values()))
    return {path: chosen[path] | best[path] for path in masks}


DISTRIBUTIONS: dict[str, Distribution] = {"uniform": uniform, "erk": erk, "global": everywhere}


def each_alone(scores: Arrays, masks: Masks, counts: Mapping[str, jax.Array]) -> Masks:
    """Keep the `counts` best weights of each layer; fewer where a mask keeps fewer."""
    kept: Masks = {}
    for path, mask in masks.items():
        kept |= keep_largest({path: scores[path]}, {path: mask}, jnp.maximum(counts[path], 0))
    return kept


def _best(scores: jax.Array, mask: jax.Array) -> jax.Array:
    """Return a mask that is True for the kept weight of the largest score alone."""
    rank = jnp.where(mask, jnp.abs(scores), -1).ravel()
    return (jnp.arange(rank.size) == jnp.argmax(rank)).reshape(mask.shape) & mask


def erk_counts(level: Level, shapes: Mapping[str, tuple[int, ...]], final: float | None = None) -> dict[str, jax.Array]:
    """Return how many weights each layer keeps, int32 []; their sum is exact.

    density_l = min(1, e sum(shape_l) / prod(shape_l)) with the one e that gives the network its sparsity. With `final`,
    e is solved for that sparsity, and on the way there each layer has the share level / final of its own final sparsity
    (as in JaxPruner, which schedules each layer by itself).
    """
    number = sum(map(math.prod, shapes.values()))
    sizes, total = jnp.array(list(map(math.prod, shapes.values()))), jnp.maximum(keep_count(level, number), len(shapes))
    ideal = _erk_ideal(keep_count(final, number) if final else total, sizes, shapes)
    if final:
        ideal = sizes - (sizes - ideal) * (level / final)
    return dict(zip(shapes, _whole(ideal, sizes, total), strict=True))


def _erk_ideal(total: jax.Array, sizes: jax.Array, shapes: Mapping[str, tuple[int, ...]]) -> jax.Array:
    """Return how many weights each layer keeps of `total`, before rounding. A layer whose density would exceed 1 is
    dense, and e is solved again without it: as many rounds as there are layers, so that the level may be traced."""
    ends = jnp.array([sum(shape) for shape in shapes.values()], jnp.float32)
    full = jnp.zeros(len(shapes), bool)
    for _ in shapes:
        left = total - jnp.sum(jnp.where(full, sizes, 0))
        ideal = left * ends / jnp.maximum(jnp.sum(jnp.where(full, 0, ends)), 1)
        full |= ideal >= sizes
    return jnp.where(full, sizes, ideal)


def _whole(ideal: jax.Array, sizes: jax.Array, total: jax.Array) -> jax.Array:
    """Round the ideal numbers to whole ones between 1 and the sizes, so that their sum is `total`."""

    def step(counts: jax.Array) -> jax.Array:
        sign = jnp.sign(total - jnp.sum(counts))
        movable = jnp.where(sign > 0, counts < sizes, counts > 1)
        wanting = jnp.where(movable, (ideal - counts) * sign, -jnp.inf)
        return counts.at[jnp.argmax(wanting)].add(sign)

    start = jnp.clip(jnp.floor(ideal).astype(jnp.int32), 1, sizes)
    return jax.lax.while_loop(lambda counts: jnp.sum(counts) != total, step, start)
