"""The layers of parameters that a test makes up."""

from collections.abc import Mapping

from suite.layers import LayerSpec, Networks, NetworkSpec

Shapes = Mapping[str, tuple[int, ...]]


def networks_of(shapes: Shapes, *paths: str) -> Networks:
    """A network of the kernels below each path, by default of them all, in the order in which they are given."""
    layers = {}
    for kernel, shape in shapes.items():
        kind = "convolution" if len(shape) == 4 else "dense"
        layers[kernel] = LayerSpec(kernel.removesuffix("/kernel"), kind, shape, "linear")
    return tuple(
        NetworkSpec(path, tuple(layers[kernel] for kernel in shapes if kernel.startswith(path)))
        for path in paths or ("",)
    )
