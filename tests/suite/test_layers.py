"""The list of a network's layers: what is refused, and what derives from it."""

import pytest

from suite.errors import UserError
from suite.layers import LayerSpec, NetworkSpec, check, first_layers, multiply_adds, network_at, with_layer_norm

LAYERS = (
    LayerSpec("stem/Conv_0", "convolution", (3, 3, 2, 4), "relu", stride=2, applications=25),
    LayerSpec("Dense_0", "dense", (100, 6), "relu", ("stem/Conv_0",)),
    LayerSpec("Dense_1", "dense", (6, 3), "linear", ("Dense_0",)),
)
ARRAYS = {
    "stem/Conv_0/kernel": (3, 3, 2, 4),
    "stem/Conv_0/bias": (4,),
    "Dense_0/kernel": (100, 6),
    "Dense_0/bias": (6,),
    "Dense_1/kernel": (6, 3),
    "Dense_1/bias": (3,),
}


def test_layers_that_are_what_the_network_has() -> None:
    check((network_at("", LAYERS),), ARRAYS)
    below = {f"policy/{path}": shape for path, shape in ARRAYS.items()}
    check((network_at("policy", LAYERS),), {**below, "log_temperature": ()})  # which is of no network


@pytest.mark.parametrize(
    "arrays, named",
    [
        ({"Dense_0/kernel": (100, 7)}, "Dense_0/kernel"),
        ({"Dense_0/bias": (7,)}, "Dense_0/bias"),
        ({"Dense_0/bias": None}, "Dense_0/bias"),
        ({"Dense_2/kernel": (3, 3)}, "Dense_2/kernel"),
        ({"LayerNorm_0/scale": (6,)}, "LayerNorm_0/scale"),
        ({"gate": ()}, "gate"),
    ],
)
def test_arrays_that_are_not_those_of_the_layers(arrays: dict, named: str) -> None:
    found = {path: shape for path, shape in {**ARRAYS, **arrays}.items() if shape is not None}
    with pytest.raises(UserError, match=named):
        check((network_at("", LAYERS),), found)


def test_a_kernel_of_no_network() -> None:
    below = {f"policy/{path}": shape for path, shape in ARRAYS.items()}
    with pytest.raises(UserError, match="encoder/Dense_0/kernel"):
        check((network_at("policy", LAYERS),), {**below, "encoder/Dense_0/kernel": (2, 2)})


@pytest.mark.parametrize(
    "layers, named",
    [
        ((LAYERS[1], LAYERS[0], LAYERS[2]), "Dense_0"),
        ((*LAYERS, LAYERS[2]), "Dense_1"),
        ((LAYERS[0], LAYERS[1]._replace(shape=(10, 10, 6)), LAYERS[2]), "Dense_0"),
        ((LAYERS[0]._replace(kind="dense"), *LAYERS[1:]), "stem/Conv_0"),
    ],
)
def test_layers_that_contradict_each_other(layers: tuple[LayerSpec, ...], named: str) -> None:
    with pytest.raises(UserError, match=f"layer {named}"):
        check((NetworkSpec("", layers),), ARRAYS)


def test_costs_of_two_networks_by_hand() -> None:
    twins = tuple(network_at(name, LAYERS) for name in ("a", "b"))
    once = {"stem/Conv_0/kernel": 72 * 25, "Dense_0/kernel": 600, "Dense_1/kernel": 18}
    assert multiply_adds(twins) == {f"{name}/{path}": count for name in "ab" for path, count in once.items()}
    assert first_layers(twins) == ["a/stem/Conv_0/kernel", "b/stem/Conv_0/kernel"]


def test_norms_stand_between_a_kernel_and_its_relu() -> None:
    """And nowhere else: none follows the last layer, and what read a layer now reads its norm."""
    found = with_layer_norm(LAYERS)
    assert [layer.path for layer in found] == ["stem/Conv_0", "LayerNorm_0", "Dense_0", "LayerNorm_1", "Dense_1"]
    assert [layer.activation for layer in found] == ["linear", "relu", "linear", "relu", "linear"]
    assert [layer.predecessors for layer in found[1:]] == [(layer.path,) for layer in found[:-1]]
    norms = {"LayerNorm_0/scale": (4,), "LayerNorm_0/bias": (4,), "LayerNorm_1/scale": (6,), "LayerNorm_1/bias": (6,)}
    check((network_at("", found),), ARRAYS | norms)
    assert multiply_adds((network_at("", found),)) == multiply_adds((network_at("", LAYERS),))
