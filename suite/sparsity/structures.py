"""Structures: distributions whose zeros keep to a pattern; each layer is as sparse as the network."""

import re
from functools import partial

import jax
import jax.numpy as jnp

from suite.errors import UserError
from suite.sparsity.distributions import Distribution, each_alone, uniform
from suite.sparsity.masks import keep_count
from suite.sparsity.scores import Arrays
from suite.types import Level, Masks


def units(level: Level, scores: Arrays, masks: Masks, final: float | None = None) -> Masks:
    """Prune whole neurons and channels by the sum of their weights' scores: the L1 norm for the score magnitude (Li et
    al. 2017). A pruned unit has only its bias left, a constant that can move into the next layer's bias."""
    norms, alive = {}, {}
    for path, mask in masks.items():
        inputs = tuple(range(mask.ndim - 1))
        norms[path] = jnp.sum(jnp.where(mask, jnp.abs(scores[path]), 0), inputs)
        alive[path] = jnp.any(mask, inputs)
    kept = uniform(level, norms, alive)
    return {path: mask & kept[path] for path, mask in masks.items()}


def pattern(kept: int, group: int, level: Level, scores: Arrays, masks: Masks, final: float | None = None) -> Masks:
    """Prune to N:M sparsity (Mishra et al. 2021): at the sparsity 1 - N/M, keep exactly N of every M weights that are
    neighbours along the inputs of a unit. On the way there (ours), the lowest scores are pruned first, but never the N
    best of each M."""
    best = {path: _best_of_groups(scores[path], mask, kept, group) for path, mask in masks.items()}
    others = {path: mask & ~best[path] for path, mask in masks.items()}
    counts = {path: keep_count(level, mask.size) - jnp.sum(best[path], dtype=jnp.int32) for path, mask in masks.items()}
    chosen = each_alone(scores, others, counts)
    return {path: chosen[path] | best[path] for path in masks}


def _best_of_groups(scores: jax.Array, mask: jax.Array, kept: int, group: int) -> jax.Array:
    """Keep the `kept` best of each group along the inputs of a unit; the last group may be smaller."""
    columns = jnp.where(mask, jnp.abs(scores), -1).reshape(-1, mask.shape[-1])
    whole = jnp.pad(columns, ((0, -len(columns) % group), (0, 0)), constant_values=-1)
    groups = whole.reshape(-1, group, mask.shape[-1])
    one, other = groups[:, :, None], groups[:, None, :]
    earlier = jnp.tri(group, k=-1, dtype=bool)[None, :, :, None]  # ties go to the lower index
    better = jnp.sum((other > one) | ((other == one) & earlier), axis=2)
    best = (better < kept).reshape(whole.shape)[: len(columns)]
    return best.reshape(mask.shape) & mask


def structure_of(name: str) -> tuple[Distribution | None, float]:
    """Return the distribution of a structure, None for "unstructured", and the largest sparsity that it allows.

    Raises UserError for an unknown structure.
    """
    if name in ("unstructured", "units"):
        return (units if name == "units" else None), 1.0
    ratio = re.fullmatch(r"([1-9]\d?):([1-9]\d?)", name)
    if not ratio or int(ratio[1]) >= int(ratio[2]):
        raise UserError(
            f"pruning.structure={name}: should be unstructured, units, or N:M with N < M such as 2:4 (in a sweep file"
            " with quotation marks, '2:4')"
        )
    kept, group = int(ratio[1]), int(ratio[2])
    return partial(pattern, kept, group), 1 - kept / group
