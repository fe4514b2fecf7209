"""The layers of a network as plain data, from which pruning, costs, cards and exports derive. Imports no JAX."""

import math
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from suite.errors import UserError

Shape = tuple[int, ...]
Kind = Literal["dense", "convolution", "layer_norm", "standardize", "max_pool", "sum"]
Activation = Literal["relu", "linear"]
AXES: dict[Kind, int] = {"dense": 2, "convolution": 4, "layer_norm": 1, "standardize": 1, "max_pool": 2, "sum": 0}
NORM_EPSILON, STANDARDIZE_EPSILON = 1e-6, 1e-8  # added to variances (flax's default; SimBa, Lee et al. 2025)


class LayerSpec(NamedTuple):
    """A layer of a network: activation(f(sum of its inputs)), where f depends on its kind.

    dense, convolution: a kernel and a bias. layer_norm: over units, or over the channels at each position (Ba et al.
    2016). standardize: (x - mean) / sqrt(variance + epsilon) with running statistics. max_pool: the maximum of each
    window. sum: nothing, so that residual branches may join and be activated.
    """

    path: str  # of its module among the parameters, such as "Dense_0" or "critic_0/Dense_1"
    kind: Kind
    shape: Shape  # of a kernel as flax has it: [inputs, outputs] or [height, width, inputs, outputs]; of a norm:
    #               [units]; of a pool's window: [height, width]; of a sum: []
    activation: Activation = "linear"
    predecessors: tuple[str, ...] = ()  # paths of the layers whose outputs it adds; none: it reads the network's input
    stride: int = 1
    padding: Literal["SAME", "VALID"] = "SAME"
    applications: int = 1  # of the kernel to one input: the positions of a convolution

    @property
    def has_kernel(self) -> bool:
        """Whether it can be pruned."""
        return self.kind in ("dense", "convolution")

    @property
    def kernel(self) -> str:
        """The path of its kernel among the parameters, which is what is pruned."""
        return f"{self.path}/kernel"

    @property
    def arrays(self) -> dict[str, Shape]:
        """Shapes of its parameters by path."""
        if self.has_kernel:
            return {self.kernel: self.shape, f"{self.path}/bias": self.shape[-1:]}
        if self.kind == "layer_norm":
            return {f"{self.path}/scale": self.shape, f"{self.path}/bias": self.shape}
        if self.kind == "standardize":
            return {f"{self.path}/mean": self.shape, f"{self.path}/variance": self.shape, f"{self.path}/count": ()}
        return {}

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of the dense kernel for one input, padding included, as is usual; 0 for other layers."""
        return math.prod(self.shape) * self.applications if self.has_kernel else 0


class NetworkSpec(NamedTuple):
    """One network. A sparsity counts all kernels of one network together."""

    path: str  # of its parameters among those of the agent, such as "critic_0"; empty if it has them all
    layers: tuple[LayerSpec, ...]  # each after its predecessors

    @property
    def kernels(self) -> list[str]:
        """Paths of the kernels, in the order of the layers."""
        return [layer.kernel for layer in self.layers if layer.has_kernel]


Networks = tuple[NetworkSpec, ...]


def network_at(path: str, layers: Iterable[LayerSpec]) -> NetworkSpec:
    """Return the network of these layers, whose paths are relative to `path`.

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


def with_layer_norm(layers: Iterable[LayerSpec]) -> tuple[LayerSpec, ...]:
    """Insert a layer norm between each kernel and the ReLU that follows it.

    >>> [layer.path for layer in with_layer_norm([LayerSpec("Dense_0", "dense", (3, 2), "relu")])]
    ['Dense_0', 'LayerNorm_0']
    """
    found: list[LayerSpec] = []
    norms: dict[str, str] = {}  # path of a layer -> path of its norm, which later layers read in its place
    for layer in layers:
        layer = layer._replace(predecessors=tuple(norms.get(path, path) for path in layer.predecessors))
        if not layer.has_kernel or layer.activation != "relu":
            found.append(layer)
            continue
        norms[layer.path] = norm = f"LayerNorm_{len(norms)}"
        found.append(layer._replace(activation="linear"))
        found.append(LayerSpec(norm, "layer_norm", layer.shape[-1:], "relu", (layer.path,)))
    return tuple(found)


def layers_of(networks: Iterable[NetworkSpec]) -> list[LayerSpec]:
    """Return the layers of all networks, in order."""
    return [layer for network in networks for layer in network.layers]


def multiply_adds(networks: Networks) -> dict[str, int]:
    """Return the multiply-adds of each dense kernel, by its path, for one input of its network."""
    return {layer.kernel: layer.multiply_adds for layer in layers_of(networks) if layer.has_kernel}


def first_layers(networks: Networks) -> list[str]:
    """Return the kernels that no other kernel or layer norm precedes: a backward pass may end there."""
    first: list[str] = []
    unlearned: set[str] = set()  # layers without parameters to learn, up to which there are none either
    for layer in layers_of(networks):
        if unlearned.issuperset(layer.predecessors):
            if layer.has_kernel:
                first.append(layer.kernel)
            elif layer.kind != "layer_norm":
                unlearned.add(layer.path)
    return first


def check(networks: Networks, arrays: Mapping[str, Shape]) -> None:
    """Raise UserError if layers contradict each other or the parameters, which are given as shapes by path.

    That is so if a layer's shape has too few or too many axes, if a path is a duplicate, if a layer comes before its
    predecessors, if a parameter is missing or of another shape, or if an array belongs to no layer.
    """
    for network in networks:
        seen: set[str] = set()
        expected: dict[str, Shape] = {}
        for layer in network.layers:
            if len(layer.shape) != AXES[layer.kind]:
                axes = AXES[layer.kind]
                raise UserError(f"layer {layer.path}: a {layer.kind} has a shape of {axes} axes, found {layer.shape}")
            if layer.path in seen:
                raise UserError(f"layer {layer.path}: is listed twice; each layer needs a path of its own")
            if not seen.issuperset(layer.predecessors):
                raise UserError(
                    f"layer {layer.path}: should be listed after {', '.join(layer.predecessors)}, which it reads"
                )
            seen.add(layer.path)
            expected |= layer.arrays
        prefix = _join(network.path, "")
        own = {path: shape for path, shape in arrays.items() if path.startswith(prefix)}
        for path in sorted(expected.keys() | own.keys()):
            if expected.get(path) != own.get(path):
                shapes = (
                    f"{own.get(path, 'nothing')} in the network, {expected.get(path, 'nothing')} in its list of layers"
                )
                raise UserError(f"{path}: both should have the same shape, found {shapes}")
    described = {kernel for network in networks for kernel in network.kernels}
    for path in arrays:
        if path.split("/")[-1] == "kernel" and path not in described:
            raise UserError(f"{path}: this kernel is in no list of layers; add its layer to the list of its network")
