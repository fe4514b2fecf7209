"""A greedy policy as plain arrays: what every exported format holds.

Kernels are as ONNX has them, outputs first and channels before height and width, so that a row of a kernel is a unit
and one reshape turns any of them into a matrix. Padding is SAME as in flax: an odd pixel goes below and to the right.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args

import numpy as np

from suite.deploy.fields import Fields
from suite.errors import UserError
from suite.layers import STANDARDIZE_EPSILON, Kind, Shape

ACTIONS = ("argmax", "tanh")  # of all outputs, an integer; of each output, a vector
KERNEL, LAYER_NORM, STANDARDIZE, MAX_POOL, SUM = KINDS = ("kernel", "layer_norm", "standardize", "max_pool", "sum")
MOST_LAYERS = 256
#: Names of a layer's weight and bias in flax, by its kind in cards.
PARAMETERS = {
    "dense": ("kernel", "bias"),
    "convolution": ("kernel", "bias"),
    LAYER_NORM: ("scale", "bias"),
    STANDARDIZE: ("variance", "mean"),
    MAX_POOL: ("", ""),
    SUM: ("", ""),
}


class Form(NamedTuple):
    """What a layer is, without its numbers."""

    shape: Shape  # of its weight
    stride: int
    kind: str = KERNEL  # one of KINDS
    reads: tuple[int, ...] = (1,)  # how many layers back those are whose outputs it adds; 1: the layer before
    window: int = 0  # pixels a side of a pool


class Layer(NamedTuple):
    """The sum of the outputs that it reads, a function of its kind (see suite.layers.LayerSpec), and perhaps a ReLU."""

    #: kernel: [outputs, inputs], of a convolution [outputs, inputs, height, width]; layer_norm: the scale [units];
    #: standardize: one over the standard deviation [inputs]; else [0]; float32
    weight: np.ndarray
    bias: np.ndarray  # float32 [outputs]; standardize: the mean
    stride: int  # of a convolution or a pool
    relu: bool
    kind: str = KERNEL
    reads: tuple[int, ...] = (1,)
    window: int = 0

    @property
    def matrix(self) -> np.ndarray:
        """The weights [outputs, inputs * height * width]."""
        return self.weight.reshape(len(self.weight), math.prod(self.weight.shape[1:]))

    @property
    def convolves(self) -> bool:
        """Whether the layer has the kernel of a convolution."""
        return self.weight.ndim == 4

    @property
    def form(self) -> Form:
        """The layer without its numbers, as `check_shapes` takes it."""
        return Form(self.weight.shape, self.stride, self.kind, self.reads, self.window)


class Policy(NamedTuple):
    """An observation is divided by `divided_by`, goes through the layers, and `action` states what the outputs mean."""

    observation_shape: Shape  # [stack, height, width] or [d]
    divided_by: float
    layers: tuple[Layer, ...]
    action: str  # one of ACTIONS

    @property
    def hidden(self) -> list[Layer]:
        """The layers with a kernel, but for the last."""
        return [layer for layer in self.layers[:-1] if layer.kind == KERNEL]


def padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return how many places SAME padding adds before and after an axis: there are ceil(size / stride) outputs."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def paddings(form: Form, shape: Shape) -> list[tuple[int, int]]:
    """Return the padding of both axes of an image [channels, height, width] for a convolution or a pool."""
    sides = form.shape[2:] if form.kind == KERNEL else (form.window, form.window)
    return [padding(size, side, form.stride) for size, side in zip(shape[1:], sides, strict=True)]


def output_shape(form: Form, shape: Shape) -> Shape:
    """Return the shape of a layer's activations, from that of its input."""
    images = len(form.shape) == 4 or form.kind == MAX_POOL
    spatial = tuple(-(-size // form.stride) for size in shape[1:]) if images else shape[1:]
    if form.kind != KERNEL:
        return (shape[0], *spatial)
    return (form.shape[0], *spatial) if images else form.shape[:1]


def input_shapes(policy: Policy) -> list[Shape]:
    """Return the shape of each layer's input; a dense layer may read [channels, height, width], which it flattens."""
    return [shape for shape, _ in _shapes(policy.observation_shape, [layer.form for layer in policy.layers], "policy")]


def positions(layer: Layer, shape: Shape) -> int:
    """Return how often a layer's kernel is applied to one observation."""
    return math.prod(output_shape(layer.form, shape)[1:]) if layer.convolves else 1


def _shapes(observation_shape: Shape, forms: Sequence[Form], name: str) -> Iterator[tuple[Shape, Shape]]:
    """Yield the shapes of each layer's input and output. Raises UserError for layers that do not fit each other."""
    outputs = [observation_shape]
    for number, form in enumerate(forms):
        if not form.reads or not all(1 <= back <= len(outputs) for back in form.reads):
            raise UserError(f"{name}: layer {number} reads {list(form.reads)} layers back, which is before the first")
        shapes = {outputs[-back] for back in form.reads}
        if len(shapes) > 1:
            raise UserError(f"{name}: layer {number} adds outputs of different shapes, {sorted(shapes)}")
        shape = shapes.pop()
        _check_form(form, shape, f"{name}: layer {number}")
        outputs.append(output_shape(form, shape))
        yield shape, outputs[-1]


def _check_form(form: Form, shape: Shape, name: str) -> None:
    """Raise UserError, which begins with `name`, if a layer does not fit the shape of its input."""
    kernel, images = form.shape, len(shape) == 3
    if form.kind == KERNEL:
        convolves = len(kernel) == 4
        if len(kernel) not in (2, 4) or min(kernel) < 1 or form.stride < 1 or (convolves and not images):
            raise UserError(f"{name} has a kernel of shape {kernel}, which does not fit inputs of shape {shape}")
        inputs = shape[0] if convolves else math.prod(shape)
        if kernel[1] != inputs:
            raise UserError(f"{name} takes {kernel[1]} inputs, but is given {inputs}")
        return
    fits = {
        LAYER_NORM: kernel == shape[:1],
        STANDARDIZE: kernel == shape and not images,
        MAX_POOL: kernel == (0,) and images and min(form.window, form.stride) >= 1,
        SUM: kernel == (0,),
    }
    if not fits[form.kind]:
        raise UserError(f"{name}: a {form.kind} of shape {kernel} and window {form.window} does not fit inputs {shape}")


def check_shapes(observation_shape: Shape, forms: Sequence[Form], name: str) -> int:
    """Return how many numbers acting takes, at most: the kernels, and of each layer the input with its padding, its
    patches and its activations.

    Raises UserError, which begins with `name`, if the layers do not fit each other.
    """
    if not 1 <= len(forms) <= MOST_LAYERS:
        raise UserError(f"{name}: {len(forms)} layers, should be 1 to {MOST_LAYERS}")
    if len(observation_shape) not in (1, 3):
        raise UserError(f"{name}: observations of {len(observation_shape)} axes, should be of 1 or 3")
    total = 0
    for form, (shape, output) in zip(forms, _shapes(observation_shape, forms, name), strict=True):
        total += math.prod(form.shape) + math.prod(output)
        if len(form.shape) == 4 or form.kind == MAX_POOL:
            sides = zip(shape[1:], paddings(form, shape), strict=True)
            total += shape[0] * math.prod(size + sum(pads) for size, pads in sides)
        else:
            total += math.prod(shape)
        if len(form.shape) == 4:
            total += math.prod(form.shape[1:]) * math.prod(output[1:])
    return total


def from_flax(arrays: Mapping[str, np.ndarray], network: Mapping[str, Any], name: str = "policy") -> Policy:
    """Return the greedy policy in the arrays of policy.safetensors, which the entry `network` of its card describes.

    Of a Gaussian's outputs (means, logarithms of standard deviations), the greedy action needs the means alone. Raises
    UserError, which begins with `name`, if arrays and description do not fit.
    """
    card = Fields(network, name)
    observation, action = card.inner("observation"), card.inner("action")
    observation_shape, divided_by = observation.wholes("shape", 1), observation.number("divided_by")
    size = action.whole("size", 1)
    layers = _layers(arrays, card.list("layers"), name)
    forms = [layer.form._replace(shape=_turned(layer.weight.shape)) for layer in layers]
    check_shapes(observation_shape, forms, name)
    shapes = [shape for shape, _ in _shapes(observation_shape, forms, name)]
    turned = [_outputs_first(layer, shape) for layer, shape in zip(layers, shapes, strict=True)]
    last = turned[-1]
    if size > len(last.weight):
        raise UserError(f"{name}: an action of {size} numbers, but the last layer has {len(last.weight)} outputs")
    turned[-1] = last._replace(weight=last.weight[:size], bias=last.bias[:size])
    policy = Policy(observation_shape, divided_by, tuple(turned), action.text("kind", ACTIONS))
    check(policy, name)
    return policy


def _layers(arrays: Mapping[str, np.ndarray], entries: Sequence[Fields], name: str) -> list[Layer]:
    """Return the layers that a card describes, with their arrays as flax has them."""
    paths = [entry.text("path") for entry in entries]
    layers = []
    for number, (path, entry) in enumerate(zip(paths, entries, strict=True)):
        reads: tuple[int, ...] = (1,)
        predecessors = entry.texts("predecessors")  # cards of version 0.1 have none: each layer reads the one before
        if predecessors is not None:
            unknown = set(predecessors) - set(paths)
            if unknown:
                raise UserError(f"{name}: the layer {path} reads {unknown.pop()}, which its card does not describe")
            reads = tuple(number - paths.index(other) for other in predecessors) or (number + 1,)
        kind = entry.text("kind", get_args(Kind), "dense")
        weight, bias = (_named(arrays, f"{path}/{parameter}", name) for parameter in PARAMETERS[kind])
        if kind == STANDARDIZE:
            weight = 1 / np.sqrt(weight + np.float32(STANDARDIZE_EPSILON))
        kind = KERNEL if kind in ("dense", "convolution") else kind
        window = entry.whole("window", 0, 0)
        layers.append(Layer(weight, bias, entry.whole("stride", 1), entry.flag("relu"), kind, reads, window))
    return layers


def _named(arrays: Mapping[str, np.ndarray], path: str, name: str) -> np.ndarray:
    """Return a parameter, float32; an empty one for a path that ends in "/": its layer has no such parameter."""
    if path.endswith("/"):
        return np.zeros(0, np.float32)
    if path not in arrays:
        raise UserError(
            f"{name}: the array {path} is missing, so the file does not fit its card; one of them is damaged"
        )
    return np.asarray(arrays[path], np.float32)


def _turned(kernel: Shape) -> Shape:
    """Return the shape of a flax kernel, [inputs, outputs] or [height, width, inputs, outputs], with outputs first."""
    return kernel[:1:-1] + kernel[:2] if len(kernel) == 4 else kernel[::-1]


def _outputs_first(layer: Layer, shape: Shape) -> Layer:
    """Turn a layer's flax kernel. After a convolution, a dense layer reads [height, width, channels] in flax."""
    kernel = layer.weight
    if kernel.ndim == 4:
        kernel = kernel.transpose(3, 2, 0, 1)
    elif kernel.ndim == 2:
        kernel = kernel.T
        if len(shape) == 3:
            channels, height, width = shape
            kernel = kernel.reshape(-1, height, width, channels).transpose(0, 3, 1, 2).reshape(len(kernel), -1)
    return layer._replace(weight=np.ascontiguousarray(kernel))


def check(policy: Policy, name: str) -> None:
    """Raise UserError, which begins with `name`, if a policy cannot act: wrong shapes, a number that is not finite."""
    if policy.action not in ACTIONS:
        raise UserError(f"{name}: the action is {policy.action!r}, should be one of {', '.join(ACTIONS)}")
    held = np.finfo(np.float32)
    if not float(held.tiny) <= policy.divided_by <= float(held.max):
        raise UserError(
            f"{name}: observations are divided by {policy.divided_by}, should be a number above 0 that float32 holds"
        )
    check_shapes(policy.observation_shape, [layer.form for layer in policy.layers], name)
    if policy.layers[-1].kind != KERNEL or policy.layers[-1].convolves:
        raise UserError(f"{name}: the last layer should be dense")
    for number, layer in enumerate(policy.layers):
        if layer.bias.shape != (len(layer.weight),):
            raise UserError(
                f"{name}: layer {number} has biases of shape {layer.bias.shape} for {len(layer.weight)} units"
            )
        if not (np.isfinite(layer.weight).all() and np.isfinite(layer.bias).all()):
            raise UserError(f"{name}: layer {number} has a weight or bias that is NaN or infinite")
