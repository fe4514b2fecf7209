"""How many weights each layer keeps, against numpy that sorts and floating point in double precision."""

import math
from collections.abc import Mapping
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suite.errors import UserError
from suite.sparsity.distributions import erk_counts
from tests.support.pruning import (
    CNN,
    KEY,
    MANY,
    NETWORKS,
    count,
    draw,
    everything,
    largest,
    levels,
    named,
    nested,
    prune,
    pruner_of,
    seeds,
    split_twins,
)

# References in numpy -------------------------------------------------------------------------------------------------


def densities(density: float, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, float]:
    """Erdos-Renyi-kernel in double precision, one layer at a time made dense: the one that exceeds 1 by the most."""
    full: set[str] = set()
    while True:
        rest = [path for path in shapes if path not in full]
        size = {path: math.prod(shape) for path, shape in shapes.items()}
        left = density * sum(size.values()) - sum(size[path] for path in full)
        scale = left / sum(sum(shapes[path]) for path in rest) if rest else 0
        found = {path: 1.0 if path in full else scale * sum(shapes[path]) / size[path] for path in shapes}
        worst = max(rest, key=lambda path: found[path], default=None)
        if worst is None or found[worst] <= 1:
            return found
        full.add(worst)


# Distributions -------------------------------------------------------------------------------------------------------


def test_erk_by_hand() -> None:
    """Layers 2x2 and 4x4: sums 4 and 8. Half of 20: e = 10/12, 3.33 and 6.67 weights. Of 15: e = 15/12 would make the
    first 5 of 4, so it is dense and 11 are left."""
    shapes = {"a": (2, 2), "b": (4, 4)}
    for level, expected in ((0.5, [3, 7]), (0.25, [4, 11]), (0.0, [4, 16]), (1.0, [1, 1])):
        assert [int(kept) for kept in erk_counts(level, shapes).values()] == expected


def test_erk_densities_of_the_nature_network_at_ninety_percent() -> None:
    """By hand: e = 404,582 / 9,064 = 44.6 makes 7.5 of the last layer's density, so e = 401,510 / 8,546 = 46.98."""
    shapes = {"a": (8, 8, 4, 32), "b": (4, 4, 32, 64), "c": (3, 3, 64, 64), "d": (7744, 512), "e": (512, 6)}
    expected = {"a": 0.2982, "b": 0.1491, "c": 0.1708, "d": 0.0978, "e": 1}
    assert densities(0.1, shapes) == pytest.approx(expected, abs=2e-4)
    found = {path: float(kept) / math.prod(shapes[path]) for path, kept in erk_counts(0.9, shapes).items()}
    assert found == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("final", [0.3, 0.8, 0.95])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_on_the_way_to_a_final_sparsity_each_layer_has_that_share_of_its_own(final: float, share: float) -> None:
    """As in JaxPruner: densities are solved once, for the end, and each layer's sparsity follows the schedule."""
    sizes = {path: math.prod(shape) for path, shape in CNN.items()}
    at_the_end = densities(1 - final, CNN)
    found = erk_counts(jnp.float32(share * final), CNN, final)
    for path, size in sizes.items():
        assert int(found[path]) == pytest.approx(size * (1 - share * (1 - at_the_end[path])), abs=1.5), path
    assert sum(map(int, found.values())) == count(share * final, sum(sizes.values()))


def test_of_two_ways_to_a_level_only_the_scheduled_one_depends_on_the_end() -> None:
    kernels = draw("cnn", 11)
    direct, halfway = (
        pruner_of(kernels).prune(KEY, nested(kernels), everything(kernels), 0.4, None, final) for final in (None, 0.8)
    )
    assert {path: int(mask.sum()) for path, mask in halfway.items()} == {
        path: int(number) for path, number in erk_counts(0.4, CNN, 0.8).items()
    }
    assert any((direct[path] != halfway[path]).any() for path in kernels)


@cache
def traced_counts(name: str):
    return jax.jit(lambda level: erk_counts(level, NETWORKS[name]))


