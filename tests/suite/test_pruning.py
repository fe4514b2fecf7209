"""The pruner: scores, distributions over layers and structures, held against numpy that sorts and floating point in
double precision."""

import math
from collections.abc import Mapping
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from suite.errors import UserError
from suite.pruning import SCORES, erk_counts, make_pruner, networks
from suite.types import Masks, Params

KEY = jax.random.key(0)
MANY = settings(max_examples=40, deadline=None)
levels = st.floats(0, 1, width=32)
seeds = st.integers(0, 2**31 - 1)

MLP = {"Dense_0/kernel": (5, 8), "Dense_1/kernel": (8, 3)}
CNN = {
    "Conv_0/kernel": (3, 3, 2, 4),
    "Conv_1/kernel": (2, 2, 4, 6),
    "Dense_0/kernel": (54, 10),
    "Dense_1/kernel": (10, 4),
}
TWINS = {f"critic_{i}/{path}": shape for i in (0, 1) for path, shape in MLP.items()}
NARROW = {"Dense_0/kernel": (1, 1), "Dense_1/kernel": (1, 7), "Dense_2/kernel": (7, 1)}
NETWORKS = {"mlp": MLP, "cnn": CNN, "twins": TWINS, "narrow": NARROW}
named = st.sampled_from(sorted(NETWORKS))


def nested(kernels: Mapping[str, np.ndarray]) -> Params:
    """Parameters with these kernels, and a bias that is large beside each of them."""
    flat = {path: jnp.asarray(kernel, jnp.float32) for path, kernel in kernels.items()}
    flat |= {path.replace("kernel", "bias"): jnp.full(k.shape[-1], 100.0) for path, k in kernels.items()}
    return traverse_util.unflatten_dict(flat, sep="/")


def draw(name: str, seed: int, ties: bool = False) -> dict[str, np.ndarray]:
    """Normal weights, a layer's scale falling with its size; with `ties` of few values."""
    rng = np.random.default_rng(seed)
    kernels = {p: rng.standard_normal(s) / math.sqrt(math.prod(s)) for p, s in NETWORKS[name].items()}
    return {p: np.round(k, 1) if ties else k.astype(np.float32) for p, k in kernels.items()}


def everything(kernels: Mapping[str, np.ndarray]) -> Masks:
    return {path: jnp.ones(kernel.shape, bool) for path, kernel in kernels.items()}


@cache
def compiled(**options):
    return jax.jit(make_pruner(**options).prune)


def prune(kernels: Mapping[str, np.ndarray], level: float, masks: Masks | None = None, **options) -> dict:
    masks = everything(kernels) if masks is None else masks
    pruned = compiled(**options)(KEY, nested(kernels), masks, jnp.float32(level), None)
    return {path: np.asarray(mask) for path, mask in pruned.items()}


# References in numpy -------------------------------------------------------------------------------------------------


def count(level: float, size: int) -> int:
    kept = np.round((np.float32(1) - np.float32(level)) * np.float32(size))
    return int(np.clip(kept, 1, size))


def largest(values: np.ndarray, number: int) -> np.ndarray:
    kept = np.zeros(values.size, bool)
    kept[np.argsort(-np.abs(values.ravel().astype(np.float64)), kind="stable")[:number]] = True
    return kept.reshape(values.shape)


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


def split_twins(name: str) -> list[list[str]]:
    paths = list(NETWORKS[name])
    return [[p for p in paths if p.startswith(f"critic_{i}")] for i in (0, 1)] if name == "twins" else [paths]


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
        make_pruner().prune(KEY, nested(kernels), everything(kernels), 0.4, None, final) for final in (None, 0.8)
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


def test_more_than_the_others_have_leaves_each_a_weight() -> None:
    pruned = prune(draw("cnn", 1), 0.99, dense_layers="both")
    assert [int(mask.sum()) for mask in pruned.values()] == [72, 1, 1, 40]


def test_a_network_of_dense_layers_alone_is_refused() -> None:
    with pytest.raises(UserError, match=r"pruning\.dense_layers=both.*Dense_0"):
        prune(draw("mlp", 0), 0.5, dense_layers="both")


# Scores --------------------------------------------------------------------------------------------------------------


def one_layer(weights: list[float], gradients: list[float] | None, score: str, level: float) -> list[bool]:
    params, slopes = ({"a": {"kernel": jnp.array(x)}} if x else None for x in (weights, gradients))
    return (
        make_pruner(score=score).prune(KEY, params, {"a/kernel": jnp.ones(4, bool)}, level, slopes)["a/kernel"].tolist()
    )


