"""Networks, each with the ordered list of its layers, from which pruning, costs and exports derive (suite.layers).

A new network is one entry in NETWORKS. A test compares the layers of each entry with what it computes.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from suite.errors import UserError
from suite.layers import NORM_EPSILON, STANDARDIZE_EPSILON, Activation, Kind, LayerSpec, Shape, with_layer_norm
from suite.types import Array, Params

Convolution = tuple[int, int, int]  # (features, kernel size, stride)
IMPALA_CHANNELS = (16, 32, 32)  # of its stages


class Described(Protocol):
    """A flax module that lists its layers, in the order in which they are applied, with paths in its own parameters.

    A module whose first layer is a convolution takes images uint8 [B, stack, height, width] and divides them by 255.
    """

    @property
    def layers(self) -> tuple[LayerSpec, ...]:
        """The layers, each after its predecessors."""

    def init(self, rngs: jax.Array, *args: Any, **kwargs: Any) -> Any:
        """Draw {"params": the parameters} for inputs like the array in `args`, whose values do not matter."""

    def apply(self, variables: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the outputs for the inputs in `args`; with `mutable` also the collections that it names."""


def xavier(layer: LayerSpec) -> nn.initializers.Initializer:
    """Return the uniform initialiser of Glorot & Bengio (2010), the same for every layer."""
    return nn.initializers.xavier_uniform()


class Graph(nn.Module):
    """The network that a list of layers describes: Xavier-uniform kernels by default, zero biases.

    Images uint8 [B, stack, height, width] or vectors float32 [..., d] -> float32 [..., outputs].
    """

    layers: tuple[LayerSpec, ...]
    initialiser: Callable[[LayerSpec], nn.initializers.Initializer] = xavier

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply the layers in their order; images are divided by 255 before the first."""
        if self.layers[0].kind == "convolution":
            x = jnp.moveaxis(x, 1, -1).astype(jnp.float32) / 255
        outputs: dict[str, jax.Array] = {}
        for layer in self.layers:
            inputs = [outputs[path] for path in layer.predecessors] or [x]
            y = _computed(layer, sum(inputs[1:], inputs[0]), self.initialiser(layer))
            outputs[layer.path] = nn.relu(y) if layer.activation == "relu" else y
        return outputs[self.layers[-1].path]


def _computed(layer: LayerSpec, x: jax.Array, initialise: nn.initializers.Initializer) -> jax.Array:
    """Apply a layer without its activation, inside of a flax module: [..., channels] -> [..., units]."""
    name, strides = layer.path, (layer.stride, layer.stride)
    module: nn.Module
    if layer.kind == "convolution":
        module = nn.Conv(layer.shape[-1], layer.shape[:2], strides, layer.padding, kernel_init=initialise, name=name)
    elif layer.kind == "dense":
        x = x.reshape(x.shape[0], -1) if x.ndim == 4 else x  # images
        module = nn.Dense(layer.shape[-1], kernel_init=initialise, name=name)
    elif layer.kind == "layer_norm":
        module = nn.LayerNorm(NORM_EPSILON, use_fast_variance=False, name=name)
    elif layer.kind == "max_pool":
        pooled: jax.Array = nn.max_pool(x, layer.shape, strides, layer.padding)
        return pooled
    elif layer.kind == "standardize":
        module = Standardize(name=name)
    else:  # a sum
        return x
    y: jax.Array = module(x)
    return y


class Standardize(nn.Module):
    """(x - mean) / sqrt(variance + epsilon) with running statistics, which `with_statistics` updates, not gradients."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Standardize each unit of x [..., units]; gradients reach x, but not the statistics."""
        mean = self.param("mean", nn.initializers.zeros, x.shape[-1:])
        variance = self.param("variance", nn.initializers.ones, x.shape[-1:])
        self.param("count", nn.initializers.zeros, ())  # of batches
        mean, variance = jax.lax.stop_gradient((mean, variance))
        return (x - mean) / jnp.sqrt(variance + STANDARDIZE_EPSILON)


