"""Acting without JAX: each layer as a dense or a CSR matrix, whichever was measured to be faster on this machine.

Convolutions are one matrix product of the kernel with the patches that it is applied to, so that both serve them too.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from suite.deploy.network import Layer, Policy, Shape, input_shapes, padding
from suite.deploy.timing import by_turns
from suite.errors import UserError

KINDS = ("dense", "csr")
CALLS = 35  # that a measurement rests on, of either kind

Step = Callable[[np.ndarray], np.ndarray]


class Choice(NamedTuple):
    """How a layer is computed, and what that rests on: seconds of the fastest call of either; None if told."""

    kind: str  # one of KINDS
    dense: float | None
    csr: float | None
    nbytes: int  # of its weights and biases in memory


class Runner:
    """A policy that acts: `runner(observation)` is an action for a gymnasium environment of its task.

    It holds buffers, so one observation at a time. `kinds` says how each layer is computed; by default the faster way
    is found by measurement, which takes some hundredths of a second a layer and is kept in `choices`.
    """

    def __init__(self, policy: Policy, kinds: Sequence[str] | None = None) -> None:
        if kinds is not None and (len(kinds) != len(policy.layers) or not set(kinds) <= set(KINDS)):
            raise UserError(f"kinds {list(kinds)}: should be dense or csr for each of {len(policy.layers)} layers")
        self.observation_shape, self.action = policy.observation_shape, policy.action
        self.choices: list[Choice] = []
        self._steps: list[Step] = []
        for number, (layer, shape) in enumerate(zip(policy.layers, input_shapes(policy), strict=True)):
            divided_by = policy.divided_by if number == 0 else 1.0
            way, choice = (
                _choose(layer, shape, divided_by) if kinds is None else _given(layer, shape, divided_by, kinds[number])
            )
            self._steps.append(way)
            self.choices.append(choice)

    @property
    def nbytes(self) -> int:
        """Bytes of weights and biases in memory."""
        return sum(choice.nbytes for choice in self.choices)

    def outputs(self, observation: np.ndarray) -> np.ndarray:
        """float32 [outputs]: values of the actions, or means before tanh. Raises UserError for a wrong shape."""
        if np.shape(observation) != self.observation_shape:
            raise UserError(
                f"the policy acts on observations of shape {self.observation_shape}, not {np.shape(observation)}"
            )
        x = np.asarray(observation)
        for way in self._steps:
            x = way(x)
        return x

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """The greedy action: int64 [], or float32 [A] in [-1, 1]."""
        return act(self.outputs(observation), self.action)


def act(outputs: np.ndarray, action: str) -> np.ndarray:
    """What the outputs [..., n] of a policy mean: see network.ACTIONS."""
    return np.asarray(np.argmax(outputs, axis=-1) if action == "argmax" else np.tanh(outputs))


def _given(layer: Layer, shape: Shape, divided_by: float, kind: str) -> tuple[Step, Choice]:
    if kind == "dense":
        return step(layer, layer.matrix, shape, divided_by), Choice(kind, None, None, nbytes(layer))
    matrix = sparse.csr_array(layer.matrix)
    return step(layer, matrix, shape, divided_by), Choice(kind, None, None, nbytes(layer, matrix))


def nbytes(layer: Layer, matrix: sparse.csr_array | None = None) -> int:
    """Bytes in memory of a layer's biases and weights, dense or as a CSR matrix."""
    if matrix is None:
        return int(layer.weight.nbytes + layer.bias.nbytes)
    return int(matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes + layer.bias.nbytes)


def _choose(layer: Layer, shape: Shape, divided_by: float) -> tuple[Step, Choice]:
    """The faster of the two, on an input of ones."""
    candidates = {kind: _given(layer, shape, divided_by, kind) for kind in KINDS}
    x = np.ones(shape, np.float32)
    seconds = by_turns({kind: partial(way, x) for kind, (way, _) in candidates.items()}, CALLS)
    dense, csr = (float(np.min(seconds[kind])) for kind in KINDS)  # whatever disturbs a call makes it longer
    way, choice = candidates["csr" if csr < dense else "dense"]
    return way, choice._replace(dense=dense, csr=csr)


def step(layer: Layer, matrix: Any, shape: Shape, divided_by: float = 1.0) -> Step:
    """A function from a layer's input to its activations, [outputs] or [outputs, height, width].

    `matrix` stands for layer.matrix: anything with a method `dot`.
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


def _flattened(divided_by: float) -> Step:
    if divided_by == 1:
        return lambda x: x.ravel().astype(np.float32, copy=False)
    return lambda x: np.divide(x.ravel(), np.float32(divided_by), dtype=np.float32)


def _patches(layer: Layer, shape: Shape, divided_by: float) -> Step:
    """A function from images [channels, height, width] to [channels * kernel height * kernel width, positions]."""
    channels, height, width = shape
    rows, columns = layer.weight.shape[2:]
    (top, bottom), (left, right) = padding(height, rows, layer.stride), padding(width, columns, layer.stride)
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
