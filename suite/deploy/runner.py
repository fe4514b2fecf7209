"""Acting without JAX: each layer as a dense or a CSR matrix, whichever was measured to be faster on this machine.

Convolutions are one matrix product of the kernel with the patches that it is applied to, so that both serve them too.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from suite.deploy.network import KERNEL, LAYER_NORM, MAX_POOL, STANDARDIZE, Layer, Policy, input_shapes, paddings
from suite.deploy.timing import by_turns
from suite.errors import UserError
from suite.layers import NORM_EPSILON, Shape

KINDS = ("dense", "csr")
CALLS = 35  # that a measurement rests on, of either kind

Step = Callable[[np.ndarray], np.ndarray]


class Choice(NamedTuple):
    """How a layer is computed, and the measured seconds of the fastest call of each way; None if the way was given or
    the layer has no kernel."""

    kind: str  # one of KINDS; of a layer without a kernel its own kind
    dense: float | None
    csr: float | None
    nbytes: int  # of its weights and biases in memory


class Runner:
    """A policy that acts: `runner(observation)` is an action for a gymnasium environment of its task.

    It holds buffers, so it takes one observation at a time. `kinds` states how each layer is computed. By default both
    ways are measured, which takes some hundredths of a second per layer; `choices` holds the results.
    """

    def __init__(self, policy: Policy, kinds: Sequence[str] | None = None) -> None:
        if kinds is not None and (len(kinds) != len(policy.layers) or not set(kinds) <= set(KINDS)):
            raise UserError(f"kinds {list(kinds)}: should be dense or csr for each of {len(policy.layers)} layers")
        self.observation_shape, self.action = policy.observation_shape, policy.action
        self.choices: list[Choice] = []
        self._steps: list[tuple[tuple[int, ...], Step]] = []
        readers = [number for number, layer in enumerate(policy.layers) if number + 1 in layer.reads]
        at_once = readers == [0] and policy.layers[0].kind == KERNEL  # the division costs the first layer nothing
        self._divide = None if at_once else _flattened(policy.divided_by)
        for number, (layer, shape) in enumerate(zip(policy.layers, input_shapes(policy), strict=True)):
            divided_by = policy.divided_by if number == 0 and at_once else 1.0
            if layer.kind != KERNEL:
                way, choice = _without_kernel(layer, shape), Choice(layer.kind, None, None, nbytes(layer))
            elif kinds is None:
                way, choice = _choose(layer, shape, divided_by)
            else:
                way, choice = _given(layer, shape, divided_by, kinds[number])
            self._steps.append((layer.reads, way))
            self.choices.append(choice)

    @property
    def nbytes(self) -> int:
        """Bytes of weights and biases in memory."""
        return sum(choice.nbytes for choice in self.choices)

    def outputs(self, observation: np.ndarray) -> np.ndarray:
        """Return float32 [outputs]: values of the actions, or means before tanh. Raises UserError for a wrong shape."""
        if np.shape(observation) != self.observation_shape:
            raise UserError(
                f"the policy acts on observations of shape {self.observation_shape}, not {np.shape(observation)}"
            )
        x = np.asarray(observation)
        outputs = [self._divide(x).reshape(x.shape) if self._divide else x]
        for reads, way in self._steps:
            x = outputs[-reads[0]]
            for back in reads[1:]:
                x = x + outputs[-back]
            outputs.append(way(x))
        return outputs[-1]

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """Return the greedy action: int64 [], or float32 [A] in [-1, 1]."""
        return act(self.outputs(observation), self.action)


def act(outputs: np.ndarray, action: str) -> np.ndarray:
    """Return the actions that a policy's outputs [..., n] mean: by argmax int64 [...], or by tanh float32 [..., n]."""
    return np.asarray(np.argmax(outputs, axis=-1) if action == "argmax" else np.tanh(outputs))


def _given(layer: Layer, shape: Shape, divided_by: float, kind: str) -> tuple[Step, Choice]:
    if kind == "dense":
        return step(layer, layer.matrix, shape, divided_by), Choice(kind, None, None, nbytes(layer))
    matrix = sparse.csr_array(layer.matrix)
    return step(layer, matrix, shape, divided_by), Choice(kind, None, None, nbytes(layer, matrix))


def nbytes(layer: Layer, matrix: sparse.csr_array | None = None) -> int:
    """Return the bytes in memory of a layer's biases and weights, dense or as a CSR matrix."""
    if matrix is None:
        return int(layer.weight.nbytes + layer.bias.nbytes)
    return int(matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes + layer.bias.nbytes)


