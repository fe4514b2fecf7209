"""The pruner: masks are nested, structures, masks that are sparse from the start, and what is refused."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.errors import UserError
from suite.options import PrunerOptions
from suite.sparsity.pruner import erk_counts, make_pruner, networks
from tests.support.pruning import KEY, TWINS, count, draw, largest, levels, nested, prune, seeds, split_twins

# Masks ---------------------------------------------------------------------------------------------------------------

OPTIONS: list[dict] = [
    {},
    {"distribution": "erk"},
    {"distribution": "global"},
    {"distribution": "global", "score": "normalised"},
    {"score": "random"},
    {"dense_layers": "last", "distribution": "erk"},
    {"structure": "2:4"},
    {"structure": "1:8"},
    {"structure": "units"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: ",".join(options.values()) or "default")
@settings(max_examples=15, deadline=None)
@given(name=st.sampled_from(["cnn", "twins"]), first=levels, second=levels, seed=seeds)
def test_masks_are_nested(options: dict, name: str, first: float, second: float, seed: int) -> None:
    """A pruned weight stays pruned; no layer dies; a level below changes nothing (but for the rounding of erk)."""
    kernels, (low, high) = draw(name, seed), sorted((first, second))
    once = prune(kernels, low, **options)
    twice = prune(kernels, high, once, **options)
    for path, mask in twice.items():
        assert mask.any() and not (mask & ~once[path]).any()
    for path, mask in prune(kernels, low, twice, **options).items():
        assert not (mask & ~twice[path]).any()
        assert (twice[path] & ~mask).sum() <= (options.get("distribution") == "erk")


def test_twin_critics_are_ranked_each_alone() -> None:
    """One of larger weights is not spared at the other's cost."""
    kernels = draw("twins", 0)
    kernels |= {path: 100 * kernel for path, kernel in kernels.items() if path.startswith("critic_0")}
    for distribution in ("uniform", "erk", "global"):
        pruned = prune(kernels, 0.7, distribution=distribution)
        kept = [sum(mask.sum() for path, mask in pruned.items() if path.startswith(f"critic_{i}")) for i in (0, 1)]
        assert kept == [19, 19] if distribution != "uniform" else [12 + 7] * 2


def test_networks_are_found_by_their_paths_and_layers_by_their_numbers() -> None:
    masks = dict.fromkeys(("Dense_10/kernel", "Dense_2/kernel", "Conv_1/kernel", "Conv_0/kernel"), jnp.ones(1))
    assert networks(masks) == [["Conv_0/kernel", "Conv_1/kernel", "Dense_2/kernel", "Dense_10/kernel"]]
    assert networks({path: jnp.ones(1) for path in reversed(TWINS)}) == split_twins("twins")
    assert networks({}) == []


# Structures ----------------------------------------------------------------------------------------------------------


def groups_of(mask: np.ndarray, group: int) -> np.ndarray:
    """How many of each `group` weights along the inputs of a unit are kept; inputs that fill no group are left out."""
    columns = mask.reshape(-1, mask.shape[-1])
    whole = len(columns) // group * group
    return columns[:whole].reshape(-1, group, mask.shape[-1]).sum(axis=1)


@pytest.mark.parametrize("structure, kept, group", [("2:4", 2, 4), ("1:4", 1, 4), ("1:2", 1, 2), ("3:5", 3, 5)])
def test_n_of_every_m(structure: str, kept: int, group: int) -> None:
    kernels = draw("cnn", 5)
    for path, mask in prune(kernels, 1 - kept / group, structure=structure).items():
        assert (groups_of(mask, group) == kept).all(), path
        columns = np.abs(kernels[path].reshape(-1, mask.shape[-1]))
        best = -np.sort(-columns[:group, 0])[kept - 1]
        np.testing.assert_array_equal(mask.reshape(columns.shape)[:group, 0], columns[:group, 0] >= best)


@pytest.mark.parametrize("level", [0.0, 0.1, 0.25, 0.4, 0.5, 0.9])
def test_on_the_way_to_n_of_m_counts_are_exact_and_no_group_has_less(level: float) -> None:
    kernels = draw("cnn", 6)  # 18 inputs of Conv_0: four groups and a half
    for path, mask in prune(kernels, level, structure="2:4").items():
        assert groups_of(mask, 4).min() >= 2
        inputs, outputs = mask.size // mask.shape[-1], mask.shape[-1]
        least = outputs * (inputs // 4 * 2 + min(inputs % 4, 2))
        assert mask.sum() == max(count(level, mask.size), least), path


def test_whole_units_of_the_smallest_norm_go_and_outputs_stay() -> None:
    """The norm is the sum of absolute values (Li et al. 2017)."""
    kernels = draw("cnn", 7)
    pruned = prune(kernels, 0.5, structure="units")
    share = sum(k.size for k in kernels.values()) / sum(k.size for p, k in kernels.items() if p != "Dense_1/kernel")
    for path, mask in pruned.items():
        columns, weights = mask.reshape(-1, mask.shape[-1]), kernels[path].reshape(-1, mask.shape[-1])
        number = mask.shape[-1] if path == "Dense_1/kernel" else count(0.5 * share, mask.shape[-1])
        assert (columns == columns[0]).all()
        np.testing.assert_array_equal(columns[0], largest(np.linalg.norm(weights, ord=1, axis=0), number))


# Sparse from the start -----------------------------------------------------------------------------------------------


def test_scattered_masks_are_random_and_by_default_erk() -> None:
    kernels = draw("cnn", 8)
    shapes = {path: kernel.shape for path, kernel in kernels.items()}
    expected = {path: int(number) for path, number in erk_counts(0.8, shapes).items()}
    for options, numbers in (
        ({}, expected),
        (
            {"score": "magnitude", "distribution": "uniform"},
            {path: count(0.8, math.prod(s)) for path, s in shapes.items()},
        ),
    ):
        masks = make_pruner(PrunerOptions(**options)).scatter(KEY, nested(kernels), 0.8)
        assert {path: int(mask.sum()) for path, mask in masks.items()} == numbers
    other = make_pruner(PrunerOptions()).scatter(jax.random.key(1), nested(kernels), 0.8)
    same = make_pruner(PrunerOptions()).scatter(KEY, nested(draw("cnn", 9)), 0.8)
    first = make_pruner(PrunerOptions()).scatter(KEY, nested(kernels), 0.8)
    assert (first["Dense_0/kernel"] != other["Dense_0/kernel"]).any()
    np.testing.assert_array_equal(first["Dense_0/kernel"], same["Dense_0/kernel"])


def test_scattered_masks_keep_to_the_structure() -> None:
    for path, mask in make_pruner(PrunerOptions(structure="1:4")).scatter(KEY, nested(draw("cnn", 8)), 0.75).items():
        assert (groups_of(np.asarray(mask), 4) == 1).all(), path


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("structure", ["2:2", "4:2", "0:4", "2:", "2:4:8", "124", "100:200", "blocks", "", "-1:4"])
def test_a_structure_that_is_none(structure: str) -> None:
    with pytest.raises(UserError, match=r"pruning\.structure=.*unstructured, units, or N:M"):
        make_pruner(PrunerOptions(structure=structure))


@pytest.mark.parametrize("distribution", ["erk", "global"])
@pytest.mark.parametrize("structure", ["2:4", "units"])
def test_structures_are_uniform(structure: str, distribution: str) -> None:
    with pytest.raises(UserError, match=f"pruning.distribution={distribution}"):
        make_pruner(PrunerOptions(structure=structure, distribution=distribution))
