"""Structures: whole units and N:M patterns, and what is refused."""

import math

import numpy as np
import optax
import pytest

from suite.errors import UserError
from suite.options import PrunerOptions
from suite.sparsity.pruner import make_pruner, refuse_beyond_limit
from suite.types import Training
from tests.support.pruning import count, draw, groups_of, largest, prune


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


@pytest.mark.parametrize("structure", ["2:2", "4:2", "0:4", "2:", "2:4:8", "124", "100:200", "blocks", "", "-1:4"])
def test_a_structure_that_is_none(structure: str) -> None:
    with pytest.raises(UserError, match=r"pruning\.structure=.*unstructured, units, or N:M"):
        make_pruner(PrunerOptions(structure=structure))


@pytest.mark.parametrize("distribution", ["erk", "global"])
@pytest.mark.parametrize("structure", ["2:4", "units"])
def test_structures_are_uniform(structure: str, distribution: str) -> None:
    with pytest.raises(UserError, match=f"pruning.distribution={distribution}"):
        make_pruner(PrunerOptions(structure=structure, distribution=distribution))


@pytest.mark.parametrize("structure, most", [("2:4", 0.5), ("4:5", 0.2), ("9:10", 0.1), ("8:25", 0.68), ("1:3", 2 / 3)])
def test_the_sparsity_of_n_of_every_m_is_not_beyond_its_limit(structure: str, most: float) -> None:
    """Although 1 - 4/5, for one, is a little less than 0.2 in floating point."""
    training = Training(100, 10, optax.identity(), make_pruner(PrunerOptions(structure=structure)))
    refuse_beyond_limit(training, "sparsity", most)
    with pytest.raises(UserError, match=rf"should be at most {math.floor(1_000 * most) / 1_000:g} with"):
        refuse_beyond_limit(training, "sparsity", most + 1e-6)