def _choose(layer: Layer, shape: Shape, divided_by: float) -> tuple[Step, Choice]:
    """Measure both ways of computing a layer on an input of ones; return the faster one."""
    candidates = {kind: _given(layer, shape, divided_by, kind) for kind in KINDS}
    x = np.ones(shape, np.float32)
    seconds = by_turns({kind: partial(way, x) for kind, (way, _) in candidates.items()}, CALLS)
    dense, csr = (float(np.min(seconds[kind])) for kind in KINDS)  # whatever disturbs a call makes it longer
    way, choice = candidates["csr" if csr < dense else "dense"]
    return way, choice._replace(dense=dense, csr=csr)


def step(layer: Layer, matrix: Any, shape: Shape, divided_by: float = 1.0) -> Step:
    """Return a function from a layer's input to its activations, [outputs] or [outputs, height, width].

    `matrix` replaces layer.matrix: anything with a method `dot`. Inputs are divided by `divided_by`.
    """
    multiply = matrix.dot  # not @, which reports floating-point flags that BLAS sets where nothing is wrong
    bias, relu = layer.bias[:, None] if layer.convolves else layer.bias, layer.relu  # the layer itself is let go
    prepare = _patches(layer, shape, divided_by) if layer.convolves else _flattened(divided_by)
    after = (len(layer.weight), *(-(-size // layer.stride) for size in shape[1:])) if layer.convolves else (-1,)

    def activations(x: np.ndarray) -> np.ndarray:
        y: np.ndarray = multiply(prepare(x))
        y += bias
        if relu:
            np.maximum(y, 0, out=y)
        return y.reshape(after)

    return activations


def _without_kernel(layer: Layer, shape: Shape) -> Step:
    """Return a function from the input of a norm, a pool or a sum to its activations; the input stays as it is."""
    axes = (len(layer.weight), *(1,) * (len(shape) - 1))
    function: Step
    if layer.kind == LAYER_NORM:
        scale, bias = layer.weight.reshape(axes), layer.bias.reshape(axes)

        def function(x: np.ndarray) -> np.ndarray:
            centred = x - x.mean(axis=0)
            variance = np.square(centred).mean(axis=0)
            y: np.ndarray = centred / np.sqrt(variance + np.float32(NORM_EPSILON)) * scale + bias
            return y

    elif layer.kind == STANDARDIZE:
        inverse, mean = layer.weight, layer.bias

        def function(x: np.ndarray) -> np.ndarray:
            y: np.ndarray = (x - mean) * inverse
            return y

    elif layer.kind == MAX_POOL:
        function = _pool(layer, shape)
    else:
        function = np.asarray
    return (lambda x: np.maximum(function(x), 0)) if layer.relu else function


def _pool(layer: Layer, shape: Shape) -> Step:
    """Return a function from images [channels, height, width] to the maxima of their windows."""
    (top, bottom), (left, right) = paddings(layer.form, shape)
    _, height, width = shape
    padded = np.full((shape[0], top + height + bottom, left + width + right), -np.inf, np.float32)
    inner = padded[:, top : top + height, left : left + width]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (layer.window, layer.window), axis=(1, 2))
    strided = windows[:, :: layer.stride, :: layer.stride]
    places = [strided[..., row, column] for row in range(layer.window) for column in range(layer.window)]

    def maxima(x: np.ndarray) -> np.ndarray:
        inner[...] = x
        found = places[0].copy()
        for place in places[1:]:
            np.maximum(found, place, out=found)
        return found

    return maxima


def _flattened(divided_by: float) -> Step:
    if divided_by == 1:
        return lambda x: x.ravel().astype(np.float32, copy=False)
    return lambda x: np.divide(x.ravel(), np.float32(divided_by), dtype=np.float32)


def _patches(layer: Layer, shape: Shape, divided_by: float) -> Step:
    """Return a function: images [channels, height, width] -> [channels * kernel height * kernel width, positions]."""
    channels, height, width = shape
    rows, columns = layer.weight.shape[2:]
    (top, bottom), (left, right) = paddings(layer.form, shape)
    padded = np.zeros((channels, top + height + bottom, left + width + right), np.float32)
    inner = padded[:, top : top + height, left : left + width]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (rows, columns), axis=(1, 2))
    view = windows[:, :: layer.stride, :: layer.stride].transpose(0, 3, 4, 1, 2)
    buffer = np.empty(view.shape, np.float32)
    matrix = buffer.reshape(channels * rows * columns, -1)

    def patches(x: np.ndarray) -> np.ndarray:
        np.divide(x, np.float32(divided_by), out=inner, casting="unsafe")
        np.copyto(buffer, view)
        return matrix

    return patches