def with_statistics(network: Described, params: Params, x: Array) -> Params:
    """Return the parameters, with the batch x [B, n] added to their running statistics, if there are any.

    x are the first n inputs of the network; the others keep the mean 0 and the variance 1. All batches b have equal
    weights (Chan et al. 1979): with c batches, this one included, and d = mean_b - mean, mean <- mean + d / c and
    variance <- variance + (variance_b - variance + d^2 (1 - 1 / c)) / c.
    """
    chex.assert_rank(x, 2)
    changed = {}
    for layer in network.layers:
        if layer.kind == "standardize":
            n, old = x.shape[1], params[layer.path]
            count, mean, variance = old["count"] + 1, old["mean"][:n], old["variance"][:n]
            difference = jnp.mean(x, axis=0) - mean
            spread = jnp.var(x, axis=0) - variance + difference**2 * (1 - 1 / count)
            changed[layer.path] = {
                "count": count,
                "mean": old["mean"].at[:n].set(mean + difference / count),
                "variance": old["variance"].at[:n].set(variance + spread / count),
            }
    return {**params, **changed}


def mlp(inputs: int, hidden: Sequence[int], outputs: int, layer_norm: bool = False) -> Graph:
    """Build hidden dense layers with ReLU and a linear one: vectors float32 [..., inputs] -> float32 [..., outputs]."""
    layers = _dense(inputs, (*hidden, outputs), ())
    return Graph(with_layer_norm(layers) if layer_norm else tuple(layers))


def simba(inputs: int, width: int, blocks: int, outputs: int) -> Graph:
    """Build SimBa (Lee et al. 2025): standardized inputs [..., inputs], a linear layer to `width` units, residual
    blocks x + W2 relu(W1 norm(x)) with 4 `width` hidden units, a layer norm, a linear layer [..., outputs]."""
    layers = [LayerSpec("Standardize_0", "standardize", (inputs,))]

    def add(path: str, kind: Kind, shape: Shape, *predecessors: str, relu: bool = False) -> str:
        layers.append(LayerSpec(path, kind, shape, "relu" if relu else "linear", predecessors))
        return path

    x = add("Dense_0", "dense", (inputs, width), "Standardize_0")
    for block in range(blocks):
        y = add(f"block_{block}_norm", "layer_norm", (width,), x)
        y = add(f"block_{block}_dense_0", "dense", (width, 4 * width), y, relu=True)
        y = add(f"block_{block}_dense_1", "dense", (4 * width, width), y)
        x = add(f"block_{block}_sum", "sum", (), x, y)
    x = add("LayerNorm_0", "layer_norm", (width,), x)
    add("Dense_1", "dense", (width, outputs), x)
    return Graph(tuple(layers), simba_initialiser)


def simba_initialiser(layer: LayerSpec) -> nn.initializers.Initializer:
    """Return an initialiser: He-normal in the residual blocks, orthogonal before and after them."""
    return nn.initializers.he_normal() if layer.path.startswith("block") else nn.initializers.orthogonal()


