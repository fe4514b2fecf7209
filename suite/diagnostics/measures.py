"""Measures of a network from its activations, kernels and masks, in numpy."""

from collections.abc import Mapping

import numpy as np

from suite.layers import LayerSpec, Networks, layers_of

DORMANT = 0.025  # tau of Sokar et al. 2023
RANK = 0.01  # delta of Kumar et al. 2021


def dormant(units: np.ndarray) -> float:
    """Return the share of the units whose score is at most DORMANT (Sokar et al. 2023, definition 3.1).

    `units` [U] are the mean absolute activations of a layer's units. The score of a unit is its own over their mean. In
    a silent layer all units are dormant. NaN if an activation is not finite.

    >>> dormant(np.array([0.0, 1.0, 1.0, 2.0]))
    0.25
    """
    return float(np.mean(units <= DORMANT * units.mean())) if np.isfinite(units).all() else float("nan")


def effective_rank(features: np.ndarray) -> float:
    """Return srank (Kumar et al. 2021, definition 1): how many of the largest singular values of the features [B, F]
    make 1 - RANK of the sum of all; 0 if all features are 0, NaN if one is not finite.

    >>> effective_rank(np.diag([3.0, 1.0, 0.001]))
    2.0
    """
    if not np.isfinite(features).all():
        return float("nan")
    values = np.linalg.svd(features, compute_uv=False)
    reached = np.cumsum(values) >= (1 - RANK) * values.sum()
    return float(1 + np.argmax(reached)) if values.sum() > 0 else 0.0


def disconnected(networks: Networks, masks: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the share of the units of each hidden layer that masks cut off: no path of kept weights connects them with
    the input of the network, or none with its output. {} without masks."""
    layers = {layer.path: layer for layer in layers_of(networks)} if masks else {}
    reached: dict[str, np.ndarray] = {}  # by each layer: which of its units see the input
    for path, layer in layers.items():
        before = [reached[name] for name in layer.predecessors]
        inputs = np.logical_or.reduce(before) if before else None
        if layer.kernel in masks:
            reached[path] = _through(layer, masks, inputs)
        else:  # a norm or a sum, unit by unit
            reached[path] = np.ones(layer.shape[-1], bool) if inputs is None else inputs
    used: dict[str, np.ndarray] = {}  # which units the output sees
    for path, layer in reversed(layers.items()):
        outputs = used.setdefault(path, np.ones(len(reached[path]), bool))
        for name in layer.predecessors:
            seen = outputs if layer.kernel not in masks else _back(layer, masks, outputs, len(reached[name]))
            used[name] = used.get(name, False) | seen
    followed = {name for layer in layers.values() for name in layer.predecessors}
    return {
        path: float(1 - np.mean(reached[path] & used[path]))
        for path, layer in layers.items()
        if path in followed and layer.kernel in masks
    }


def _matrix(layer: LayerSpec, masks: Mapping[str, np.ndarray], channels: int) -> np.ndarray:
    """Return whether a kept weight goes from a channel to a unit: bool [channels, units]. A dense layer after a
    convolution reads [positions, channels]."""
    mask = masks[layer.kernel].reshape(-1, channels, layer.shape[-1])
    return np.asarray(mask.any(axis=0))


def _through(layer: LayerSpec, masks: Mapping[str, np.ndarray], inputs: np.ndarray | None) -> np.ndarray:
    if inputs is None:
        inputs = np.ones(layer.shape[-2], bool)
    return np.asarray((_matrix(layer, masks, len(inputs)) & inputs[:, None]).any(axis=0))


def _back(layer: LayerSpec, masks: Mapping[str, np.ndarray], outputs: np.ndarray, channels: int) -> np.ndarray:
    return np.asarray((_matrix(layer, masks, channels) & outputs).any(axis=1))


def overlap(before: Mapping[str, np.ndarray], now: Mapping[str, np.ndarray]) -> float:
    """Return the share of the weights kept now that were also kept before: 1 if masks are nested or keep no weight.

    >>> overlap({"k": np.array([True, True, False, False])}, {"k": np.array([False, True, True, False])})
    0.5
    >>> overlap({"k": np.array([True, False])}, {"k": np.array([False, False])})
    1.0
    """
    kept = sum(int(mask.sum()) for mask in now.values())
    return sum(int((mask & before[path]).sum()) for path, mask in now.items()) / kept if kept else 1.0


def agreement(choices: np.ndarray) -> float:
    """Return the share of observations on which two networks choose the same action; `choices` are [K, B].

    The share is the mean over all pairs of networks.

    >>> agreement(np.array([[0, 1], [0, 1], [0, 2]]))
    0.6666666666666666
    """
    same = choices[:, None] == choices[None]
    pairs = np.triu_indices(len(choices), k=1)
    return float(same.mean(axis=-1)[pairs].mean())