def test_scores_by_hand() -> None:
    weights, gradients = [1.0, -2.0, 3.0, -4.0], [-9.0, 1.0, 2.0, 0.5]  # |w g| = 9, 2, 6, 2
    assert one_layer(weights, gradients, "magnitude", 0.5) == [False, False, True, True]
    assert one_layer(weights, gradients, "saliency", 0.5) == [True, False, True, False]
    assert one_layer(weights, gradients, "saliency", 0.25) == [True, True, True, False]  # a tie: the lower index
    with pytest.raises(UserError, match="saliency needs gradients, and this method prunes without"):
        one_layer(weights, None, "saliency", 0.5)
    assert one_layer(weights, gradients, "normalised", 0.5) == [False, False, True, True]


def test_normalised_scores_do_not_see_the_scale_of_a_layer() -> None:
    kernels = draw("cnn", 2)
    scaled = kernels | {"Conv_0/kernel": kernels["Conv_0/kernel"] / 1024}
    options = {"distribution": "global", "score": "normalised"}
    for path, mask in prune(scaled, 0.6, **options).items():
        np.testing.assert_array_equal(mask, prune(kernels, 0.6, **options)[path])
    assert prune(scaled, 0.6, distribution="global")["Conv_0/kernel"].sum() == 1  # as magnitudes would have it


def test_normalised_is_magnitude_over_the_root_mean_square_of_the_kept() -> None:
    scores = make_pruner(score="normalised").score(
        KEY, {"a": jnp.array([3.0, -4.0, 100.0])}, {"a": jnp.array([True, True, False])}, {}
    )
    np.testing.assert_allclose(scores["a"][:2], np.array([3, 4]) / math.sqrt(12.5), rtol=1e-6)


def test_random_scores_follow_the_key_and_not_the_weights() -> None:
    kernels = draw("cnn", 3)
    prune_randomly = make_pruner(score="random", distribution="uniform").prune

    def keep(key, kernels):
        return prune_randomly(key, nested(kernels), everything(kernels), 0.5, None)["Dense_0/kernel"]

    first = np.asarray(keep(KEY, kernels))
    np.testing.assert_array_equal(first, keep(KEY, draw("cnn", 4)))
    assert 0.4 < np.mean(first == np.asarray(keep(jax.random.key(1), kernels))) < 0.6
    assert first.sum() == 270


@pytest.mark.parametrize("seed", range(3))
def test_random_scores_are_uniform_and_independent_of_place_and_key(seed: int) -> None:
    key, other = jax.random.key(seed), jax.random.key(seed + 1)
    weights = {"a": jnp.zeros((500, 400)), "b": jnp.zeros((500, 400))}
    drawn = [np.asarray(SCORES["random"](k, weights, {}, {})[path]).ravel() for k in (key, other) for path in "ab"]
    for scores in drawn:
        assert stats.kstest(scores, "uniform").pvalue > 1e-3
        for lag in (1, 2, 400):  # neighbours in a row and in a column
            assert abs(np.corrcoef(scores[lag:], scores[:-lag])[0, 1]) < 0.01
    assert np.abs(np.corrcoef(drawn) - np.eye(4)).max() < 0.01


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
        masks = make_pruner(**options).scatter(KEY, nested(kernels), 0.8)
        assert {path: int(mask.sum()) for path, mask in masks.items()} == numbers
    other = make_pruner().scatter(jax.random.key(1), nested(kernels), 0.8)
    same = make_pruner().scatter(KEY, nested(draw("cnn", 9)), 0.8)
    first = make_pruner().scatter(KEY, nested(kernels), 0.8)
    assert (first["Dense_0/kernel"] != other["Dense_0/kernel"]).any()
    np.testing.assert_array_equal(first["Dense_0/kernel"], same["Dense_0/kernel"])


def test_scattered_masks_keep_to_the_structure() -> None:
    for path, mask in make_pruner(structure="1:4").scatter(KEY, nested(draw("cnn", 8)), 0.75).items():
        assert (groups_of(np.asarray(mask), 4) == 1).all(), path


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("structure", ["2:2", "4:2", "0:4", "2:", "2:4:8", "124", "100:200", "blocks", "", "-1:4"])
def test_a_structure_that_is_none(structure: str) -> None:
    with pytest.raises(UserError, match=r"pruning\.structure=.*unstructured, units, or N:M"):
        make_pruner(structure=structure)


@pytest.mark.parametrize("distribution", ["erk", "global"])
@pytest.mark.parametrize("structure", ["2:4", "units"])
def test_structures_are_uniform(structure: str, distribution: str) -> None:
    with pytest.raises(UserError, match=f"pruning.distribution={distribution}"):
        make_pruner(structure=structure, distribution=distribution)
