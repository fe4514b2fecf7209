"""Fewer units, the same outputs: what pruning has cut off is removed."""

from typing import NamedTuple

import numpy as np

from suite.deploy.network import Layer, Policy, Shape, input_shapes, padding


class Cleaned(NamedTuple):
    policy: Policy
    removed: list[int]  # units of each hidden layer that went
    constant: list[int]  # units of each hidden layer whose output never changes and that had to stay


def clean(policy: Policy) -> Cleaned:
    """Remove the units that no kept weight reads, and those that read nothing and so are constant.

    A constant goes into the biases of the next layer. That is exact, up to the order in which floats are added, unless
    the next layer pads with zeros: at the border it does not see the constant, so such a unit stays unless it is 0.
    Every hidden layer keeps one unit, so that every form can hold it.
    """
    before = policy
    while True:
        layers = list(policy.layers)
        for i, shape in enumerate(input_shapes(policy)[1:]):
            layers[i], layers[i + 1] = _clean(layers[i], layers[i + 1], shape)
        cleaned = policy._replace(layers=tuple(layers))
        if _units(cleaned) == _units(policy):
            break
        policy = cleaned
    removed = [was - now for was, now in zip(_units(before), _units(cleaned), strict=True)]
    return Cleaned(cleaned, removed, [int(_constant(layer).sum()) for layer in cleaned.layers[:-1]])


def _units(policy: Policy) -> list[int]:
    return [len(layer.weight) for layer in policy.layers[:-1]]


def _constant(layer: Layer) -> np.ndarray:
    """Which units read nothing: bool [outputs]."""
    return np.logical_not(layer.matrix.any(axis=1))


def _clean(layer: Layer, reader: Layer, shape: Shape) -> tuple[Layer, Layer]:
    """A layer, whose activations have this shape, and the next one, without the units between them that can go."""
    units = len(layer.weight)
    read = reader.weight.reshape(len(reader.weight), units, -1)  # [its outputs, units, weights on each]
    value = np.maximum(layer.bias, 0) if layer.relu else layer.bias
    pads = reader.convolves and any(
        sum(padding(size, kernel, reader.stride))
        for size, kernel in zip(shape[1:], reader.weight.shape[2:], strict=True)
    )
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
