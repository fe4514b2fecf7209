"""The options `pruning.*` of a run as a Pruner, which chooses the weights that are pruned, for every method.

A sparsity is that of a whole network. A distribution shares it among the layers, a score ranks the weights, and a
structure states which patterns of zeros are allowed. Each network is ranked alone; the twin critics of a pair are two
networks.
"""

import math

import jax
import jax.numpy as jnp

from suite.errors import UserError
from suite.layers import Networks, NetworkSpec
from suite.options import PrunerOptions
from suite.sparsity.distributions import DISTRIBUTIONS
from suite.sparsity.masks import dense_masks, kernels
from suite.sparsity.scores import SCORES, Arrays, random
from suite.sparsity.structures import structure_of
from suite.types import Level, Masks, Params, Pruner, Training

ROUNDING = 1e-9  # 1 - 4/5 is a little less than 0.2
NEEDS_GRADIENTS, OTHER_SCORES = "pruning.score=saliency needs gradients", "use magnitude, random or normalised"


def make_pruner(options: PrunerOptions, networks: Networks = ()) -> Pruner:
    """Turn the options `pruning.*` into pure functions for kernels of these networks.

    Raises UserError for incompatible options; the functions raise it for a kernel of another network.
    """
    structured, limit = structure_of(options.structure)
    prunable = {network.path: prunable_kernels(options, network) for network in networks}
    if structured and options.distribution != "uniform":
        raise UserError(
            f"pruning.distribution={options.distribution}: should be uniform, or left out, with"
            f" pruning.structure={options.structure}"
        )
    share_out = structured or DISTRIBUTIONS[str(options.distribution)]

    def choose(level: Level, scores: Arrays, masks: Masks, final: float | None = None) -> Masks:
        chosen = dict(masks)
        for network in _networks_of(networks, masks):
            paths = prunable[network.path]
            stretch = 1 / _share(network, paths)
            chosen |= share_out(
                jnp.minimum(level * stretch, 1),
                {path: scores[path] for path in paths},
                {path: masks[path] for path in paths},
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
            raise UserError(f"{NEEDS_GRADIENTS}, and this method prunes without them: {OTHER_SCORES}")
        slopes = {} if gradients is None else kernels(gradients)
        return choose(level, SCORES[options.score](key, kernels(params), masks, slopes), masks, final)

    def scatter(key: jax.Array, params: Params, level: Level) -> Masks:
        masks = dense_masks(params)
        return choose(level, random(key, kernels(params), masks, {}), masks)

    limit *= min((_share(network, prunable[network.path]) for network in networks), default=1.0)
    return Pruner(prune, scatter, SCORES[options.score], options.score == "saliency", options.structure, limit)


def prunable_kernels(options: PrunerOptions, network: NetworkSpec) -> list[str]:
    """Return the kernels of a network that the options let a method prune. Raises UserError if there is none."""
    first, last = (options.dense_layers in (side, "both") for side in ("first", "last"))
    kernels = network.kernels
    prunable = kernels[1 if first else 0 : -1 if last or options.structure == "units" else None]
    if not prunable:
        raise UserError(
            f"pruning.dense_layers={options.dense_layers}, pruning.structure={options.structure}: no kernel is left"
            f" to prune (of {', '.join(kernels)}); leave out one of the two options"
        )
    return prunable


def _share(network: NetworkSpec, kernels: list[str]) -> float:
    """Return the share of a network's weights that these kernels have."""
    sizes = {layer.kernel: math.prod(layer.shape) for layer in network.layers if layer.has_kernel}
    return sum(sizes[path] for path in kernels) / sum(sizes.values())


def _networks_of(networks: Networks, masks: Masks) -> list[NetworkSpec]:
    """Return the networks whose kernels have these masks: those of the critics, or that of an actor. Raises UserError
    for a kernel of another network."""
    found = [network for network in networks if not masks.keys().isdisjoint(network.kernels)]
    unknown = masks.keys() - {kernel for network in found for kernel in network.kernels}
    if unknown:
        raise UserError(f"{', '.join(sorted(unknown))}: in no list of layers, so it cannot be pruned")
    return found


def refuse_saliency(training: Training, reason: str) -> None:
    """Raise UserError if the score needs gradients: for a method that prunes where there are none."""
    if training.pruner.needs_gradients:
        raise UserError(f"{NEEDS_GRADIENTS}, but {reason}: {OTHER_SCORES}")


def refuse_beyond_limit(training: Training, option: str, level: float) -> None:
    """Raise UserError if the structure and the dense layers make this sparsity impossible."""
    limit = training.pruner.limit + ROUNDING
    if level > limit:
        raise UserError(
            f"{option}={level}: should be at most {math.floor(1_000 * limit) / 1_000:g} with"
            f" pruning.structure={training.pruner.structure} and this pruning.dense_layers"
        )
