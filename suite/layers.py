"""The layers of a network as plain data, from which pruning, costs, cards and exports derive. Imports no JAX."""

import math
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from suite.errors import UserError

Shape = tuple[int, ...]


class LayerSpec(NamedTuple):
    """A dense layer or a convolution, each with a bias."""

    path: str  # of its module among the parameters, such as "Dense_0" or "critic_0/Dense_1"
    kind: Literal["dense", "convolution"]
    shape: Shape  # of its kernel as flax has it: [inputs, outputs] or [height, width, inputs, outputs]
    activation: Literal["relu", "linear"]
    predecessors: tuple[str, ...] = ()  # paths of the layers whose outputs it reads; none: it reads the network's input
    stride: int = 1
    padding: Literal["SAME", "VALID"] = "SAME"
    applications: int = 1  # of the kernel to one input: the positions of a convolution

    @property
    def kernel(self) -> str:
        """The path of its kernel among the parameters, which is what is pruned."""
        return f"{self.path}/kernel"

    @property
    def bias(self) -> str:
        return f"{self.path}/bias"

    @property
    def multiply_adds(self) -> int:
        """Of the dense kernel for one input, padding included, as is usual."""
        return math.prod(self.shape) * self.applications


class NetworkSpec(NamedTuple):
    """One network: a sparsity is that of all its kernels together, and no other's."""

    path: str  # of its parameters among those of the agent, such as "critic_0"; empty if it has them all
    layers: tuple[LayerSpec, ...]  # each after its predecessors


Networks = tuple[NetworkSpec, ...]


def network_at(path: str, layers: Iterable[LayerSpec]) -> NetworkSpec:
    """The network of these layers, whose paths are relative to `path`.

    >>> network_at("critic_0", [LayerSpec("Dense_0", "dense", (3, 2), "linear")]).layers[0].kernel
    'critic_0/Dense_0/kernel'
    """
    return NetworkSpec(
        path,
        tuple(
            layer._replace(
                path=_join(path, layer.path), predecessors=tuple(_join(path, name) for name in layer.predecessors)
            )
            for layer in layers
        ),
    )


def _join(parent: str, path: str) -> str:
    return f"{parent}/{path}" if parent else path


def layers_of(networks: Iterable[NetworkSpec]) -> list[LayerSpec]:
    """The layers of all networks, in order."""
    return [layer for network in networks for layer in network.layers]


def multiply_adds(networks: Networks) -> dict[str, int]:
    """Multiply-adds of each kernel for one input of its network."""
    return {layer.kernel: layer.multiply_adds for layer in layers_of(networks)}


def first_layers(networks: Networks) -> list[str]:
    """The kernels that read the input of their network: a backward pass may end there."""
    return [layer.kernel for layer in layers_of(networks) if not layer.predecessors]


def check(networks: Networks, arrays: Mapping[str, Shape]) -> None:
    """Refuse layers that contradict each other or the parameters, which are given as shapes by path.

    Raises UserError: for a kernel or bias that is missing or of another shape, for an array of a network that is of
    none of its layers, and for layers that are not in order.
    """
    for network in networks:
        seen: set[str] = set()
        expected: dict[str, Shape] = {}
        for layer in network.layers:
            if len(layer.shape) != (4 if layer.kind == "convolution" else 2):
                raise UserError(f"layer {layer.path}: no {layer.kind} has a kernel of shape {layer.shape}")
            if layer.path in seen or not seen.issuperset(layer.predecessors):
                raise UserError(
                    f"layer {layer.path}: described twice, or before its predecessors {', '.join(layer.predecessors)}"
                )
            seen.add(layer.path)
            expected |= {layer.kernel: layer.shape, layer.bias: layer.shape[-1:]}
        prefix = _join(network.path, "") if network.path else ""
        own = {path: shape for path, shape in arrays.items() if path.startswith(prefix)}
        for path in sorted(expected.keys() | own.keys()):
            if expected.get(path) != own.get(path):
                raise UserError(
                    f"{path}: the network has the shape {own.get(path)}, the list of its layers {expected.get(path)}"
                )
    described = {layer.kernel for layer in layers_of(networks)}
    for path in arrays:
        if path.split("/")[-1] == "kernel" and path not in described:
            raise UserError(f"{path}: a kernel of no described network")
