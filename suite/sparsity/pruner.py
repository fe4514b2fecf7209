"""The options `pruning.*` of a run, which every method shares, as a Pruner: which weights a sparsity leaves.

A sparsity is that of a whole network; a distribution shares it among the layers, a score ranks the weights, a structure
says which patterns of zeros there are. Each network is ranked alone: the kernels of one network have everything but the
layer's name in common, as in critic_0/Dense_0/kernel, so that the twin critics of one pair are two networks.
"""

import math
import re
from collections.abc import Callable, Mapping
from functools import partial

import jax
import jax.numpy as jnp

from suite.errors import UserError
from suite.options import PrunerOptions
from suite.sparsity.masks import dense_masks, keep_count, keep_largest, kernels
from suite.types import Level, Masks, Params, Pruner, Training

Arrays = Mapping[str, jax.Array]
#: A distribution: sparsity, scores and masks of some layers of one network, and the sparsity at the end of pruning ->
#: their sparser masks, nested.
Distribution = Callable[[Level, Arrays, Masks, float | None], Masks]


# Scores: key, kernels, masks, gradients -> the lowest go first -------------------------------------------------------


def magnitude(key: jax.Array, weights: Arrays, masks: Masks, gradients: Arrays) -> dict[str, jax.Array]:
    """|w| (Zhu & Gupta 2017)."""
    return {path: jnp.abs(weight) for path, weight in weights.items()}


def random(key: jax.Array, weights: Arrays, masks: Masks, gradients: Arrays) -> dict[str, jax.Array]:
    """Drawn anew at each pruning."""
    keys = jax.random.split(key, len(weights))
    return {path: _hashed(k, weights[path].shape) for k, path in zip(keys, sorted(weights), strict=True)}


