"""A policy's arrays mean in numpy what they mean in flax."""

import jax
import numpy as np
import pytest

from suite.agents.networks import q_network
from suite.deploy.compact import MOST_NUMBERS
from suite.deploy.network import Form, Layer, Policy, check, check_shapes, from_flax, input_shapes, padding
from suite.deploy.runner import Runner
from suite.errors import UserError
from tests.support.policies import KINDS, make, observations


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("kind", ["nature", "small", "mlp"])
def test_the_outputs_are_those_of_flax(kind: str, sparsity: float) -> None:
    made = make(kind, sparsity)
    seen = observations(kind, 5)
    _, options, space, actions = KINDS[kind]
    network = q_network(options["network"], space.shape or (), options["width"], int(actions.n))  # type: ignore[attr-defined]
    expected = np.asarray(network.apply({"params": made.params}, seen))
    for form in ("dense", "csr"):
        runner = Runner(made.policy, [form] * len(made.policy.layers))
        for observation, values in zip(seen, expected, strict=True):
            np.testing.assert_allclose(runner.outputs(observation), values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sparsity", [0.0, 0.9, 1.0])
def test_a_gaussian_acts_by_its_mean(sparsity: float) -> None:
    made = make("sac", sparsity)
    seen = observations("sac", 20)
    assert len(made.policy.layers[-1].weight) == 3  # the logarithms of the standard deviations are left out
    expected = made.in_jax(seen)
    found = [Runner(made.policy, ["csr", "dense", "csr"])(observation) for observation in seen]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("size", range(1, 30))
@pytest.mark.parametrize("kernel, stride", [(8, 4), (5, 5), (4, 2), (3, 1), (3, 7)])
def test_padding_is_jaxs(size: int, kernel: int, stride: int) -> None:
    ((low, high),) = jax.lax.padtype_to_pads((size,), (kernel,), (stride,), "SAME")
    assert padding(size, kernel, stride) == (low, high)


def test_shapes_follow_from_the_observation() -> None:
    policy = make("nature", 0.5).policy
    assert input_shapes(policy) == [(4, 37, 30), (32, 10, 8), (64, 5, 4), (64, 5, 4), (24,)]


def layer(weight: np.ndarray) -> Layer:
    return Layer(weight.astype(np.float32), np.zeros(len(weight), np.float32), 1, True)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"layers": ()}, "0 layers"),
        ({"layers": (layer(np.ones((2, 3))),)}, "takes 3 inputs, but is given 5"),
        ({"layers": (layer(np.ones((2, 5, 1, 1))),)}, "kernel of shape"),
        ({"layers": (layer(np.ones((2, 5)) * np.nan),)}, "NaN"),
        ({"action": "softmax"}, "argmax"),
        ({"observation_shape": (5, 1, 1), "layers": (layer(np.ones((2, 5, 1, 1))),)}, "should be dense"),
        ({"divided_by": 0.0}, "above 0"),
        ({"divided_by": float("nan")}, "above 0"),
        ({"observation_shape": ()}, "of 0 axes, should be of 1 or 3"),
    ],
)
def test_a_policy_that_cannot_act_is_refused(change: dict, words: str) -> None:
    policy = Policy((5,), 1.0, (layer(np.ones((2, 5))),), "argmax")
    check(policy, "policy")
    with pytest.raises(UserError, match=words):
        check(policy._replace(**change), "policy")


@pytest.mark.parametrize("missing", ["Conv_1/kernel", "Dense_0/bias"])
def test_a_card_that_does_not_fit_its_arrays_is_refused(missing: str) -> None:
    made = make("small", 0.0)
    arrays = {key: value for key, value in made.arrays.items() if key != missing}
    with pytest.raises(UserError, match=f"{missing} is missing"):
        from_flax(arrays, made.built.card["network"])


def test_what_was_trained_is_not_bounded_as_files_are() -> None:
    """Its numbers were in memory already: here two convolutions with 121 million patches each."""
    arrays = {"Conv_0": np.ones((11, 11, 1, 1)), "Conv_1": np.ones((11, 11, 1, 1)), "Conv_2": np.ones((1, 1, 1, 1))}
    strides = {"Conv_0": 1, "Conv_1": 1, "Conv_2": 1000, "Dense_0": 1}
    kernels = {f"{path}/kernel": kernel for path, kernel in {**arrays, "Dense_0": np.ones((1, 6))}.items()}
    biases = {f"{path}/bias": np.zeros(6 if path == "Dense_0" else 1) for path in strides}
    network = {
        "observation": {"shape": [1, 1000, 1000], "divided_by": 1},
        "layers": [{"path": path, "stride": stride, "relu": True} for path, stride in strides.items()],
        "action": {"kind": "argmax", "size": 6},
    }
    policy = from_flax({**kernels, **biases}, network)
    forms = [layer.form for layer in policy.layers]
    assert check_shapes(policy.observation_shape, forms, "policy") > MOST_NUMBERS


def test_what_acting_takes_by_hand() -> None:
    """A 3x3 kernel on a 4x4 image by steps of 2: 9 weights, 5 x 5 padded, 9 x 4 patches, 4 activations; a dense layer
    of 4 inputs and 3 outputs."""
    assert check_shapes((1, 4, 4), [Form((1, 1, 3, 3), 2), Form((3, 4), 1)], "policy") == 9 + 25 + 36 + 4 + 12 + 4 + 3
