"""Networks, each with the ordered list of its layers, from which pruning, costs and exports derive (suite.layers).

A network of its own is one entry in NETWORKS; a test holds the layers of each entry against what it computes.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp

from suite.errors import UserError
from suite.layers import LayerSpec, Shape

Convolution = tuple[int, int, int]  # (features, kernel size, stride)


class Described(Protocol):
    """A flax module that lists its layers, in the order in which they are applied, with paths in its own parameters.

    A module whose first layer is a convolution takes images uint8 [B, stack, height, width] and divides them by 255.
    """

    @property
    def layers(self) -> tuple[LayerSpec, ...]: ...
    def init(self, rngs: jax.Array, *args: Any, **kwargs: Any) -> Any: ...
    def apply(self, variables: Any, *args: Any, **kwargs: Any) -> Any: ...


class Chain(nn.Module):
    """Layers that each read the one before: Xavier-uniform kernels, zero biases.

    Images uint8 [B, stack, height, width] or vectors float32 [..., d] -> float32 [..., outputs].
    """

    layers: tuple[LayerSpec, ...]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        initialise = nn.initializers.xavier_uniform()
        images = self.layers[0].kind == "convolution"
        if images:
            x = jnp.moveaxis(x, 1, -1).astype(jnp.float32) / 255
        for layer in self.layers:
            units, name = layer.shape[-1], layer.path
            if layer.kind == "convolution":
                strides = (layer.stride, layer.stride)
                x = nn.Conv(units, layer.shape[:2], strides, padding=layer.padding, kernel_init=initialise, name=name)(
                    x
                )
            else:
                x = x.reshape(x.shape[0], -1) if images else x
                x = nn.Dense(units, kernel_init=initialise, name=name)(x)
            x = nn.relu(x) if layer.activation == "relu" else x
        return x


def mlp(inputs: int, hidden: Sequence[int], outputs: int) -> Chain:
    """Hidden dense layers with ReLU, and a linear one: vectors float32 [..., inputs] -> float32 [..., outputs]."""
    return Chain(tuple(_dense(inputs, (*hidden, outputs), ())))


def convolutional(convolutions: Sequence[Convolution], observation: Shape, width: int, num_actions: int) -> Chain:
    """Convolutions with SAME padding and ReLU, one hidden dense layer with ReLU, one value an action.

    `observation` is [stack, height, width], or [d] where there are no convolutions.
    """
    layers: list[LayerSpec] = []
    inputs, *sides = observation
    for number, (features, size, stride) in enumerate(convolutions):
        sides = [-(-side // stride) for side in sides]
        layers.append(
            LayerSpec(
                path=f"Conv_{number}",
                kind="convolution",
                shape=(size, size, inputs, features),
                activation="relu",
                predecessors=tuple(layer.path for layer in layers[-1:]),
                stride=stride,
                applications=math.prod(sides),
            )
        )
        inputs = features
    last = tuple(layer.path for layer in layers[-1:])
    return Chain((*layers, *_dense(inputs * math.prod(sides), (width, num_actions), last)))


def _dense(inputs: int, units: Sequence[int], predecessors: tuple[str, ...]) -> list[LayerSpec]:
    """Dense layers with ReLU of so many units, the last one linear."""
    layers = []
    for number, outputs in enumerate(units):
        activation: Literal["relu", "linear"] = "relu" if number + 1 < len(units) else "linear"
        layers.append(LayerSpec(f"Dense_{number}", "dense", (inputs, outputs), activation, predecessors))
        inputs, predecessors = outputs, (f"Dense_{number}",)
    return layers


class QNetwork(NamedTuple):
    """A named network for discrete actions."""

    axes: int  # of an observation: 3 for images [stack, height, width], 1 for vectors
    build: Callable[[Shape, int, int], Described]  # observation's shape, units of the hidden dense layer, actions


#: `nature`: Mnih et al. 2015; `small`: the data-efficient network of van Hasselt et al. 2019, an eighth of the
#: operations, for laptops; `minatar`: Young & Tian 2019, with SAME padding, as in Dopamine; `mlp` and `mlp2`: one and
#: two hidden layers, for vector observations.
NETWORKS: dict[str, QNetwork] = {
    "nature": QNetwork(3, partial(convolutional, ((32, 8, 4), (64, 4, 2), (64, 3, 1)))),
    "small": QNetwork(3, partial(convolutional, ((32, 5, 5), (64, 5, 5)))),
    "minatar": QNetwork(3, partial(convolutional, ((16, 3, 1),))),
    "mlp": QNetwork(1, partial(convolutional, ())),
    "mlp2": QNetwork(1, lambda observation, width, actions: mlp(observation[0], (width, width), actions)),
}


def q_network(name: str, observation: Shape, width: int, num_actions: int) -> Described:
    """The network of that name for observations of this shape. Raises UserError when it does not fit them."""
    if NETWORKS[name].axes != len(observation):
        fitting = " or ".join(other for other, network in NETWORKS.items() if network.axes == len(observation))
        advice = f"use {fitting}" if fitting else "no network does"
        raise UserError(f"agent.network={name} does not fit observations of shape {observation}; {advice}")
    return NETWORKS[name].build(observation, width, num_actions)