def convolutional(
    convolutions: Sequence[Convolution], observation: Shape, width: int, num_actions: int, scale: int = 1
) -> Graph:
    """Build convolutions with SAME padding and ReLU, one hidden dense layer with ReLU, one value for each action.

    `observation` is [stack, height, width], or [d] where there are no convolutions. `scale` multiplies the features.
    """
    layers: list[LayerSpec] = []
    last: tuple[str, ...] = ()
    inputs, *sides = observation
    for number, (features, size, stride) in enumerate(convolutions):
        sides = [-(-side // stride) for side in sides]
        path, positions, shape = f"Conv_{number}", math.prod(sides), (size, size, inputs, features * scale)
        layers.append(LayerSpec(path, "convolution", shape, "relu", last, stride, applications=positions))
        inputs, last = features * scale, (path,)
    return Graph((*layers, *_dense(inputs * math.prod(sides), (width, num_actions), last)))


def impala(observation: Shape, width: int, num_actions: int, scale: int = 1) -> Graph:
    """Build Impala's residual network (Espeholt et al. 2018, figure 3, right), with one value for each action.

    Three stages of a convolution, a pool and two residual blocks have 16, 32 and 32 channels times `scale`. One hidden
    dense layer with ReLU follows. `observation` is [stack, height, width]. A block adds conv(relu(conv(relu(x)))) to
    its input x.
    """
    layers: list[LayerSpec] = []

    def add(path: str, kind: Kind, shape: Shape, *predecessors: str, relu: bool = False, stride: int = 1) -> str:
        positions = math.prod(sides) if kind == "convolution" else 1
        activation: Activation = "relu" if relu else "linear"
        layers.append(LayerSpec(path, kind, shape, activation, predecessors, stride, applications=positions))
        return path

    def convolve(path: str, *predecessors: str, relu: bool = False) -> str:
        return add(path, "convolution", (3, 3, inputs, channels), *predecessors, relu=relu)

    inputs, *sides = observation
    x: tuple[str, ...] = ()
    for stage, features in enumerate(IMPALA_CHANNELS):
        channels = features * scale
        convolved = convolve(f"stage_{stage}_conv", *x)
        last = add(f"stage_{stage}_pool", "max_pool", (3, 3), convolved, stride=2)
        inputs, sides = channels, [-(-side // 2) for side in sides]
        for block in range(2):
            name = f"stage_{stage}_block_{block}"
            activated = add(f"{name}_relu", "sum", (), last, relu=True)
            first = convolve(f"{name}_conv_0", activated, relu=True)
            last = add(f"{name}_sum", "sum", (), last, convolve(f"{name}_conv_1", first))
        x = (last,)
    activated = add("relu", "sum", (), *x, relu=True)
    return Graph((*layers, *_dense(inputs * math.prod(sides), (width, num_actions), (activated,))))


def _dense(inputs: int, units: Sequence[int], predecessors: tuple[str, ...]) -> list[LayerSpec]:
    """Return dense layers with these numbers of units and ReLU; the last layer is linear."""
    layers = []
    for number, outputs in enumerate(units):
        activation: Activation = "relu" if number + 1 < len(units) else "linear"
        layers.append(LayerSpec(f"Dense_{number}", "dense", (inputs, outputs), activation, predecessors))
        inputs, predecessors = outputs, (f"Dense_{number}",)
    return layers


class QNetwork(NamedTuple):
    """A named network for discrete actions."""

    axes: int  # of an observation: 3 for images [stack, height, width], 1 for vectors
    # observation's shape, units of the hidden dense layer, actions, factor of the convolutions' channels
    build: Callable[[Shape, int, int, int], Described]


#: `nature`: Mnih et al. 2015; `small`: the data-efficient network of van Hasselt et al. 2019, an eighth of the
#: operations, for laptops; `minatar`: Young & Tian 2019, with SAME padding, as in Dopamine; `mlp` and `mlp2`: one and
#: two hidden layers, for vector observations; `impala`: residual blocks, with which pruned agents play better than
#: dense ones (Obando-Ceron et al. 2024).
NETWORKS: dict[str, QNetwork] = {
    "nature": QNetwork(3, partial(convolutional, ((32, 8, 4), (64, 4, 2), (64, 3, 1)))),
    "small": QNetwork(3, partial(convolutional, ((32, 5, 5), (64, 5, 5)))),
    "minatar": QNetwork(3, partial(convolutional, ((16, 3, 1),))),
    "mlp": QNetwork(1, partial(convolutional, ())),
    "mlp2": QNetwork(1, lambda observation, width, actions, _: mlp(observation[0], (width, width), actions)),
    "impala": QNetwork(3, impala),
}


def q_network(
    name: str, observation: Shape, width: int, num_actions: int, scale: int = 1, layer_norm: bool = False
) -> Described:
    """Build the network of this name for observations of this shape. Raises UserError if the options do not fit."""
    if NETWORKS[name].axes != len(observation):
        fitting = " or ".join(other for other, network in NETWORKS.items() if network.axes == len(observation))
        advice = f"use {fitting}" if fitting else "no network of the suite fits them"
        raise UserError(f"agent.network={name} does not fit observations of shape {observation}; {advice}")
    if scale != 1 and len(observation) == 1:
        raise UserError(f"agent.scale={scale}: multiplies channels of convolutions, and {name} has none; leave it out")
    module = NETWORKS[name].build(observation, width, num_actions, scale)
    if not layer_norm:
        return module
    if not isinstance(module, Graph):
        raise UserError(f"agent.layer_norm: the network {name} is no Graph of layers; add the norms in its own module")
    return Graph(with_layer_norm(module.layers))
