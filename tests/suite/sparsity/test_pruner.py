"""The pruner: masks are nested, networks are ranked alone, and masks that are sparse from the start."""

import math

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.errors import UserError
from suite.options import PrunerOptions
from suite.sparsity.distributions import erk_counts
from suite.sparsity.pruner import make_pruner
from tests.support.networks import networks_of
from tests.support.pruning import KEY, count, draw, everything, groups_of, levels, nested, prune, pruner_of, seeds

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


def test_a_kernel_of_no_described_network_is_refused() -> None:
    kernels = draw("mlp", 0)
    pruner = make_pruner(PrunerOptions(), networks_of({"Dense_0/kernel": (5, 8)}))
    with pytest.raises(UserError, match="Dense_1/kernel"):
        pruner.prune(KEY, nested(kernels), everything(kernels), 0.5)


def test_the_first_and_last_layers_are_those_of_the_list_whatever_their_paths() -> None:
    shapes = {"z/kernel": (4, 6), "Dense_10/kernel": (6, 6), "a/b/kernel": (6, 2)}
    kernels = {path: np.ones(shape, np.float32) for path, shape in shapes.items()}
    masks = pruner_of(kernels, dense_layers="both", distribution="uniform").prune(
        KEY, nested(kernels), everything(kernels), 0.3
    )
    assert {path for path, mask in masks.items() if not mask.all()} == {"Dense_10/kernel"}


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
        masks = pruner_of(kernels, **options).scatter(KEY, nested(kernels), 0.8)
        assert {path: int(mask.sum()) for path, mask in masks.items()} == numbers
    other = pruner_of(kernels).scatter(jax.random.key(1), nested(kernels), 0.8)
    same = pruner_of(kernels).scatter(KEY, nested(draw("cnn", 9)), 0.8)
    first = pruner_of(kernels).scatter(KEY, nested(kernels), 0.8)
    assert (first["Dense_0/kernel"] != other["Dense_0/kernel"]).any()
    np.testing.assert_array_equal(first["Dense_0/kernel"], same["Dense_0/kernel"])


def test_scattered_masks_keep_to_the_structure() -> None:
    kernels = draw("cnn", 8)
    for path, mask in pruner_of(kernels, structure="1:4").scatter(KEY, nested(kernels), 0.75).items():
        assert (groups_of(np.asarray(mask), 4) == 1).all(), path
