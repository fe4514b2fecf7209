"""Schedules by hand, and what gmp and distill realise on real networks, against an independent numpy implementation.

What every method realises is in test_methods.py."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from gymnasium import spaces

from baselines.dense import dense
from baselines.registry import GMP, METHODS, Constant, Dense, Distill, Iterative, OneShot
from baselines.schedules import (
    SCHEDULES,
    constant_sparsity,
    cosine,
    distill,
    exponential,
    gmp,
    iterative,
    iterative_pruning,
    linear,
    oneshot,
    polynomial,
)
from suite.agents import DQNOptions
from suite.agents.dqn import dqn
from suite.errors import UserError
from suite.options import PrunerOptions
from suite.sparsity.masks import apply_masks, dense_masks, sparsity
from suite.sparsity.pruner import make_pruner
from suite.types import Agent, Network, Training
from tests.support import hooks
from tests.support.pruning import count, largest

ADAM = optax.adam(1e-3)
KEY = jax.random.key(0)


def training(gradient_steps: int = 1000, kind: str = "mlp", **pruning) -> Training:
    return Training(gradient_steps, 10, ADAM, make_pruner(PrunerOptions(**pruning), agent_of(kind).all_networks))


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
        (0.5, 10, 10, 10, 0.5),
        (0.5, 0, 0, 1, 0.5),
        (0.0, 0, 100, 70, 0.0),
    ],
)
def test_cubic_schedule_by_hand(final: float, start: int, end: int, step: int, expected: float) -> None:
    assert float(polynomial(final, start, end)(step)) == pytest.approx(expected, abs=1e-6)


def test_the_power_is_an_argument() -> None:
    assert float(polynomial(0.8, 0, 10, power=1)(5)) == pytest.approx(0.4)
    assert float(polynomial(0.8, 0, 10, power=2)(5)) == pytest.approx(0.6)


@pytest.mark.parametrize(
    "schedule, expected",  # at 100, 200, 300, 350, 400, 500, 600 of a schedule to 0.9 between 200 and 400
    [
        (linear, [0, 0, 0.45, 0.675, 0.9, 0.9, 0.9]),
        (cosine, [0, 0, 0.45, 0.9 * (2 + np.sqrt(2)) / 4, 0.9, 0.9, 0.9]),
        (exponential, [0, 0, 1 - np.sqrt(0.1), 1 - 0.1**0.75, 0.9, 0.9, 0.9]),
        (lambda *arguments: iterative(*arguments, prunings=3), [0, 0.3, 0.6, 0.6, 0.9, 0.9, 0.9]),
        (lambda *arguments: iterative(*arguments, prunings=1), [0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]),
    ],
    ids=["linear", "cosine", "exponential", "iterative", "one shot"],
)
def test_the_other_schedules_by_hand(schedule, expected: list[float]) -> None:
    found = [float(schedule(0.9, 200, 400)(step)) for step in (100, 200, 300, 350, 400, 500, 600)]
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_rise_to_their_end(name: str) -> None:
    for start, end in ((0, 50), (10, 40), (20, 20), (0, 0)):
        found = np.array([float(SCHEDULES[name](0.7, start, end)(step)) for step in range(60)])
        assert (np.diff(found) >= -1e-7).all()
        assert found[-1] == pytest.approx(0.7)
        assert (found[:start] == 0).all()
        jitted = jax.jit(SCHEDULES[name](0.7, start, end))
        np.testing.assert_allclose([float(jitted(step)) for step in (0, 15, 59)], found[[0, 15, 59]], rtol=1e-5)


def test_iterative_prunings_divide_the_time() -> None:
    found = np.array([float(iterative(0.8, 100, 200, prunings=5)(step)) for step in range(300)])
    assert (np.flatnonzero(np.diff(found)) + 1).tolist() == [100, 125, 150, 175, 200]
    np.testing.assert_allclose(np.unique(found), [0, 0.16, 0.32, 0.48, 0.64, 0.8], rtol=1e-5)


# The methods on networks ---------------------------------------------------------------------------------------------

IMAGES, VECTORS, ACTIONS = (
    spaces.Box(0, 255, (2, 12, 12), np.uint8),
    spaces.Box(-1, 1, (5,), np.float32),
    spaces.Discrete(3),
)


def agent_of(kind: str) -> Agent:
    return dqn(VECTORS if kind == "mlp" else IMAGES, ACTIONS, DQNOptions(network=kind, width=8))


def network_of(kind: str) -> Network:
    params = agent_of(kind).init(KEY)
    return Network(params, ADAM.init(params), {}, jnp.float32(1))


def numpy_level(step: int, final: float, begin: int, end: int) -> float:
    return final * (1 - (1 - np.clip((step - begin) / (end - begin), 0, 1)) ** 3)


def numpy_prune(kernel: np.ndarray, level: float) -> np.ndarray:
    """The kept weights of one layer by a full sort."""
    return largest(kernel, count(level, kernel.size))


def kernels_of(params: dict) -> dict[str, np.ndarray]:
    return {f"{layer}/kernel": np.asarray(arrays["kernel"]) for layer, arrays in params.items()}


@pytest.mark.parametrize("kind, layers", [("mlp", 2), ("small", 4)])
def test_gmp_realises_the_schedule_layer_by_layer(kind: str, layers: int) -> None:
    """Weights do not move here, so that a sort of the initial weights says which of them are kept at each step."""
    start = network_of(kind)
    method = gmp(training(kind=kind, distribution="uniform"), GMP(final_sparsity=0.87, start=0.3, end=0.7, period=50))
    network = start._replace(masks=method.init(KEY, start.params))
    after_gradient = hooks.after_gradient(method)
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
    method = gmp(training(100), GMP(period=1))
    network = start._replace(masks=method.init(KEY, start.params))
    pruned = hooks.after_gradient(method)(KEY, jnp.int32(90), network, start.params)
    assert set(pruned.masks) == {"Dense_0/kernel", "Dense_1/kernel"}
    jax.tree.map(np.testing.assert_array_equal, pruned._replace(masks={}), start)


@pytest.mark.parametrize("horizon, expected", [(2_495_000, 1000), (50_000, 500), (70, 1)])
def test_gmp_prunes_every_thousand_steps_or_a_hundredth(horizon: int, expected: int) -> None:
    method = gmp(training(horizon), GMP())
    start = network_of("mlp")
    network = start._replace(masks=method.init(KEY, start.params))
    after_gradient = hooks.after_gradient(method)
    late = horizon * 9 // 10 // expected * expected  # due, and after the schedule's end
    assert float(sparsity(after_gradient(KEY, jnp.int32(late), network, start.params).masks)) > 0.9
    if expected > 1:
        for step in (late - 1, late + 1):
            assert float(sparsity(after_gradient(KEY, jnp.int32(step), network, start.params).masks)) == 0


@pytest.mark.parametrize(
    "name, horizon, expected", [("ste", 50_000, 16), ("rigl", 2_495_000, 5_000), ("set", 50_000, 500)]
)
def test_other_methods_have_other_longest_periods(name: str, horizon: int, expected: int) -> None:
    """STE: Lin et al. 2020; SET and RigL: Graesser et al. 2022, whose SAC has 1,000."""
    method = METHODS[name].make(training(horizon))
    late = horizon // 2 // expected * expected
    assert [bool(method.due(jnp.int32(late + offset))) for offset in (-1, 0, 1, expected)] == [False, True, False, True]


@pytest.mark.parametrize("name", ["gmp", "ste", "linear", "cosine", "exponential"])
def test_the_final_sparsity_is_reached_whatever_the_period(name: str) -> None:
    method = METHODS[name].make(training(250, "small"), final_sparsity=0.9, start=0.2, end=0.9, period=100)
    assert [step for step in range(1, 251) if method.due(jnp.int32(step))] == [100, 200, 225]
    network = network_of("small")
    network = network._replace(masks=method.init(KEY, network.params))
    after = method.after_gradient(KEY, jnp.int32(225), network, network.params)
    assert float(sparsity(after.masks)) == pytest.approx(0.9, abs=1e-3)


def test_distill_reaches_its_final_sparsity_at_the_last_target_update() -> None:
    # Target updates are 10 apart.
    method = distill(training(255, "small"), Distill(final_sparsity=0.9, start=0.2, end=1.0))
    network = network_of("small")
    network = network._replace(masks=method.init(KEY, network.params))
    (after,), _, _ = method.at_target_update(KEY, jnp.int32(250), (network,), None)
    assert float(sparsity(after.masks)) == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize("name", ["gmp", "ste", "linear", "set", "rigl"])
def test_a_period_that_never_ends_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="period=1001 is longer than the run, which has 1,000 gradient steps"):
        METHODS[name].make(training(1000), period=1001)


@pytest.mark.parametrize("name, options", [("gmp", {"regrow": True}), ("ste", {})])
def test_random_scores_cannot_choose_among_weights_that_come_back(name: str, options: dict) -> None:
    with pytest.raises(UserError, match=r"pruning\.score=random"):
        METHODS[name].make(training(score="random"), **options)
    METHODS["gmp"].make(training(score="random"))


@pytest.mark.parametrize("name", ["gmp", "distill", "cosine", "iterative"])
def test_a_schedule_that_ends_before_it_starts_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="start"):
        METHODS[name].make(training(), start=0.8, end=0.2)


def test_distill_prunes_at_target_updates_only() -> None:
    start = network_of("mlp")
    method = distill(training(distribution="uniform"), Distill(final_sparsity=0.8, start=0.0, end=1.0))
    network = start._replace(masks=method.init(KEY, start.params))
    after = hooks.after_gradient(method)(KEY, jnp.int32(990), network, start.params)
    assert float(sparsity(after.masks)) == 0
    at_target_update = jax.jit(method.at_target_update)
    for step in (10, 250, 500, 1000):
        (network,), _, election = at_target_update(KEY, jnp.int32(step), (network,), None)
        assert int(election.elected) == 0
        assert not election.reset.any()
        level = numpy_level(step, 0.8, 0, 1000)
        for path, kernel in kernels_of(start.params).items():
            np.testing.assert_array_equal(network.masks[path], numpy_prune(kernel, level))


def test_dense_has_no_masks() -> None:
    start = network_of("mlp")
    method = dense(training(), Dense())
    assert method.init(KEY, start.params) == {}
    (after,), _, election = method.at_target_update(KEY, jnp.int32(10), (start,), None)
    assert after.masks == {}
    assert (method.num_networks, int(election.elected)) == (1, 0)


# When masks are updated, and of what ---------------------------------------------------------------------------------


def levels_at(method, steps: range) -> dict[int, float]:
    """The sparsity after each of the steps at which it changes; weights do not move."""
    network = network_of("mlp")
    network = network._replace(masks=method.init(KEY, network.params))
    after_gradient, found = hooks.after_gradient(method), {0: float(sparsity(network.masks))}
    for step in steps:
        new = after_gradient(KEY, jnp.int32(step), network, network.params)
        if float(sparsity(new.masks)) != float(sparsity(network.masks)):
            found[step] = float(sparsity(new.masks))
        network = new
    return found


def test_a_few_prunings_come_at_their_very_steps() -> None:
    """Not at multiples of a period."""
    found = levels_at(
        iterative_pruning(training(100), Iterative(final_sparsity=0.75, start=0.13, end=0.57, prunings=3)),
        range(1, 100),
    )
    assert found == pytest.approx({0: 0, 13: 0.25, 35: 0.5, 57: 0.75}, abs=0.02)
    assert levels_at(oneshot(training(100), OneShot(final_sparsity=0.75, at=0.37)), range(1, 100)) == pytest.approx(
        {0: 0, 37: 0.75}, abs=0.02
    )
    assert levels_at(oneshot(training(100), OneShot(final_sparsity=0.75, at=0)), range(1, 5)) == {0: 0.75}
    assert levels_at(constant_sparsity(training(100), Constant(final_sparsity=0.75)), range(1, 5)) == {0: 0.75}


@pytest.mark.parametrize("regrow, back", [(True, True), (False, False)])
def test_only_kept_weights_come_back(regrow: bool, back: bool) -> None:
    """A weight that was pruned has become the largest since (here by hand)."""
    network = network_of("mlp")
    uniform = training(100, distribution="uniform")
    method = gmp(uniform, GMP(final_sparsity=0.5, start=0, end=0.51, power=100, period=1, regrow=regrow))
    after_gradient = hooks.after_gradient(method)
    network = after_gradient(KEY, jnp.int32(50), network._replace(masks=dense_masks(network.params)), network.params)
    gone = tuple(np.argwhere(~np.asarray(network.masks["Dense_0/kernel"]))[0])
    params = jax.tree.map(jnp.copy, network.params)
    params["Dense_0"]["kernel"] = params["Dense_0"]["kernel"].at[gone].set(100.0)
    again = after_gradient(KEY, jnp.int32(51), network._replace(params=params), params)
    assert bool(again.masks["Dense_0/kernel"][gone]) == back
    assert int(again.masks["Dense_0/kernel"].sum()) == 20
    later = after_gradient(KEY, jnp.int32(52), network._replace(params=params), params)
    assert not later.masks["Dense_0/kernel"][gone]  # at the final sparsity, masks stay (Zhu & Gupta 2017)
    assert method.pruned_weights == ("kept" if regrow else "zero")


@pytest.mark.parametrize("name, more", [("gmp", {}), ("gmp", {"regrow": True}), ("ste", {}), ("cosine", {})])
def test_a_schedule_that_ends_at_0_prunes_at_the_first_step(name: str, more: dict) -> None:
    method = METHODS[name].make(training(100), final_sparsity=0.75, start=0, end=0, period=10, **more)
    assert levels_at(method, range(1, 15)) == pytest.approx({0: 0, 1: 0.75}, abs=0.02)


def test_saliency_reads_the_gradients_of_the_step() -> None:
    network = network_of("mlp")
    by_saliency = training(100, score="saliency", distribution="uniform")
    method = gmp(by_saliency, GMP(final_sparsity=0.5, start=0, end=0.1, period=1))
    network = network._replace(masks=method.init(KEY, network.params))
    gradients = jax.tree.map(lambda leaf: 1 / leaf, network.params)  # |w g| = 1 ...
    gradients["Dense_0"]["kernel"] = (
        gradients["Dense_0"]["kernel"].at[2:].multiply(2)
    )  # ... and 2 in three rows of five
    masks = hooks.after_gradient(method)(KEY, jnp.int32(50), network, gradients).masks
    assert masks["Dense_0/kernel"].sum(axis=1).tolist()[:2] == [0, 0]
    assert int(masks["Dense_0/kernel"].sum()) == 20


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["distill", "eaudeqn", "constant"])
def test_saliency_is_refused_where_there_are_no_gradients(method: str) -> None:
    with pytest.raises(UserError, match=r"pruning\.score=saliency needs gradients.*use magnitude"):
        METHODS[method].make(training(score="saliency"))


@pytest.mark.parametrize("method", ["gmp", "linear", "iterative", "oneshot", "constant", "ste", "distill"])
def test_a_sparsity_beyond_the_structure_is_refused(method: str) -> None:
    METHODS[method].make(training(structure="2:4"), final_sparsity=0.5)
    with pytest.raises(UserError, match=r"final_sparsity=0\.6: .* 0\.5 with pruning\.structure=2:4"):
        METHODS[method].make(training(structure="2:4"), final_sparsity=0.6)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "eaudeqn"])
def test_a_single_network_whose_loss_is_not_finite_is_not_elected(name: str) -> None:
    start = network_of("mlp")
    method = METHODS[name].make(training())
    masks = method.init(KEY, start.params)
    for loss, elected in ((float("nan"), -1), (float("inf"), -1), (1.0, 0)):
        network = start._replace(masks=masks, loss=jnp.float32(loss))
        _, _, election = jax.jit(method.at_target_update)(KEY, jnp.int32(10), (network,), None)
        assert int(election.elected) == elected
