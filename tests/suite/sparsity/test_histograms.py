"""What the record says of a network's weights."""

import numpy as np
import pytest

from suite.sparsity.histograms import BINS, histograms
from suite.types import LearnerState, Network


def network(weights: list[float], mask: list[bool] | None) -> Network:
    masks = {} if mask is None else {"Dense_0/kernel": np.array([mask])}
    params = {"Dense_0": {"kernel": np.array([weights], np.float32), "bias": np.full(1, 99.0)}}
    return Network(params, (), masks, np.float32(0))  # type: ignore[arg-type]


def state(online: Network, actor: Network | None = None) -> LearnerState:
    fields = dict.fromkeys(LearnerState._fields)
    return LearnerState(**fields | {"online": (online,), "actor": actor})  # type: ignore[arg-type]


def test_only_kept_finite_weights_of_kernels_count() -> None:
    found = histograms(state(network([-1.0, 0.5, 3.0, np.nan, 77.0], [True, True, True, True, False])))
    (layer,) = found.values()
    assert list(found) == ["Dense_0/kernel"]
    assert (layer["low"], layer["high"], len(layer["counts"]), layer["counts"].sum()) == (-1.0, 3.0, BINS, 3)
    assert layer["counts"][0] == layer["counts"][-1] == 1


def test_a_layer_without_a_mask_or_without_weights_is_there_too() -> None:
    dense = histograms(state(network([1.0, 2.0], None)))["Dense_0/kernel"]
    assert dense["counts"].sum() == 2
    empty = histograms(state(network([1.0], [False])))["Dense_0/kernel"]
    assert (empty["low"], empty["high"], empty["counts"].sum()) == (0.0, 0.0, 0)


@pytest.mark.parametrize("weights", [[0.1, np.nextafter(np.float32(0.1), 1)], [1e-45, 0.0], [-2e38, 2e38]])
def test_weights_that_are_close_or_large_have_bins_too(weights: list[float]) -> None:
    (layer,) = histograms(state(network(weights, None))).values()
    assert layer["counts"][0] == layer["counts"][-1] == 1 and layer["counts"].sum() == 2


def test_the_actor_has_names_of_its_own() -> None:
    assert set(histograms(state(network([1.0], None), network([2.0], None)))) == {
        "Dense_0/kernel",
        "actor/Dense_0/kernel",
    }
