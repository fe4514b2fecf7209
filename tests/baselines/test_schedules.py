"""Schedules by hand, and what gmp and distill realise on real networks, against an independent numpy implementation."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from gymnasium import spaces

from baselines import METHODS
from baselines.dense import dense
from baselines.schedules import distill, gmp, polynomial
from suite.agents.dqn import dqn
from suite.errors import UserError
from suite.sparsity import apply_masks, sparsity
from suite.types import Network, Training

ADAM = optax.adam(1e-3)
KEY = jax.random.key(0)


# The schedule --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "final, start, end, step, expected",
    [
        (0.95, 0, 100, 50, 0.83125),  # 0.95 (1 - 1/8)
        (0.95, 200, 800, 500, 0.83125),
        (0.95, 200, 800, 0, 0.0),
        (0.95, 200, 800, 200, 0.0),
        (0.95, 200, 800, 350, 0.95 * (1 - 27 / 64)),
        (0.95, 200, 800, 800, 0.95),
        (0.95, 200, 800, 10_000, 0.95),
        (1.0, 0, 4, 1, 37 / 64),
        (0.5, 10, 10, 9, 0.0),  # no length: one shot
        (0.5, 10, 10, 10, 0.0),
        (0.5, 10, 10, 11, 0.5),
        (0.0, 0, 100, 70, 0.0),
    ],
)
def test_cubic_schedule_by_hand(final: float, start: int, end: int, step: int, expected: float) -> None:
    assert float(polynomial(final, start, end)(step)) == pytest.approx(expected, abs=1e-6)


def test_the_power_is_an_argument() -> None:
    assert float(polynomial(0.8, 0, 10, power=1)(5)) == pytest.approx(0.4)
    assert float(polynomial(0.8, 0, 10, power=2)(5)) == pytest.approx(0.6)


# The methods on networks ---------------------------------------------------------------------------------------------

IMAGES, VECTORS, ACTIONS = (
    spaces.Box(0, 255, (2, 12, 12), np.uint8),
    spaces.Box(-1, 1, (5,), np.float32),
    spaces.Discrete(3),
)


def network_of(kind: str) -> Network:
    space = VECTORS if kind == "mlp" else IMAGES
    params = dqn(space, ACTIONS, network=kind, width=8).init(KEY)
    return Network(params, ADAM.init(params), {}, jnp.float32(1))


def numpy_level(step: int, final: float, begin: int, end: int) -> float:
    return final * (1 - (1 - np.clip((step - begin) / (end - begin), 0, 1)) ** 3)


def numpy_prune(kernel: np.ndarray, level: float) -> np.ndarray:
    """The kept weights of one layer by a full sort."""
    count = max(int(np.round((np.float32(1) - np.float32(level)) * np.float32(kernel.size))), 1)
    kept = np.zeros(kernel.size, bool)
    kept[np.argsort(-np.abs(kernel.ravel()), kind="stable")[:count]] = True
    return kept.reshape(kernel.shape)


def kernels_of(params: dict) -> dict[str, np.ndarray]:
    return {f"{layer}/kernel": np.asarray(arrays["kernel"]) for layer, arrays in params.items()}


@pytest.mark.parametrize("kind, layers", [("mlp", 2), ("small", 4)])
def test_gmp_realises_the_schedule_layer_by_layer(kind: str, layers: int) -> None:
    """Weights do not move here, so that a sort of the initial weights says which of them are kept at each step."""
    start = network_of(kind)
    method = gmp(Training(1000, 10, ADAM), final_sparsity=0.87, start=0.3, end=0.7, period=50)
    network = start._replace(masks=method.init(KEY, start.params))
    after_gradient = jax.jit(method.after_gradient)
    kernels, seen = kernels_of(start.params), {}
    assert len(kernels) == len(network.masks) == layers
    for step in (50, 299, 300, 301, 349, 350, 351, 400, 450, 500, 549, 600, 650, 699, 700, 701, 1000):
        network = after_gradient(KEY, jnp.int32(step), network, start.params)
        network = network._replace(params=apply_masks(network.params, network.masks))
        level = numpy_level(step // 50 * 50, 0.87, 300, 700)  # between prunings the last level holds
        for path, kernel in kernels.items():
            np.testing.assert_array_equal(network.masks[path], numpy_prune(kernel, level), err_msg=f"{path} at {step}")
        seen[step] = float(sparsity(network.masks))
    assert seen[300] == 0
    assert seen[500] == pytest.approx(0.87 * 0.875, abs=0.02)
    assert seen[700] == seen[1000] == pytest.approx(0.87, abs=0.02)


def test_gmp_leaves_what_is_not_a_kernel_and_the_optimizer_alone() -> None:
    start = network_of("mlp")
    method = gmp(Training(100, 10, ADAM), period=1)
    network = start._replace(masks=method.init(KEY, start.params))
    pruned = jax.jit(method.after_gradient)(KEY, jnp.int32(90), network, start.params)
    assert set(pruned.masks) == {"Dense_0/kernel", "Dense_1/kernel"}
    jax.tree.map(np.testing.assert_array_equal, pruned._replace(masks={}), start)


@pytest.mark.parametrize("horizon, expected", [(2_495_000, 1000), (50_000, 500), (70, 1)])
def test_gmp_prunes_every_thousand_steps_or_a_hundredth(horizon: int, expected: int) -> None:
    method = gmp(Training(horizon, 10, ADAM))
    start = network_of("mlp")
    network = start._replace(masks=method.init(KEY, start.params))
    after_gradient = jax.jit(method.after_gradient)
    late = horizon * 9 // 10 // expected * expected  # due, and after the schedule's end
    assert float(sparsity(after_gradient(KEY, jnp.int32(late), network, start.params).masks)) > 0.9
    if expected > 1:
        for step in (late - 1, late + 1):
            assert float(sparsity(after_gradient(KEY, jnp.int32(step), network, start.params).masks)) == 0


@pytest.mark.parametrize("method", [gmp, distill])
def test_a_schedule_that_ends_before_it_starts_is_refused(method) -> None:
    with pytest.raises(UserError, match="start"):
        method(Training(1000, 10, ADAM), start=0.8, end=0.2)


def test_distill_prunes_at_target_updates_only() -> None:
    start = network_of("mlp")
    method = distill(Training(1000, 10, ADAM), final_sparsity=0.8, start=0.0, end=1.0)
    network = start._replace(masks=method.init(KEY, start.params))
    after = method.after_gradient(KEY, jnp.int32(990), network, start.params)
    assert float(sparsity(after.masks)) == 0
    at_target_update = jax.jit(method.at_target_update)
    for step in (10, 250, 500, 1000):
        (network,), election = at_target_update(KEY, jnp.int32(step), (network,))
        assert int(election.elected) == 0
        assert not election.reset.any()
        level = numpy_level(step, 0.8, 0, 1000)
        for path, kernel in kernels_of(start.params).items():
            np.testing.assert_array_equal(network.masks[path], numpy_prune(kernel, level))


def test_dense_has_no_masks() -> None:
    start = network_of("mlp")
    method = dense(Training(1000, 10, ADAM))
    assert method.init(KEY, start.params) == {}
    (after,), election = method.at_target_update(KEY, jnp.int32(10), (start,))
    assert after.masks == {}
    assert (method.num_networks, int(election.elected)) == (1, 0)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "eaudeqn"])
def test_a_single_network_whose_loss_is_not_finite_is_not_elected(name: str) -> None:
    start = network_of("mlp")
    method = METHODS[name](Training(1000, 10, ADAM))
    masks = method.init(KEY, start.params)
    for loss, elected in ((float("nan"), -1), (float("inf"), -1), (1.0, 0)):
        network = start._replace(masks=masks, loss=jnp.float32(loss))
        _, election = jax.jit(method.at_target_update)(KEY, jnp.int32(10), (network,))
        assert int(election.elected) == elected
