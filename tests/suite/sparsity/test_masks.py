"""Masks, held against a numpy reference that sorts: keep counts, nesting, ties, magnitudes that are hard to search."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from suite.sparsity.masks import (
    SAMPLED,
    apply_masks,
    dense_masks,
    keep_count,
    keep_largest,
    kernels,
    layer_sparsity,
    sparsity,
)
from tests.support.pruning import KEY, levels, pruner_of
from tests.support.pruning import count as reference_count

TINY = np.finfo(np.float32).smallest_subnormal
MANY = settings(max_examples=60, deadline=None)
SIZE = 24  # one shape for the property tests, so that each function is compiled once
few_values = st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, TINY, -TINY, np.inf, -np.inf, 3.4e38, 1e-38])
weights = st.one_of(
    hnp.arrays(np.float32, SIZE, elements=few_values),  # many ties
    hnp.arrays(np.float32, SIZE, elements=st.floats(width=32, allow_nan=False)),
    st.sampled_from([0.0, 1.0, float(TINY)]).map(lambda value: np.full(SIZE, value, np.float32)),
)
masks = hnp.arrays(np.bool_, SIZE)


def reference_mask(values: np.ndarray, mask: np.ndarray, count: int) -> np.ndarray:
    """The `count` largest magnitudes among the kept; a stable sort leaves ties in the layer's order."""
    flat, kept = np.abs(values).ravel(), mask.ravel()
    order = [i for i in np.argsort(-flat.astype(np.float64), kind="stable") if kept[i]]
    result = np.zeros(flat.size, bool)
    result[order[:count]] = True
    return result.reshape(mask.shape)


def network(values: np.ndarray) -> dict:
    return {"Dense_0": {"kernel": jnp.asarray(values), "bias": jnp.ones(3)}}


def prune(params: dict, masks: dict, level: jax.Array | float) -> dict:
    """The largest magnitudes, layer by layer."""
    return pruner_of(masks, distribution="uniform").prune(KEY, params, masks, level, None)


@jax.jit
def prune_traced(values: jax.Array, mask: jax.Array, level: jax.Array) -> jax.Array:
    return prune({"a": {"kernel": values}}, {"a/kernel": mask}, level)["a/kernel"]


def prune_one(values: np.ndarray, mask: np.ndarray, level: float) -> np.ndarray:
    pruned = prune_traced(jnp.asarray(values), jnp.asarray(mask), jnp.float32(level))
    return np.asarray(pruned)


# Keep counts ---------------------------------------------------------------------------------------------------------


@MANY
@given(levels, st.integers(1, 4_000_000))
def test_keep_count_is_the_rounded_share_and_at_least_one(level: float, size: int) -> None:
    count = keep_count(level, size)
    assert count.dtype == jnp.int32
    assert int(count) == reference_count(level, size)
    assert 1 <= int(count) <= size


@pytest.mark.parametrize(
    "level, size, kept",
    [(0, 10, 10), (1, 10, 1), (0.95, 100, 5), (0.5, 5, 2), (0.5, 7, 4), (0.99, 10, 1), (0.3, 1, 1), (0.9999999, 4, 1)],
)
def test_keep_counts_by_hand(level: float, size: int, kept: int) -> None:
    """0.5 of 5 and of 7: 2.5 and 3.5 round to even, as IEEE says."""
    assert int(keep_count(level, size)) == kept


def test_a_layer_of_the_widest_network_is_counted_exactly() -> None:
    """2048 wide: 7744 x 2048 weights, near the last integers that float32 holds."""
    size = 7744 * 2048
    assert int(keep_count(0.0, size)) == size
    assert int(keep_count(0.5, size)) == size // 2


@pytest.mark.parametrize("level", [0.0, 0.1, 0.3, 0.7, 0.95, 0.999, 1.0])
@pytest.mark.parametrize("size", [1, 7, 1000, 3_964_928])
def test_traced_and_concrete_levels_agree(level: float, size: int) -> None:
    traced = jax.jit(lambda value: keep_count(value, size))(jnp.float32(level))
    assert int(traced) == int(keep_count(level, size)) == reference_count(level, size)


# Pruning -------------------------------------------------------------------------------------------------------------


