"""Measures of networks against implementations by definition: loops, eigenvalues, paths that are tried out."""

import jax
import numpy as np
import pytest
from flax import traverse_util

from suite.agents.networks import Described, convolutional, mlp
from suite.diagnostics import measures
from suite.layers import network_at


@pytest.mark.parametrize("seed", range(5))
def test_dormant_units_by_a_loop(seed: int) -> None:
    units = np.random.default_rng(seed).exponential(size=40) ** 4
    scores = [unit / (sum(units) / len(units)) for unit in units]
    expected = sum(score <= 0.025 for score in scores) / len(units)
    assert measures.dormant(units) == pytest.approx(expected) and 0 < expected < 1


def test_a_silent_layer_is_dormant_and_a_broken_one_is_unknown() -> None:
    assert measures.dormant(np.zeros(3)) == 1
    assert measures.dormant(np.array([1.0, 39.0, 40.0])) == 0  # 0.0375 of the mean
    assert np.isnan(measures.dormant(np.array([1.0, np.nan])))


@pytest.mark.parametrize("rank", [0, 1, 3, 8])
def test_the_effective_rank_by_eigenvalues(rank: int) -> None:
    rng = np.random.default_rng(rank)
    features = rng.normal(size=(30, rank)) @ rng.normal(size=(rank, 12)) + 1e-5 * rng.normal(size=(30, 12)) * (rank > 0)
    singular = np.sqrt(np.clip(np.linalg.eigvalsh(features.T @ features), 0, None))[::-1]
    expected = next((k for k in range(13) if singular[:k].sum() >= 0.99 * singular.sum()), None)
    assert measures.effective_rank(features) == expected
    assert expected is not None and (expected == rank or 0 < expected < rank)
    assert np.isnan(measures.effective_rank(np.array([[np.inf, 1.0]])))


NETWORKS: dict[str, tuple[Described, np.ndarray]] = {
    "mlp": (mlp(5, (6, 4), 2), np.ones((1, 5), np.float32)),
    # No padding, whose zeros would cut off more than masks do.
    "small": (convolutional(((3, 2, 2), (4, 2, 2)), (2, 8, 8), 6, 3), np.full((1, 2, 8, 8), 255, np.uint8)),
}


@pytest.mark.parametrize("sparsity", [0.3, 0.8, 0.95])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_disconnected_unit_changes_no_output(name: str, sparsity: float) -> None:
    """Kernels are 1 where they are kept, so no two paths cancel out: a unit counts if the outputs are less without."""
    network, x = NETWORKS[name]
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(network.init, jax.random.key(0), x)["params"]
    params = jax.tree.map(lambda leaf: (rng.random(leaf.shape) >= sparsity).astype(np.float32), shapes)
    flat = {
        path: leaf if path.endswith("kernel") else 0 * leaf
        for path, leaf in traverse_util.flatten_dict(params, sep="/").items()
    }
    masks = {path: leaf.astype(bool) for path, leaf in flat.items() if path.endswith("kernel")}
    run = jax.jit(lambda flat: network.apply({"params": traverse_util.unflatten_dict(flat, sep="/")}, x).sum())
    found = measures.disconnected((network_at("", network.layers),), masks)
    assert list(found) == [layer.path for layer in network.layers[:-1]]
    for layer in network.layers[:-1]:
        without = []
        for unit in range(layer.shape[-1]):
            kernel = flat[layer.kernel].copy()
            kernel[..., unit] = 0
            without.append(float(run({**flat, layer.kernel: kernel})))
        assert found[layer.path] == pytest.approx(np.mean(np.array(without) == float(run(flat)))), layer.path
    assert sparsity < 0.5 or max(found.values()) > 0


def test_without_masks_nothing_is_disconnected() -> None:
    assert measures.disconnected((network_at("", NETWORKS["mlp"][0].layers),), {}) == {}


def test_overlap_and_agreement_by_loops() -> None:
    rng = np.random.default_rng(0)
    before, now = ({name: rng.random((3, 4)) < 0.6 for name in "ab"} for _ in range(2))
    kept = [(name, place) for name in "ab" for place in np.ndindex(3, 4) if now[name][place]]
    assert measures.overlap(before, now) == sum(bool(before[n][place]) for n, place in kept) / len(kept)
    choices = rng.integers(3, size=(4, 10))
    pairs = [(i, j) for i in range(4) for j in range(i)]
    same = [sum(choices[i][b] == choices[j][b] for b in range(10)) / 10 for i, j in pairs]
    assert measures.agreement(choices) == pytest.approx(sum(same) / len(pairs))
