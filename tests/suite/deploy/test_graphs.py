"""Policies with norms, pools and residual branches act outside of JAX as in it."""

import json

import numpy as np
import pytest
from safetensors.numpy import load

from suite.deploy import compact, costs
from suite.deploy.cleanup import clean
from suite.deploy.network import KERNEL, LAYER_NORM, MAX_POOL, STANDARDIZE, SUM, Layer, Policy, check
from suite.deploy.runner import Runner
from suite.errors import UserError
from sweeps.export import onnx_graph
from sweeps.export.__main__ import agreement
from tests.support.policies import GRAPHS, make, observations, outputs

NOTHING = np.zeros(0, np.float32)


def array(values: object) -> np.ndarray:
    return np.array(values, np.float32)


@pytest.mark.parametrize("sparsity", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("kind", GRAPHS)
def test_every_form_acts_as_the_agent(kind: str, sparsity: float) -> None:
    made, seen = make(kind, sparsity), observations(kind, 10)
    cleaned = clean(made.policy).policy
    data, card = compact.pack(cleaned, {})
    read = compact.unpack(load(data), json.loads(card), "file")
    forms = {
        "trained": Runner(made.policy, ["csr"] * len(made.policy.layers)),
        "compact": Runner(read),
        "onnx": onnx_graph.load(onnx_graph.build(cleaned, str(seen.dtype), {})).act,
    }
    for form, act in forms.items():
        same = agreement(act, list(made.in_jax(seen)), list(seen), Runner(made.policy))
        assert same == 1, form
    assert json.loads(card)["version"] == compact.GRAPH


@pytest.mark.parametrize("kind", GRAPHS)
def test_costs_count_the_parameters_and_multiply_adds_of_the_card(kind: str) -> None:
    made = make(kind, 0.0)
    found = costs.of_policy(made.policy, {})
    acting = made.built.card["multiply_adds"]["actor"] or made.built.card["multiply_adds"]["online"]
    outputs_left_out = 3 * 40 if kind.startswith("sac") else 0  # the logarithms of the standard deviations
    assert found["multiply_adds"]["dense"] == sum(acting.values()) - outputs_left_out
    assert found["kept"] == found["parameters"] == found["bytes"]["dense"] / 4
    half = costs.of_policy(make(kind, 0.5).policy, {})
    assert 0.4 < half["multiply_adds"]["sparse"] / found["multiply_adds"]["dense"] < 0.6


def test_a_residual_block_by_hand() -> None:
    """x -> (standardized) s -> s + relu(W s), and its norm: each number worked out."""
    layers = (
        Layer(array([0.5, 2]), array([1, 2]), 1, False, STANDARDIZE),  # (x - [1, 2]) * [0.5, 2]
        Layer(array([[1, 0], [0, 1]]), array([0, -1]), 1, True),
        Layer(NOTHING, NOTHING, 1, False, SUM, (1, 2)),
        Layer(array([2, 2]), array([0, 1]), 1, False, LAYER_NORM),
        Layer(array([[1, 0], [0, 1]]), array([0, 0]), 1, False),
    )
    policy = Policy((2,), 1.0, layers, "argmax")
    check(policy, "policy")
    # x = [3, 4] -> s = [1, 4] -> relu([1, 3]) -> [2, 7]; mean 4.5, deviation 2.5: [-1, 1] -> [-2, 3]
    np.testing.assert_allclose(outputs(policy, array([3, 4])), [-2, 3], atol=1e-5)


def test_a_pool_by_hand() -> None:
    """Windows of 3 by steps of 2 over 4 x 4 pixels: the odd pixel of padding is below and to the right, and is less
    than any number."""
    pool = Layer(NOTHING, NOTHING, 2, False, MAX_POOL, window=3)
    policy = Policy((1, 4, 4), 1.0, (pool, Layer(np.eye(4, dtype=np.float32), np.zeros(4, "f4"), 1, False)), "argmax")
    image = -np.arange(1, 17, dtype=np.float32).reshape(1, 4, 4)
    np.testing.assert_array_equal(outputs(policy, image), [-1, -3, -9, -11])


def test_only_units_whose_reader_is_alone_are_removed() -> None:
    """Dense_1 reads Dense_0 alone, so that the unread unit 1 of Dense_0 goes; what the sum reads stays."""
    identity = np.eye(2, dtype=np.float32)
    layers = (
        Layer(identity, array([0, 0]), 1, True),
        Layer(array([[1, 0], [1, 0]]), array([0, 5]), 1, False),
        Layer(array([[1, 0], [0, 0]]), array([0, 3]), 1, False),
        Layer(NOTHING, NOTHING, 1, False, SUM, (1, 2)),
        Layer(array([[1, 0]]), array([0]), 1, False),
    )
    policy = Policy((2,), 1.0, layers, "argmax")
    cleaned = clean(policy)
    assert cleaned.removed == [1, 0, 0]
    assert [len(layer.weight) for layer in cleaned.policy.layers if layer.kind == KERNEL] == [1, 2, 2, 1]
    for observation in (array([1, 2]), array([-3, 4])):
        np.testing.assert_array_equal(outputs(cleaned.policy, observation), outputs(policy, observation))


def test_what_a_norm_reads_stays() -> None:
    """Unit 1 is read by nobody, but the mean and the variance depend on it."""
    first, last = (
        Layer(np.eye(2, dtype=np.float32), array([0, 0]), 1, False),
        Layer(array([[1, 0]]), array([0]), 1, False),
    )
    norm = Layer(array([1, 1]), array([0, 0]), 1, True, LAYER_NORM)
    assert clean(Policy((2,), 1.0, (first, norm, last), "argmax")).removed == [0]


LAST = Layer(np.ones((1, 2), np.float32), array([0]), 1, False)


@pytest.mark.parametrize(
    "layer, words",
    [
        (Layer(NOTHING, NOTHING, 1, False, SUM, (3,)), "reads .* before the first"),
        (Layer(NOTHING, NOTHING, 1, False, SUM, ()), "reads"),
        (Layer(np.ones((3, 2), np.float32), np.zeros(3, "f4"), 1, False), "takes 2 inputs, but is given 3"),
        (Layer(array([1, 1, 1]), array([0, 0, 0]), 1, False, LAYER_NORM), "layer_norm of shape"),
        (Layer(array([1]), array([0]), 1, False, SUM), "sum of shape"),
        (Layer(NOTHING, NOTHING, 1, False, MAX_POOL, window=2), "max_pool of shape"),
        (Layer(array([np.nan, 1]), array([0, 0]), 1, False, STANDARDIZE), "NaN"),
    ],
)
def test_layers_that_do_not_fit_are_refused(layer: Layer, words: str) -> None:
    with pytest.raises(UserError, match=words):
        check(Policy((2,), 1.0, (layer, LAST), "argmax"), "policy")


def test_outputs_of_different_shapes_are_not_added() -> None:
    wide = Layer(np.ones((3, 2), np.float32), np.zeros(3, "f4"), 1, False)
    with pytest.raises(UserError, match="adds outputs of different shapes"):
        check(Policy((2,), 1.0, (wide, Layer(NOTHING, NOTHING, 1, False, SUM, (1, 2)), LAST), "argmax"), "policy")