@MANY
@given(weights, masks, levels)
def test_the_largest_weights_stay_and_ties_go_to_the_lower_index(
    values: np.ndarray, mask: np.ndarray, level: float
) -> None:
    pruned = prune_one(values, mask, level)
    np.testing.assert_array_equal(pruned, reference_mask(values, mask, reference_count(level, SIZE)))


@MANY
@given(weights, levels, levels)
def test_pruning_in_two_steps_is_pruning_in_one(values: np.ndarray, first: float, second: float) -> None:
    low, high = sorted((first, second))
    whole = np.ones(SIZE, bool)
    once = prune_one(values, whole, high)
    np.testing.assert_array_equal(prune_one(values, prune_one(values, whole, low), high), once)
    np.testing.assert_array_equal(prune_one(values, once, low), once)  # a lower level brings nothing back


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(1000),
        np.full(1000, -3.0),
        np.repeat([1.0, 2.0, 0.0, 1.0], 250),
        np.arange(1000) % 3,
        np.arange(1000) * float(TINY),  # denormals, the smallest differences there are
        np.concatenate([np.full(500, TINY), np.full(500, np.inf)]),
        10.0 ** np.linspace(-45, 38, 1000),  # the whole range
        1.0 + np.arange(1000) * np.finfo(np.float32).eps,  # neighbours
        np.where(np.arange(1000) == 700, 1e38, 1e-38),  # one far away from all others
        np.concatenate([np.full(999, 1e-30), [np.inf]]),
    ],
    ids=["zeros", "equal", "blocks", "cycle", "denormal", "tiny-inf", "range", "neighbours", "outlier", "inf"],
)
@pytest.mark.parametrize("level", [0.0, 0.001, 0.5, 0.75, 0.95, 0.999, 1.0])
def test_nasty_magnitudes(values: np.ndarray, level: float) -> None:
    """The search ends and is right; half of the weights have been pruned before."""
    values = np.random.default_rng(0).permutation(values).astype(np.float32)
    for mask in (np.ones(1000, bool), np.arange(1000) % 2 == 0):
        expected = reference_mask(values, mask, reference_count(level, 1000))
        np.testing.assert_array_equal(prune_one(values, mask, level), expected)


@pytest.mark.parametrize("level", [0.0, 0.2, 0.5, 0.83125, 0.95, 0.9999, 1.0])
def test_a_large_layer_takes_the_right_threshold(level: float) -> None:
    """Large enough for a search that begins with a sample, which here is fair, made of ties, or misleading: every 61st
    weight is tiny."""
    rng = np.random.default_rng(1)
    normal = rng.standard_normal((250, 300)).astype(np.float32)
    tiny = np.where(np.arange(normal.size).reshape(normal.shape) % SAMPLED == 0, normal / 1024, normal)
    for values in (normal, normal.round(1), np.zeros_like(normal), tiny):
        for mask in (np.ones(values.shape, bool), rng.random(values.shape) < 0.3):
            expected = reference_mask(values, mask, reference_count(level, values.size))
            np.testing.assert_array_equal(prune_one(values, mask, level), expected)


def test_nan_counts_as_the_largest_magnitude() -> None:
    """A diverged network still gets its exact count, and its NaN are not hidden by pruning."""
    values = np.array([1.0, np.nan, np.inf, 5.0, -np.nan, 0.0], np.float32)
    pruned = prune_one(values, np.ones(6, bool), 0.5)
    np.testing.assert_array_equal(pruned, [False, True, True, False, True, False])


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_single_weight_stays(level: float) -> None:
    assert prune_one(np.zeros(1, np.float32), np.ones(1, bool), level).tolist() == [True]


def test_an_empty_mask_stays_empty() -> None:
    assert not prune_one(np.ones(5, np.float32), np.zeros(5, bool), 0.2).any()


def test_pruning_is_the_same_inside_and_outside_of_jit() -> None:
    rng = np.random.default_rng(2)
    params = network(np.round(rng.standard_normal((8, 9)), 1).astype(np.float32))
    dense = dense_masks(params)
    eager = prune(params, dense, 0.6)["Dense_0/kernel"]
    traced = jax.jit(prune)(params, dense, jnp.float32(0.6))["Dense_0/kernel"]
    np.testing.assert_array_equal(eager, traced)
    assert int(eager.sum()) == 29


