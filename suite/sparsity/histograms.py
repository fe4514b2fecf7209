"""The weights of a network in a few numbers a layer."""

from typing import Any

import numpy as np

from suite.sparsity.masks import kernels
from suite.types import LearnerState, Network

BINS = 32


def histograms(state: LearnerState) -> dict[str, dict[str, Any]]:
    """Return histograms of the kept, finite weights of the elected network's kernels; the actor's under "actor/"."""
    found = _of(state.online[0], "")
    return found | _of(state.actor, "actor/") if state.actor else found


def _of(network: Network, prefix: str) -> dict[str, dict[str, Any]]:
    """Return {kernel: {low, high: the least and the largest weight; counts: [BINS] in equal bins between them}}."""
    layers = {}
    for path, kernel in kernels(network.params).items():
        weights = np.asarray(kernel, np.float64)  # in float32, edges of bins between close weights would be equal
        kept = np.asarray(network.masks[path]) if path in network.masks else np.ones(weights.shape, bool)
        weights = weights[kept & np.isfinite(weights)]
        low, high = (float(weights.min()), float(weights.max())) if weights.size else (0.0, 0.0)
        counts, _ = np.histogram(weights, BINS, (low, high))
        layers[prefix + path] = {"low": low, "high": high, "counts": counts}
    return layers