def _hashed(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Uniform in [0, 1), by a hash of each place: JAX's own draws cost some three gradient steps of a large network.
    MurmurHash3's finalizer (Appleby 2011), once for each word of the key."""
    bits = jax.lax.iota(jnp.uint32, math.prod(shape)).reshape(shape)
    for word in jax.random.key_data(key).astype(jnp.uint32):
        bits ^= word
        bits = (bits ^ (bits >> 16)) * jnp.uint32(0x85EBCA6B)
        bits = (bits ^ (bits >> 13)) * jnp.uint32(0xC2B2AE35)
        bits ^= bits >> 16
    return (bits >> 8).astype(jnp.float32) * jnp.float32(2**-24)


def saliency(key: jax.Array, weights: Arrays, masks: Masks, gradients: Arrays) -> dict[str, jax.Array]:
    """|w g|, by the gradient of one batch (Mozer & Smolensky 1989; SNIP, Lee et al. 2019)."""
    return {path: jnp.abs(weight * gradients[path]) for path, weight in weights.items()}


def normalised(key: jax.Array, weights: Arrays, masks: Masks, gradients: Arrays) -> dict[str, jax.Array]:
    """|w| over the root mean square of the layer's kept weights (ours), for the global distribution: layers whose
    weights are all small are not the first to go."""

    def over_rms(weight: jax.Array, mask: jax.Array) -> jax.Array:
        squares = jnp.sum(jnp.where(mask, weight, 0) ** 2) / jnp.maximum(jnp.sum(mask), 1)
        return jnp.abs(weight) * jax.lax.rsqrt(jnp.maximum(squares, jnp.finfo(jnp.float32).tiny))

    return {path: over_rms(weight, masks[path]) for path, weight in weights.items()}


NEEDS_GRADIENTS, OTHER_SCORES = "pruning.score=saliency needs gradients", "use magnitude, random or normalised"
SCORES = {"magnitude": magnitude, "random": random, "saliency": saliency, "normalised": normalised}


# Distributions over layers -------------------------------------------------------------------------------------------


def uniform(level: Level, scores: Arrays, masks: Masks, final: float | None = None) -> Masks:
    """Every layer is as sparse as the network."""
    return _each_alone(scores, masks, {path: keep_count(level, mask.size) for path, mask in masks.items()})


def erk(level: Level, scores: Arrays, masks: Masks, final: float | None = None) -> Masks:
    """Erdos-Renyi-kernel: the density of a layer ~ sum(shape) / prod(shape) (Evci et al. 2020)."""
    return _each_alone(scores, masks, erk_counts(level, {path: mask.shape for path, mask in masks.items()}, final))


def everywhere(level: Level, scores: Arrays, masks: Masks, final: float | None = None) -> Masks:
    """One ranking of all weights of a network, of which each layer keeps its best."""
    best = {path: _best(scores[path], mask) for path, mask in masks.items()}
    total = jnp.maximum(keep_count(level, sum(mask.size for mask in masks.values())), len(masks))
    others = {path: mask & ~best[path] for path, mask in masks.items()}
    chosen = keep_largest(scores, others, total - sum(jnp.sum(mask, dtype=jnp.int32) for mask in best.values()))
    return {path: chosen[path] | best[path] for path in masks}


DISTRIBUTIONS: dict[str, Distribution] = {"uniform": uniform, "erk": erk, "global": everywhere}


def erk_counts(level: Level, shapes: Mapping[str, tuple[int, ...]], final: float | None = None) -> dict[str, jax.Array]:
    """How many weights each layer keeps, their sum exact.

    density_l = min(1, e sum(shape_l) / prod(shape_l)) with the one e that gives the network its sparsity. With `final`,
    e is solved for that sparsity, and on the way there each layer has the share level / final of its own final sparsity
    (as in JaxPruner, whose schedule is of each layer).
    """
    number = sum(map(math.prod, shapes.values()))
    sizes, total = jnp.array(list(map(math.prod, shapes.values()))), jnp.maximum(keep_count(level, number), len(shapes))
    ideal = _erk_ideal(keep_count(final, number) if final else total, sizes, shapes)
    if final:
        ideal = sizes - (sizes - ideal) * (level / final)
    return dict(zip(shapes, _whole(ideal, sizes, total), strict=True))


def _erk_ideal(total: jax.Array, sizes: jax.Array, shapes: Mapping[str, tuple[int, ...]]) -> jax.Array:
    """The weights that each layer keeps of `total`, not yet whole numbers. A layer whose density would exceed 1 is
    dense, and e is solved again without it: as many rounds as there are layers, so that the level may be traced."""
    ends = jnp.array([sum(shape) for shape in shapes.values()], jnp.float32)
    full = jnp.zeros(len(shapes), bool)
    for _ in shapes:
        left = total - jnp.sum(jnp.where(full, sizes, 0))
        ideal = left * ends / jnp.maximum(jnp.sum(jnp.where(full, 0, ends)), 1)
        full |= ideal >= sizes
    return jnp.where(full, sizes, ideal)


def _whole(ideal: jax.Array, sizes: jax.Array, total: jax.Array) -> jax.Array:
    """The whole numbers next to the ideal ones, between 1 and the sizes, whose sum is `total`."""

    def step(counts: jax.Array) -> jax.Array:
        sign = jnp.sign(total - jnp.sum(counts))
        movable = jnp.where(sign > 0, counts < sizes, counts > 1)
        wanting = jnp.where(movable, (ideal - counts) * sign, -jnp.inf)
        return counts.at[jnp.argmax(wanting)].add(sign)

    start = jnp.clip(jnp.floor(ideal).astype(jnp.int32), 1, sizes)
    return jax.lax.while_loop(lambda counts: jnp.sum(counts) != total, step, start)


# Structures: distributions whose zeros keep to a pattern; each layer is as sparse as the network ---------------------


def units(level: Level, scores: Arrays, masks: Masks, final: float | None = None) -> Masks:
    """Whole neurons and channels, by the sum of their weights' scores: the L1 norm for the score magnitude (Li et al.
    2017). What is left of a pruned unit is its bias, a constant that the next layer's bias can take in."""
    norms, alive = {}, {}
    for path, mask in masks.items():
        inputs = tuple(range(mask.ndim - 1))
        norms[path] = jnp.sum(jnp.where(mask, jnp.abs(scores[path]), 0), inputs)
        alive[path] = jnp.any(mask, inputs)
    kept = uniform(level, norms, alive)
    return {path: mask & kept[path] for path, mask in masks.items()}


def pattern(kept: int, group: int, level: Level, scores: Arrays, masks: Masks, final: float | None = None) -> Masks:
    """N:M sparsity (Mishra et al. 2021): at the sparsity 1 - N/M, exactly N of every M weights that follow each other
    along the inputs of a unit. On the way there (ours), the lowest go first, but for the N best of each M."""
    best = {path: _best_of_groups(scores[path], mask, kept, group) for path, mask in masks.items()}
    others = {path: mask & ~best[path] for path, mask in masks.items()}
    counts = {path: keep_count(level, mask.size) - jnp.sum(best[path], dtype=jnp.int32) for path, mask in masks.items()}
    chosen = _each_alone(scores, others, counts)
    return {path: chosen[path] | best[path] for path in masks}


def _each_alone(scores: Arrays, masks: Masks, counts: Mapping[str, jax.Array]) -> Masks:
    kept: Masks = {}
    for path, mask in masks.items():
        kept |= keep_largest({path: scores[path]}, {path: mask}, jnp.maximum(counts[path], 0))
    return kept


def _best(scores: jax.Array, mask: jax.Array) -> jax.Array:
    """True for the kept weight of the largest score alone."""
    rank = jnp.where(mask, jnp.abs(scores), -1).ravel()
    return (jnp.arange(rank.size) == jnp.argmax(rank)).reshape(mask.shape) & mask


def _best_of_groups(scores: jax.Array, mask: jax.Array, kept: int, group: int) -> jax.Array:
    """True for the `kept` best of each group along the inputs of a unit; the last group may be a smaller one."""
    columns = jnp.where(mask, jnp.abs(scores), -1).reshape(-1, mask.shape[-1])
    whole = jnp.pad(columns, ((0, -len(columns) % group), (0, 0)), constant_values=-1)
    groups = whole.reshape(-1, group, mask.shape[-1])
    one, other = groups[:, :, None], groups[:, None, :]
    earlier = jnp.tri(group, k=-1, dtype=bool)[None, :, :, None]  # ties go to the lower index
    better = jnp.sum((other > one) | ((other == one) & earlier), axis=2)
    best = (better < kept).reshape(whole.shape)[: len(columns)]
    return best.reshape(mask.shape) & mask


# The pruner ----------------------------------------------------------------------------------------------------------


def make_pruner(options: PrunerOptions) -> Pruner:
    """The options `pruning.*` as pure functions. Raises UserError for options that do not fit each other."""
    structured, limit = _structure(options.structure)
    if structured and options.distribution != "uniform":
        raise UserError(
            f"pruning.distribution={options.distribution}: with pruning.structure={options.structure} layers are"
            " uniform"
        )
    share_out = structured or DISTRIBUTIONS[str(options.distribution)]

    def choose(level: Level, scores: Arrays, masks: Masks, final: float | None = None) -> Masks:
        chosen = dict(masks)
        for layers in networks(masks):
            prunable = layers[options.dense_layers in ("first", "both") :]
            if options.dense_layers in ("last", "both") or options.structure == "units":
                prunable = [path for path in prunable if path != layers[-1]]
            if not prunable:
                raise UserError(
                    f"pruning.dense_layers={options.dense_layers}: none of {', '.join(layers)} is left to prune"
                )
            sizes = {path: masks[path].size for path in layers}
            stretch = sum(sizes.values()) / sum(sizes[path] for path in prunable)
            chosen |= share_out(
                jnp.minimum(level * stretch, 1),
                {path: scores[path] for path in prunable},
                {path: masks[path] for path in prunable},
                None if final is None else min(final * stretch, 1),
            )
        return chosen

    def prune(
        key: jax.Array,
        params: Params,
        masks: Masks,
        level: Level,
        gradients: Params | None = None,
        final: float | None = None,
    ) -> Masks:
        if gradients is None and options.score == "saliency":
            raise UserError(f"{NEEDS_GRADIENTS}, and this method prunes without: {OTHER_SCORES}")
        slopes = {} if gradients is None else kernels(gradients)
        return choose(level, SCORES[options.score](key, kernels(params), masks, slopes), masks, final)

    def scatter(key: jax.Array, params: Params, level: Level) -> Masks:
        masks = dense_masks(params)
        return choose(level, random(key, kernels(params), masks, {}), masks)

    return Pruner(prune, scatter, SCORES[options.score], options.score == "saliency", options.structure, limit)


def _structure(name: str) -> tuple[Distribution | None, float]:
    """The distribution of a structure, and the largest sparsity that it has."""
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


def networks(masks: Masks) -> list[list[str]]:
    """The kernels of each network, in the order of its layers: convolutions, then dense ones, by their numbers."""
    by_network: dict[str, list[str]] = {}
    for path in masks:
        by_network.setdefault("/".join(path.split("/")[:-2]), []).append(path)
    return [sorted(layers, key=_by_number) for _, layers in sorted(by_network.items())]


def _by_number(path: str) -> list[tuple[str, int]]:
    return [(word, int(number or 0)) for word, number in re.findall(r"(\D+)(\d*)", path)]


def refuse_saliency(training: Training, reason: str) -> None:
    """For a method that prunes where there are no gradients. Raises UserError."""
    if training.pruner.needs_gradients:
        raise UserError(f"{NEEDS_GRADIENTS}, but {reason}: {OTHER_SCORES}")


def refuse_beyond_limit(training: Training, option: str, level: float) -> None:
    """For a sparsity that the structure does not have. Raises UserError."""
    limit = training.pruner.limit
    if level > limit:
        raise UserError(f"{option}={level}: pruning.structure={training.pruner.structure} goes up to {limit:g}")
