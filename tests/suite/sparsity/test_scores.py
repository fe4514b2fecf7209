"""The pruner's scores: by hand, and of which distribution the random ones are."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from suite.errors import UserError
from suite.options import PrunerOptions
from suite.sparsity.pruner import SCORES, make_pruner
from tests.support.pruning import KEY, draw, everything, nested, prune


def one_layer(weights: list[float], gradients: list[float] | None, score: str, level: float) -> list[bool]:
    params, slopes = ({"a": {"kernel": jnp.array(x)}} if x else None for x in (weights, gradients))
    return (
        make_pruner(PrunerOptions(score=score))
        .prune(KEY, params, {"a/kernel": jnp.ones(4, bool)}, level, slopes)["a/kernel"]
        .tolist()
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
    scores = make_pruner(PrunerOptions(score="normalised")).score(
        KEY, {"a": jnp.array([3.0, -4.0, 100.0])}, {"a": jnp.array([True, True, False])}, {}
    )
    np.testing.assert_allclose(scores["a"][:2], np.array([3, 4]) / math.sqrt(12.5), rtol=1e-6)


def test_random_scores_follow_the_key_and_not_the_weights() -> None:
    kernels = draw("cnn", 3)
    prune_randomly = make_pruner(PrunerOptions(score="random", distribution="uniform")).prune

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