@MANY
@given(named, levels)
def test_erk_totals_are_exact_and_each_layer_is_the_next_whole_number(name: str, level: float) -> None:
    shapes = NETWORKS[name]
    sizes = {path: math.prod(shape) for path, shape in shapes.items()}
    kept = {path: int(number) for path, number in traced_counts(name)(jnp.float32(level)).items()}
    total = max(count(level, sum(sizes.values())), len(shapes))
    assert sum(kept.values()) == total
    assert all(1 <= kept[path] <= sizes[path] for path in shapes)
    ideal = {path: d * sizes[path] for path, d in densities(total / sum(sizes.values()), shapes).items()}
    if min(ideal.values()) >= 1:  # else a layer gets the one weight that it must have, at the others' cost
        assert all(abs(kept[path] - ideal[path]) < 1.01 for path in shapes)
    assert kept == {path: int(number) for path, number in erk_counts(level, shapes).items()}  # not traced


@MANY
@given(named, levels, seeds, st.booleans())
def test_uniform_is_every_layer_alone(name: str, level: float, seed: int, ties: bool) -> None:
    kernels = draw(name, seed, ties)
    for path, mask in prune(kernels, level, distribution="uniform").items():
        np.testing.assert_array_equal(mask, largest(kernels[path], count(level, mask.size)))


@MANY
@given(named, levels, seeds, st.booleans())
def test_global_is_one_ranking_of_each_network_and_a_weight_a_layer(
    name: str, level: float, seed: int, ties: bool
) -> None:
    kernels = draw(name, seed, ties)
    pruned = prune(kernels, level, distribution="global")
    for layers in split_twins(name):
        best = {path: largest(kernels[path], 1) for path in layers}
        size = sum(kernels[path].size for path in layers)
        total = max(count(level, size), len(layers))
        others = np.concatenate([np.where(best[path], 0, np.abs(kernels[path]) + 1).ravel() for path in layers])
        rank = largest(others, total - len(layers)) & (others > 0)
        parts = np.split(rank, np.cumsum([kernels[path].size for path in layers])[:-1])
        for path, part in zip(layers, parts, strict=True):
            np.testing.assert_array_equal(pruned[path], part.reshape(kernels[path].shape) | best[path], err_msg=path)
        assert sum(pruned[path].sum() for path in layers) == total


@MANY
@given(named, levels, seeds)
def test_erk_keeps_the_largest_of_each_layer(name: str, level: float, seed: int) -> None:
    kernels = draw(name, seed)
    pruned = prune(kernels, level, distribution="erk")
    for layers in split_twins(name):
        numbers = erk_counts(level, {path: kernels[path].shape for path in layers})
        for path in layers:
            np.testing.assert_array_equal(pruned[path], largest(kernels[path], int(numbers[path])))


# Dense layers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distribution", ["uniform", "erk", "global"])
@pytest.mark.parametrize("dense_layers, left", [("first", [1, 2, 3]), ("last", [0, 1, 2]), ("both", [1, 2])])
def test_layers_left_dense_are_made_up_for_by_the_others(dense_layers: str, left: list[int], distribution: str) -> None:
    kernels = draw("cnn", 1)
    size = sum(kernel.size for kernel in kernels.values())
    for level in (0.0, 0.3, 0.6, 0.8):
        pruned = prune(kernels, level, dense_layers=dense_layers, distribution=distribution)
        touched = {path for path, mask in pruned.items() if not mask.all()}
        assert touched <= {list(CNN)[i] for i in left}
        assert len(touched) == len(left) * (level > 0) or distribution != "uniform"
        kept = sum(mask.sum() for mask in pruned.values())
        assert abs(kept - (1 - level) * size) <= (1 if distribution != "uniform" else len(left))


@pytest.mark.parametrize("dense_layers", ["first", "last", "both"])
def test_at_its_end_a_schedule_prunes_as_the_direct_way_does(dense_layers: str) -> None:
    """Also where the others are pruned more than the network is."""
    kernels = draw("cnn", 1)
    prune_to = pruner_of(kernels, dense_layers=dense_layers, distribution="erk").prune
    direct, scheduled = (prune_to(KEY, nested(kernels), everything(kernels), 0.6, None, final) for final in (None, 0.6))
    for path in kernels:
        np.testing.assert_array_equal(scheduled[path], direct[path], err_msg=path)


def test_more_than_the_others_have_leaves_each_a_weight() -> None:
    pruned = prune(draw("cnn", 1), 0.99, dense_layers="both")
    assert [int(mask.sum()) for mask in pruned.values()] == [72, 1, 1, 40]


def test_a_network_of_dense_layers_alone_is_refused() -> None:
    with pytest.raises(UserError, match=r"pruning\.dense_layers=both.*Dense_0"):
        prune(draw("mlp", 0), 0.5, dense_layers="both")