def test_each_network_under_vmap_is_ranked_alone() -> None:
    """The trap of stacked leaves: a network of larger weights must not be spared at the cost of another."""
    rng = np.random.default_rng(3)
    values = rng.standard_normal((3, SIZE)).astype(np.float32) * np.array([[1], [100], [0.01]], np.float32)
    pruned = jax.vmap(prune_traced)(jnp.asarray(values), jnp.ones((3, SIZE), bool), jnp.array([0.25, 0.5, 0.75]))
    for mask, row, level in zip(pruned, values, (0.25, 0.5, 0.75), strict=True):
        np.testing.assert_array_equal(mask, reference_mask(row, np.ones(SIZE, bool), reference_count(level, SIZE)))


# Several layers ranked together --------------------------------------------------------------------------------------

FIRST = 9  # weights in the first of two layers


@jax.jit
def keep_two(values: jax.Array, mask: jax.Array, count: jax.Array) -> jax.Array:
    """The search over two layers that are the halves of one."""
    layers = {"a": slice(0, FIRST), "b": slice(FIRST, SIZE)}
    scores, masks = ({name: array[part] for name, part in layers.items()} for array in (values, mask))
    kept = keep_largest(scores, masks, count)
    return jnp.concatenate([kept["a"], kept["b"]])


@MANY
@given(weights, masks, st.integers(0, SIZE))
def test_layers_ranked_together_are_ranked_as_one(values: np.ndarray, mask: np.ndarray, count: int) -> None:
    """Ties go to the earlier layer; a count of none, and one beyond what is there, included."""
    kept = keep_two(jnp.asarray(values), jnp.asarray(mask), jnp.int32(count))
    np.testing.assert_array_equal(kept, reference_mask(values, mask, count))


# What is prunable, and what masks do ---------------------------------------------------------------------------------

PARAMS = {
    "Conv_0": {"kernel": jnp.ones((3, 3, 4, 8)), "bias": jnp.ones(8)},
    "Dense_0": {"kernel": jnp.ones((6, 5)), "bias": jnp.ones((2, 5))},  # a stacked bias has two axes
    "LayerNorm_0": {"scale": jnp.ones(5), "bias": jnp.ones(5)},
}


def test_only_kernels_are_prunable() -> None:
    assert set(kernels(PARAMS)) == {"Conv_0/kernel", "Dense_0/kernel"}
    assert set(dense_masks(PARAMS)) == {"Conv_0/kernel", "Dense_0/kernel"}


def test_biases_and_norms_are_never_touched() -> None:
    pruned = prune(PARAMS, dense_masks(PARAMS), 0.9)
    masked = apply_masks(PARAMS, pruned)
    assert jax.tree.structure(masked) == jax.tree.structure(PARAMS)
    for path in (("Conv_0", "bias"), ("Dense_0", "bias"), ("LayerNorm_0", "scale"), ("LayerNorm_0", "bias")):
        assert (masked[path[0]][path[1]] == 1).all()
    assert int(masked["Conv_0"]["kernel"].sum()) == 29  # round(0.1 * 288)
    assert int(masked["Dense_0"]["kernel"].sum()) == 3


def test_a_mask_hides_even_what_is_not_finite() -> None:
    params = {"a": {"kernel": jnp.array([jnp.nan, jnp.inf, 2.0])}}
    masked = apply_masks(params, {"a/kernel": jnp.array([False, False, True])})
    assert masked["a"]["kernel"].tolist() == [0, 0, 2]


def test_sparsity_is_the_share_of_zeros_over_all_kernels() -> None:
    masks = {"a/kernel": jnp.arange(30) < 3, "b/kernel": jnp.ones(10, bool)}
    params = {name: {"kernel": jnp.ones(mask.shape)} for name, mask in (("a", masks["a/kernel"]), ("c", jnp.ones(4)))}
    layers = layer_sparsity({**params, "b": {"kernel": jnp.ones(10), "bias": jnp.zeros(10)}}, masks)
    expected = {"a/kernel": pytest.approx(0.9), "b/kernel": 0, "c/kernel": 0}
    assert {path: float(value) for path, value in layers.items()} == expected
    assert float(sparsity(masks)) == pytest.approx(27 / 40)


def test_no_masks_are_no_sparsity() -> None:
    assert float(sparsity({})) == 0
    assert {float(value) for value in layer_sparsity(PARAMS, {}).values()} == {0.0}
    assert apply_masks(PARAMS, {})["Conv_0"]["kernel"].all()
