"""Removes units that pruning has cut off. The outputs stay the same."""

from typing import NamedTuple

import numpy as np

from suite.deploy.network import KERNEL, Layer, Policy, input_shapes, paddings
from suite.layers import Shape


class Cleaned(NamedTuple):
    """A policy without the units that could be removed, and how many these were."""

    policy: Policy
    removed: list[int]  # numbers of removed units, by hidden layer with a kernel
    constant: list[int]  # numbers of units with a constant output that had to stay, by the same layers


def clean(policy: Policy) -> Cleaned:
    """Remove the units that no kept weight reads, and those that read nothing and so are constant.

    A constant goes into the biases of the next layer. That is exact, up to the order in which floats are added, unless
    the next layer pads with zeros: at the border it does not see the constant, so such a unit stays unless it is 0.
    Every hidden layer keeps one unit, so that every format can hold it. Layers whose outputs are normalised, pooled or
    added to others keep all of their units: without one of these, other outputs would change.
    """
    before = policy
    while True:
        layers = list(policy.layers)
        shapes = input_shapes(policy)
        for i, j in _pairs(policy):
            layers[i], layers[j] = _clean(layers[i], layers[j], shapes[j])
        cleaned = policy._replace(layers=tuple(layers))
        if _units(cleaned) == _units(policy):
            break
        policy = cleaned
    removed = [was - now for was, now in zip(_units(before), _units(cleaned), strict=True)]
    return Cleaned(cleaned, removed, [int(_constant(layer).sum()) for layer in cleaned.hidden])


def _pairs(policy: Policy) -> list[tuple[int, int]]:
    """Return each layer and its reader, by number, if both have a kernel and neither has another reader or input."""
    readers: dict[int, list[int]] = {}
    for number, layer in enumerate(policy.layers):
        for back in layer.reads:
            readers.setdefault(number - back, []).append(number)
    return [
        (number, of_layer[0])
        for number, of_layer in sorted(readers.items())
        if number >= 0 and len(of_layer) == 1 and policy.layers[number].kind == KERNEL
        if policy.layers[of_layer[0]].kind == KERNEL and len(policy.layers[of_layer[0]].reads) == 1
    ]


def _units(policy: Policy) -> list[int]:
    return [len(layer.weight) for layer in policy.hidden]


def _constant(layer: Layer) -> np.ndarray:
    """Tell which units read nothing: bool [outputs]."""
    return np.logical_not(layer.matrix.any(axis=1))


def _clean(layer: Layer, reader: Layer, shape: Shape) -> tuple[Layer, Layer]:
    """Return a layer, whose activations have this shape, and its reader without the removable units between them."""
    units = len(layer.weight)
    read = reader.weight.reshape(len(reader.weight), units, -1)  # [its outputs, units, weights on each]
    value = np.maximum(layer.bias, 0) if layer.relu else layer.bias
    pads = reader.convolves and any(map(sum, paddings(reader.form, shape)))
    unread = ~read.any(axis=(0, 2))
    goes = unread | (_constant(layer) & ((value == 0) | (not pads)))
    goes[0] &= not goes.all()
    if not goes.any():
        return layer, reader
    constant = np.where(goes & ~unread, value, 0).astype(np.float64)
    bias = reader.bias + read.sum(axis=2, dtype=np.float64) @ constant
    weight = np.delete(read, goes, axis=1).reshape(len(reader.weight), -1, *reader.weight.shape[2:])
    kept = layer._replace(weight=layer.weight[~goes], bias=layer.bias[~goes])
    return kept, reader._replace(weight=weight, bias=bias.astype(np.float32))
