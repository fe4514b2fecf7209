"""A greedy policy as plain arrays: what every exported form holds.

Kernels are as ONNX has them, outputs first and channels before height and width, so that a row of a kernel is a unit
and one reshape turns any of them into a matrix. Padding is SAME as in flax: an odd pixel goes below and to the right.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from suite.errors import UserError

Shape = tuple[int, ...]
ACTIONS = ("argmax", "tanh")  # of all outputs, an integer; of each output, a vector
MOST_LAYERS = 64


class Layer(NamedTuple):
    weight: np.ndarray  # float32 [outputs, inputs], or of a convolution [outputs, inputs, height, width]
    bias: np.ndarray  # float32 [outputs]
    stride: int  # of a convolution
    relu: bool

    @property
    def matrix(self) -> np.ndarray:
        """The weights [outputs, inputs * height * width]."""
        return self.weight.reshape(len(self.weight), -1)

    @property
    def convolves(self) -> bool:
        return self.weight.ndim == 4


class Policy(NamedTuple):
    """An observation is divided by `divided_by`, goes through the layers, and `action` says what the outputs mean."""

    observation_shape: Shape  # [stack, height, width] or [d]
    divided_by: float
    layers: tuple[Layer, ...]
    action: str  # one of ACTIONS


def padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after an axis, so that SAME padding gives ceil(size / stride) outputs."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def output_shape(layer: Layer, shape: Shape) -> Shape:
    """The shape of a layer's activations, from that of its input."""
    if layer.convolves:
        return (len(layer.weight), -(-shape[1] // layer.stride), -(-shape[2] // layer.stride))
    return (len(layer.weight),)


def input_shapes(policy: Policy) -> list[Shape]:
    """The shape of each layer's input; that of a dense layer may be [channels, height, width], to be flattened."""
    shapes = [policy.observation_shape]
    for layer in policy.layers[:-1]:
        shapes.append(output_shape(layer, shapes[-1]))
    return shapes


def positions(layer: Layer, shape: Shape) -> int:
    """How often a layer's kernel is applied to one observation."""
    return math.prod(output_shape(layer, shape)[1:]) if layer.convolves else 1


def check_shapes(observation_shape: Shape, kernels: list[tuple[Shape, int]], name: str) -> int:
    """Whether kernels (shape, stride) fit each other -> how many numbers acting by them takes, at most: the kernels,
    and of each layer the input with its padding, its patches and its activations.

    Raises UserError, which says `name`, when they do not fit.
    """
    if not 1 <= len(kernels) <= MOST_LAYERS:
        raise UserError(f"{name}: {len(kernels)} layers, should be 1 to {MOST_LAYERS}")
    if len(observation_shape) not in (1, 3):
        raise UserError(f"{name}: observations of {len(observation_shape)} axes, should be of 1 or 3")
    shape, total = observation_shape, 0
    for number, (kernel, stride) in enumerate(kernels):
        convolves = len(kernel) == 4
        inputs = shape[0] if convolves else math.prod(shape)
        if len(kernel) not in (2, 4) or min(kernel) < 1 or stride < 1 or (convolves and len(shape) != 3):
            raise UserError(f"{name}: layer {number} has a kernel of shape {kernel} on inputs {shape}; none can be so")
        if kernel[1] != inputs:
            raise UserError(f"{name}: layer {number} takes {kernel[1]} inputs, but is given {inputs}")
        sides = tuple(zip(shape[1:], kernel[2:], strict=True)) if convolves else ()
        padded = math.prod(size + sum(padding(size, side, stride)) for size, side in sides)
        spatial = tuple(-(-size // stride) for size, _ in sides)
        patches = math.prod(kernel[1:]) * math.prod(spatial) if convolves else 0
        shape = (kernel[0], *spatial)
        total += math.prod(kernel) + inputs * padded + patches + math.prod(shape)
    return total


def whole(value: Any, least: int = 1) -> int:
    """A whole number of a card. Raises ValueError for anything else: True, 3.0 and "3" are none."""
    if type(value) is not int or not least <= value < 2**31:
        raise ValueError(f"{value!r} should be a whole number from {least} to {2**31 - 1}")
    return value


def flag(value: Any) -> bool:
    """Raises ValueError for anything but true and false."""
    if type(value) is not bool:
        raise ValueError(f"{value!r} should be true or false")
    return value


def real(value: Any) -> float:
    """Raises ValueError for anything but a number, OverflowError for one that a float does not hold."""
    if type(value) not in (int, float):
        raise ValueError(f"{value!r} should be a number")
    return float(value)


def from_flax(arrays: Mapping[str, np.ndarray], network: Mapping[str, Any], name: str = "policy") -> Policy:
    """The greedy policy in the arrays of policy.safetensors, described by the entry `network` of its card.

    Of a Gaussian's outputs (mean, logarithm of its standard deviation) the greedy action needs the means alone.
    Raises UserError, which says `name`, when arrays and description do not fit.
    """
    try:
        shape = tuple(map(whole, network["observation"]["shape"]))
        divided_by, action = real(network["observation"]["divided_by"]), network["action"]["kind"]
        size = whole(network["action"]["size"])
        layers = []
        for entry in network["layers"]:
            kernel, bias = arrays[f"{entry['path']}/kernel"], arrays[f"{entry['path']}/bias"]
            layers.append(Layer(kernel, bias, whole(entry["stride"]), flag(entry["relu"])))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{name}: arrays and card do not fit each other ({error!r})") from None
    shapes = [(k.shape[:1:-1] + k.shape[:2] if k.ndim == 4 else k.shape[::-1]) for k, *_ in layers]
    check_shapes(shape, [(kernel, layer.stride) for kernel, layer in zip(shapes, layers, strict=True)], name)
    current, turned = shape, []
    for layer in layers:
        turned.append(_outputs_first(layer, current))
        current = output_shape(turned[-1], current)
    last = turned[-1]
    if size > len(last.weight):
        raise UserError(f"{name}: an action of {size} numbers, but the last layer has {len(last.weight)} outputs")
    turned[-1] = last._replace(weight=last.weight[:size], bias=last.bias[:size])
    policy = Policy(shape, divided_by, tuple(turned), action)
    check(policy, name)
    return policy


def _outputs_first(layer: Layer, shape: Shape) -> Layer:
    """A flax kernel ([inputs, outputs], [height, width, inputs, outputs]) with its outputs first. A dense layer behind
    a convolution reads [height, width, channels] in flax."""
    kernel = layer.weight
    if kernel.ndim == 4:
        kernel = kernel.transpose(3, 2, 0, 1)
    elif kernel.ndim == 2:
        kernel = kernel.T
        if len(shape) == 3:
            channels, height, width = shape
            kernel = kernel.reshape(-1, height, width, channels).transpose(0, 3, 1, 2).reshape(len(kernel), -1)
    return layer._replace(weight=np.ascontiguousarray(kernel, np.float32), bias=np.asarray(layer.bias, np.float32))


def check(policy: Policy, name: str) -> None:
    """Raises UserError, which says `name`, when a policy cannot act: its shapes, a number that is not finite."""
    if policy.action not in ACTIONS:
        raise UserError(f"{name}: the action is {policy.action!r}, should be one of {', '.join(ACTIONS)}")
    held = np.finfo(np.float32)
    if not float(held.tiny) <= policy.divided_by <= float(held.max):
        raise UserError(
            f"{name}: observations are divided by {policy.divided_by}, should be a number above 0 that float32 holds"
        )
    check_shapes(policy.observation_shape, [(layer.weight.shape, layer.stride) for layer in policy.layers], name)
    if policy.layers[-1].convolves:
        raise UserError(f"{name}: the last layer is a convolution, should be dense")
    for number, layer in enumerate(policy.layers):
        if layer.bias.shape != (len(layer.weight),):
            raise UserError(f"{name}: layer {number} has {layer.bias.shape} biases for {len(layer.weight)} units")
        if not (np.isfinite(layer.weight).all() and np.isfinite(layer.bias).all()):
            raise UserError(f"{name}: layer {number} has a weight or bias that is NaN or infinite")
