"""The clean-up removes what is cut off, and changes no output."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.deploy.cleanup import clean
from suite.deploy.network import Layer, Policy
from tests.support.policies import KINDS, make, observations, outputs


def layer(weight: list, bias: list, stride: int = 1, relu: bool = True) -> Layer:
    return Layer(np.array(weight, np.float32), np.array(bias, np.float32), stride, relu)


def test_by_hand() -> None:
    """Unit 0 works; 1 is not read; 2 reads nothing and is max(3, 0); 3 reads nothing and is max(-3, 0)."""
    hidden = layer([[1, 0], [0, 1], [0, 0], [0, 0]], [0, 5, 3, -3])
    last = layer([[2, 0, 4, 1], [0, 0, -1, 1]], [10, 20], relu=False)
    cleaned = clean(Policy((2,), 1.0, (hidden, last), "argmax"))
    assert (cleaned.removed, cleaned.constant) == ([3], [0])
    np.testing.assert_array_equal(cleaned.policy.layers[0].weight, [[1, 0]])
    np.testing.assert_array_equal(cleaned.policy.layers[1].weight, [[2], [0]])
    np.testing.assert_array_equal(cleaned.policy.layers[1].bias, [10 + 3 * 4, 20 - 3])


def test_it_goes_on_until_nothing_is_cut_off() -> None:
    """A unit that is alone read by one that is not read is not read either."""
    first = layer([[1], [1]], [0, 0])
    second = layer([[1, 0], [0, 1]], [0, 0])
    last = layer([[1, 0]], [0], relu=False)
    assert clean(Policy((1,), 1.0, (first, second, last), "argmax")).removed == [1, 1]


def test_a_constant_before_padding_stays_unless_it_is_zero() -> None:
    """A 3x3 kernel over a constant image gives less at the border, so no bias can stand for it."""
    first = layer(np.zeros((2, 1, 1, 1)).tolist(), [1, -1])
    second = layer(np.ones((1, 2, 3, 3)).tolist(), [0])
    last = layer(np.eye(9).tolist(), [0] * 9, relu=False)
    policy = Policy((1, 3, 3), 1.0, (first, second, last), "argmax")
    cleaned = clean(policy)
    assert (cleaned.removed, cleaned.constant) == ([1, 0], [1, 0])
    image = np.zeros((1, 3, 3), np.float32)
    np.testing.assert_array_equal(outputs(policy, image), [4, 6, 4, 6, 9, 6, 4, 6, 4])
    np.testing.assert_array_equal(outputs(cleaned.policy, image), [4, 6, 4, 6, 9, 6, 4, 6, 4])


def test_a_constant_before_a_convolution_without_padding_goes() -> None:
    first = layer([[[[1]]], [[[0]]]], [0, 1])
    second = layer(np.ones((1, 2, 2, 2)).tolist(), [0], stride=2)
    last = layer(np.eye(4).tolist(), [0] * 4, relu=False)
    policy = Policy((1, 4, 4), 1.0, (first, second, last), "argmax")
    cleaned = clean(policy)
    assert (cleaned.removed, cleaned.constant) == ([1, 0], [0, 0])
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    np.testing.assert_array_equal(outputs(cleaned.policy, image), outputs(policy, image))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.sampled_from([0.0, 0.5, 0.9, 0.98, 0.999, 1.0]), st.integers(0, 2**16))
def test_no_output_changes(kind: str, sparsity: float, seed: int) -> None:
    """With whole numbers for weights, sums are exact in any order, and so is the clean-up: bit for bit."""
    policy = make(kind, sparsity, seed).policy
    layers = [
        part._replace(weight=np.sign(part.weight), bias=np.round(10 * part.bias).astype(np.float32))
        for part in policy.layers
    ]
    policy = policy._replace(layers=tuple(layers), divided_by=1.0)
    cleaned = clean(policy)
    for observation in np.abs(observations(kind, 3, seed)).astype(np.int64) % 2:
        before, after = outputs(policy, observation), outputs(cleaned.policy, observation)
        assert np.abs(before).max() < 2**24  # beyond, whole numbers are rounded
        np.testing.assert_array_equal(after, before)
    again = clean(cleaned.policy)
    assert not any(again.removed)
    if sparsity == 0:
        assert not any(cleaned.removed)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_nothing_is_left_of_a_policy_without_weights_but_its_biases(kind: str) -> None:
    made = make(kind, 1.0)
    cleaned = clean(made.policy)
    assert [len(part.weight) for part in cleaned.policy.layers[:-1]] == [1] * (len(made.policy.layers) - 1)
    (observation,) = observations(kind, 1)
    np.testing.assert_allclose(outputs(cleaned.policy, observation), outputs(made.policy, observation), atol=1e-6)
