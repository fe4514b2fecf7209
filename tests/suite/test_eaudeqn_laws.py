"""EauDeQN's pruning laws and caps by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.eaudeqn import CAPS, LAWS, eaudeqn, linear_law, next_step, power_law, success_law
from suite.options import EauDeQNOptions, PrunerOptions
from suite.sparsity.masks import sparsity
from suite.sparsity.pruner import make_pruner
from suite.types import Network, Training
from tests.support.networks import networks_of

MANY = settings(max_examples=100, deadline=None)
shares = st.floats(0, 1, width=32)


# The laws ------------------------------------------------------------------------------------------------------------


def numpy_cubic(t: float, begin: float, end: float) -> float:
    """Zhu & Gupta (2017) to 1."""
    return 1 - (1 - min(max((t - begin) / (end - begin), 0), 1)) ** 3


@pytest.mark.parametrize("horizon, period", [(1000, 10), (2_495_000, 2000), (7, 1)])
def test_power_law_with_noise_3_and_no_cap_is_the_cubic_schedule_to_1(horizon: int, period: int) -> None:
    """The level set at t holds until t + T, and is the schedule's at t + T. The first update, at T, begins it."""
    level = jnp.float32(0)
    law = jax.jit(power_law)
    for t in range(period, horizon // period * period, period):
        level += law(level, 3.0, period / (horizon - t))
        assert float(level) == pytest.approx(numpy_cubic(t + period, period, horizon), abs=2e-5), t
    assert float(level) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    "law, level, noise, share, expected",
    [
        (power_law, 0.0, 1.0, 0.1, 0.1),  # 1 - 0.9
        (power_law, 0.0, 3.0, 0.5, 0.875),  # 1 - 0.5^3
        (power_law, 0.5, 2.0, 0.5, 0.375),  # 0.5 * (1 - 0.25)
        (power_law, 0.8, 0.0, 0.5, 0.0),  # no noise, no step
        (power_law, 0.3, 0.0, 1.0, 0.0),  # 0^0 = 1, also at the end
        (power_law, 0.3, 0.5, 1.0, 0.7),  # nothing is left of training
        (power_law, 1.0, 3.0, 0.5, 0.0),
        (linear_law, 0.0, 1.0, 0.1, 0.1),
        (linear_law, 0.5, 2.0, 0.1, 0.1),  # 2 * 0.5 * 0.1
        (linear_law, 0.9, 3.0, 1.0, 0.1),  # 0.9 + 0.3 would be beyond 1
        (linear_law, 0.4, 0.0, 1.0, 0.0),
        (success_law, 0.0, 1.0, 0.1, 0.1),
        (success_law, 0.5, 1.0, 0.1, 0.55),  # a tenth of what is left
        (success_law, 0.5, 0.0, 0.1, 0.505),  # the draw's lower end: a tenth of the step
        (success_law, 0.9, 0.5, 0.2, 1 - 0.1 * (1 - 0.2 / np.sqrt(10))),
        (success_law, 1.0, 1.0, 0.5, 1.0),
    ],
)
def test_laws_by_hand(law, level: float, noise: float, share: float, expected: float) -> None:
    """Steps; of `success` the level after a step, whose draw is `noise` and whose size is `share`."""
    assert float(law(level, jnp.float32(noise), jnp.float32(share))) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("cap", CAPS)
@MANY
@given(level=shares, noise=st.floats(0, 3, width=32), share=shares, speed=st.floats(0.0009765625, 1, width=32))
def test_steps_never_fall_and_keep_to_the_cap(law, cap, level: float, noise: float, share: float, speed: float) -> None:
    steps, longest = (LAWS[law](level, jnp.float32(u), jnp.float32(share)) for u in (noise, 3))
    step = float(CAPS[cap](steps, longest, speed))
    assert -1e-6 <= step <= min(speed, 1 - level) + 1e-6


def test_scaling_shortens_all_steps_alike_and_clipping_makes_them_equal() -> None:
    """Steps of 0.02, 0.05 and 0.2 under a cap of 0.1, where the longest possible one is 0.4: a quarter of each."""
    steps, longest = jnp.array([0.02, 0.05, 0.2]), jnp.float32(0.4)
    np.testing.assert_allclose(CAPS["scale"](steps, longest, 0.1), [0.005, 0.0125, 0.05], rtol=1e-6)
    np.testing.assert_allclose(CAPS["clip"](steps, longest, 0.1), [0.02, 0.05, 0.1], rtol=1e-6)
    for cap in CAPS.values():
        np.testing.assert_array_equal(cap(steps, longest, 0.4), steps)  # nothing is too long


@pytest.mark.parametrize("step, share", [(100, 1 / 90), (500, 0.02), (980, 0.5)])
def test_copies_take_the_steps_of_the_power_law(step: int, share: float) -> None:
    """T = 10 of H = 1,000. A copy's density, over the elected network's of 0.5, is (1 - T / (H - t))^U: its logarithm
    tells U, which is uniform in [0, 3]."""
    pruner = make_pruner(PrunerOptions(), networks_of({"a/kernel": (100, 100)}))
    method = eaudeqn(Training(1_000, 10, optax.sgd(1.0), pruner), EauDeQNOptions(num_networks=4, max_speed=1.0))
    params = {"a": {"kernel": jax.random.normal(jax.random.key(0), (100, 100))}}
    half = {"a/kernel": (jnp.arange(10_000) < 5_000).reshape(100, 100)}
    network = Network(params, optax.sgd(1.0).init(params), half, jnp.float32(1))

    @jax.jit
    def levels(key: jax.Array) -> jax.Array:
        networks, _, _ = method.at_target_update(key, jnp.int32(step), (network,) * 4, None)
        return jnp.stack([sparsity(copy.masks) for copy in networks[1:]])

    densities = 1 - np.concatenate([levels(key) for key in jax.random.split(jax.random.key(1), 20)])
    draws = np.log(densities / 0.5) / np.log(1 - share)
    assert np.sort(draws)[[0, -1]] == pytest.approx([0, 3], abs=0.2)
    assert draws.mean() == pytest.approx(1.5, abs=0.3) and draws.max() < 3.02


# The law "success" ---------------------------------------------------------------------------------------------------


def test_a_step_grows_by_a_win_of_a_pruned_copy_and_holds_at_one_in_five() -> None:
    step = jnp.float32(0.01)
    assert float(next_step(step, jnp.array(True), 1.2, 0.2)) == pytest.approx(0.012)
    assert float(next_step(step, jnp.array(False), 1.2, 0.2)) == pytest.approx(0.01 * 1.2**-0.25)
    for won in (True, False, False, False, False):
        step = next_step(step, jnp.array(won), 1.2, 0.2)
    assert float(step) == pytest.approx(0.01, rel=1e-5)
    assert float(next_step(jnp.float32(0.49), jnp.array(True), 1.2, 0.2)) == 0.5
    assert float(next_step(jnp.float32(1e-4), jnp.array(False), 1.2, 0.2)) == pytest.approx(1e-4)
