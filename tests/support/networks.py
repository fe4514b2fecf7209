"""The layers of parameters that a test makes up."""

from collections.abc import Mapping

from suite.layers import LayerSpec, Networks, NetworkSpec

Shapes = Mapping[str, tuple[int, ...]]


def networks_of(shapes: Shapes, *paths: str) -> Networks:
    """A network of the kernels below each path, by default of them all, in the order in which they are given."""
    return tuple(
        NetworkSpec(
            path,
            tuple(
                LayerSpec(
                    kernel.removesuffix("/kernel"), "convolution" if len(shape) == 4 else "dense", shape, "linear"
                )
                for kernel, shape in shapes.items()
                if kernel.startswith(path)
            ),
        )
        for path in paths or ("",)
    )
