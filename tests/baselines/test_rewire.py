"""SET and RigL: what is dropped and grown, by hand and by numpy; constant counts; an optimizer that forgets."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from baselines.registry import METHODS, SET, RigL, Static
from baselines.rewire import forget, rewire, rigl, sparse_evolution
from baselines.static import static
from suite.errors import UserError
from suite.options import PrunerOptions
from suite.sparsity.pruner import make_pruner
from suite.types import Network, Sparsifier, Training
from tests.support import hooks
from tests.support.networks import networks_of

KEY = jax.random.key(0)
SHAPES = {"Dense_0": (6, 9), "Dense_1": (9, 4)}
NETWORKS = networks_of({f"{name}/kernel": shape for name, shape in SHAPES.items()})
ADAM = optax.adam(1e-3)


def draw(seed: int) -> dict:
    rng = np.random.default_rng(seed)
    kernels = {name: jnp.asarray(rng.standard_normal(shape), jnp.float32) for name, shape in SHAPES.items()}
    return {name: {"kernel": kernel, "bias": jnp.ones(kernel.shape[-1])} for name, kernel in kernels.items()}


def training(gradient_steps: int = 100, **pruning) -> Training:
    return Training(gradient_steps, 10, ADAM, make_pruner(PrunerOptions(**pruning), NETWORKS))


def start(method: Sparsifier, seed: int = 0) -> Network:
    params = draw(seed)
    masks = method.init(jax.random.key(seed), params)
    for name in params:
        params[name]["kernel"] = jnp.where(masks[f"{name}/kernel"], params[name]["kernel"], 0)
    moments = jax.tree.map(lambda leaf: leaf + 1, ADAM.init(params))  # something to be forgotten
    return Network(params, moments, masks, jnp.float32(0))


def numpy_rewire(mask: np.ndarray, keep: np.ndarray, grow: np.ndarray, fraction: float) -> np.ndarray:
    number = int(mask.sum())
    moved = min(int(np.floor(np.float32(fraction) * np.float32(number))), mask.size - number)
    there, absent = np.flatnonzero(mask), np.flatnonzero(~mask)
    kept = there[np.argsort(-keep.ravel()[there], kind="stable")[: number - moved]]
    grown = absent[np.argsort(-grow.ravel()[absent], kind="stable")[:moved]]
    result = np.zeros(mask.size, bool)
    result[np.concatenate([kept, grown])] = True
    return result.reshape(mask.shape)


def test_rewiring_by_hand() -> None:
    """Of four weights, a half: the two lowest go, and the two highest of those that were not there come."""
    masks = {"a": jnp.array([True, True, True, True, False, False, False])}
    keep = {"a": jnp.array([4.0, 1.0, 3.0, 2.0, 9.0, 9.0, 9.0])}
    grow = {"a": jnp.array([9.0, 9.0, 9.0, 9.0, 1.0, 3.0, 2.0])}
    assert rewire(masks, keep, grow, 0.5)["a"].tolist() == [True, False, True, False, False, True, True]
    assert rewire(masks, keep, grow, 0.0)["a"].tolist() == masks["a"].tolist()
    full = {"a": jnp.ones(7, bool)}
    assert rewire(full, keep, grow, 0.9)["a"].all()  # a dense layer has nowhere to grow


@cache
def rewire_traced():
    return jax.jit(lambda mask, keep, grow, fraction: rewire({"a": mask}, {"a": keep}, {"a": grow}, fraction)["a"])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31 - 1), st.floats(0, 1, width=32), st.floats(0, 1), st.booleans())
def test_rewiring_is_numpys_and_counts_stay(seed: int, fraction: float, density: float, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((5, 8)) < density
    keep, grow = np.abs(rng.standard_normal((2, 5, 8))).round(1 if ties else 9).astype(np.float32)
    found = np.asarray(rewire_traced()(mask, keep, grow, jnp.float32(fraction)))
    np.testing.assert_array_equal(found, numpy_rewire(mask, keep, grow, fraction))
    assert found.sum() == mask.sum()


# The methods ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["set", "rigl", "static"])
@pytest.mark.parametrize("distribution", ["erk", "uniform", "global"])
def test_counts_are_constant_layer_by_layer(name: str, distribution: str) -> None:
    more = {} if name == "static" else {"period": 3}
    method = METHODS[name].make(training(distribution=distribution), sparsity=0.6, **more)
    network, after_gradient = start(method), hooks.after_gradient(method)
    before = {path: int(mask.sum()) for path, mask in network.masks.items()}
    assert sum(before.values()) == (22 + 14 if distribution == "uniform" else 36)
    changed = 0
    for step in range(1, 76):
        new = after_gradient(jax.random.fold_in(KEY, step), jnp.int32(step), network, draw(step))
        assert {path: int(mask.sum()) for path, mask in new.masks.items()} == before
        differs = any((new.masks[path] != mask).any() for path, mask in network.masks.items())
        assert differs <= (step % 3 == 0)
        changed += bool(differs)
        network = new
    assert changed == 0 if name == "static" else changed > 15


def test_rigl_drops_the_smallest_and_grows_by_the_largest_gradient() -> None:
    method = rigl(training(), RigL(sparsity=0.5, drop_fraction=0.4, period=10, end=1.0))
    network, gradients = start(method), draw(7)
    after = hooks.after_gradient(method)(KEY, jnp.int32(50), network, gradients)
    for name in SHAPES:  # half-way the cosine has halved the share
        mask = np.asarray(network.masks[f"{name}/kernel"])
        keep, grow = (np.abs(np.asarray(tree[name]["kernel"])) for tree in (network.params, gradients))
        np.testing.assert_array_equal(after.masks[f"{name}/kernel"], numpy_rewire(mask, keep, grow, 0.2))


@pytest.mark.parametrize(
    "name, options, step, share",
    [
        ("rigl", {"end": 1.0}, 10, 0.5 * (1 + np.cos(np.pi * 0.1)) / 2),
        ("rigl", {"end": 0.5}, 20, 0.5 * (1 + np.cos(np.pi * 0.4)) / 2),
        ("rigl", {"end": 0.5}, 60, 0.0),
        ("rigl", {"end": 1.0, "decay": "constant"}, 90, 0.5),
        ("rigl", {"end": 1.0, "delay": 0.3}, 20, 0.0),
        ("rigl", {"end": 1.0, "delay": 0.3, "decay": "constant"}, 30, 0.5),
        ("rigl", {"end": 1.0, "delay": 0.3}, 30, 0.5),  # the first rewiring
        ("rigl", {"end": 0.9, "delay": 0.3}, 40, 0.5 * (1 + np.cos(np.pi / 6)) / 2),  # a sixth of the way to the end
        ("set", {"decay": "constant", "end": 1.0}, 90, 0.5),  # Mocanu et al.'s
        ("set", {"decay": "constant", "end": 1.0}, 100, 0.0),  # what is grown now would never learn
        ("set", {}, 60, 0.5 * (1 + np.cos(np.pi * 0.75)) / 2),  # Graesser et al.'s: until 0.8
        ("set", {}, 80, 0.0),
        ("rigl", {}, 60, 0.5 * (1 + np.cos(np.pi * 0.75)) / 2),
        ("rigl", {}, 80, 0.0),
        ("rigl", {"end": 0.5, "decay": "constant"}, 50, 0.0),
        ("set", {"delay": 0.85, "end": 1.0}, 80, 0.0),
        ("set", {}, 15, 0.0),  # not due
    ],
)
def test_how_many_are_rewired_and_when(name: str, options: dict, step: int, share: float) -> None:
    method = METHODS[name].make(training(), sparsity=0.5, drop_fraction=0.5, period=10, **options)
    network = start(method)
    after = hooks.after_gradient(method)(KEY, jnp.int32(step), network, draw(1))
    for path, mask in network.masks.items():
        number = int(mask.sum())
        expected = min(int(np.floor(np.float32(share) * number)), mask.size - number)
        assert int((mask & ~after.masks[path]).sum()) == int((after.masks[path] & ~mask).sum()) == expected


def test_set_grows_anywhere() -> None:
    method = sparse_evolution(training(), SET(sparsity=0.5, period=1))
    network, zero = start(method), jax.tree.map(jnp.zeros_like, draw(0))
    grown = [method.after_gradient(jax.random.key(k), jnp.int32(1), network, zero).masks for k in (0, 0, 1)]
    path = "Dense_0/kernel"
    np.testing.assert_array_equal(grown[0][path], grown[1][path])
    assert (grown[0][path] != grown[2][path]).any()


def test_what_is_grown_starts_at_zero_with_zero_moments() -> None:
    method = rigl(training(), RigL(sparsity=0.5, period=10))
    network = start(method)
    after = hooks.after_gradient(method)(KEY, jnp.int32(10), network, draw(3))
    adam = after.opt_state[0]
    assert int(adam.count) == 1
    for name in SHAPES:
        grown = np.asarray(after.masks[f"{name}/kernel"] & ~network.masks[f"{name}/kernel"])
        assert grown.any()
        assert (np.asarray(after.params[name]["kernel"])[grown] == 0).all()
        for moments in (adam.mu, adam.nu):
            np.testing.assert_array_equal(np.asarray(moments[name]["kernel"]) == 0, grown)
            assert (np.asarray(moments[name]["bias"]) == 1).all()


@pytest.mark.parametrize(
    "optimizer, leaves",
    [
        (optax.sgd(0.1), 0),
        (optax.sgd(0.1, momentum=0.9), 1),
        (optax.rmsprop(0.1, momentum=0.9), 2),
        (optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(0.1)), 2),
        (optax.amsgrad(0.1), 3),
    ],
    ids=["sgd", "momentum", "rmsprop", "chain", "amsgrad"],
)
def test_any_optimizer_forgets(optimizer: optax.GradientTransformation, leaves: int) -> None:
    params = draw(0)
    state = jax.tree.map(lambda leaf: leaf * 0 + 2, optimizer.init(params))
    grown = {"Dense_0/kernel": jnp.arange(54).reshape(6, 9) == 20}  # Dense_1 has nothing grown
    forgotten = forget(state, grown)
    assert jax.tree.structure(forgotten) == jax.tree.structure(state)
    changed = [a != b for a, b in zip(jax.tree.leaves(forgotten), jax.tree.leaves(state), strict=True)]
    assert sum(int(np.sum(change)) for change in changed) == leaves


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["set", "rigl"])
def test_refusals(name: str) -> None:
    with pytest.raises(UserError, match=r"pruning\.structure=2:4"):
        METHODS[name].make(training(structure="2:4"))
    for delay in (0.5, 0.9):  # nothing would be rewired
        with pytest.raises(UserError, match=rf"delay={delay} .*end=0\.5"):
            METHODS[name].make(training(), delay=delay, end=0.5)
    with pytest.raises(UserError, match=r"sparsity=0\.95"):
        METHODS[name].make(training(dense_layers="first"), sparsity=0.95)
    with pytest.raises(ValidationError, match="drop_fraction"):
        METHODS[name].make(training(), drop_fraction=0)


@pytest.mark.parametrize("name", ["set", "rigl"])
@pytest.mark.parametrize(
    "refused, allowed",
    [
        ({"period": 80}, {"period": 79}),  # end: 0.8 of 100
        ({"period": 50, "delay": 0.51}, {"period": 50, "delay": 0.5}),
        ({"period": 10, "delay": 0.71}, {"period": 10, "delay": 0.7}),
    ],
)
def test_a_period_that_rewires_nothing_is_refused(name: str, refused: dict, allowed: dict) -> None:
    with pytest.raises(UserError, match=rf"period={refused['period']}: .* to before 80 \(end\), .* method static"):
        METHODS[name].make(training(), **refused)
    METHODS[name].make(training(), **allowed)


@pytest.mark.parametrize("name", ["set", "rigl"])
def test_a_largest_default_beside_a_period_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="max_period=40: period=10 is given"):
        METHODS[name].make(training(), period=10, max_period=40)
    METHODS[name].make(training(), max_period=40)


def test_static_beyond_the_structure_is_refused() -> None:
    static(training(structure="1:4"), Static(sparsity=0.75))
    with pytest.raises(UserError, match=r"sparsity=0\.8: .* 0\.75 with pruning\.structure=1:4"):
        static(training(structure="1:4"), Static(sparsity=0.8))
