"""EauDeQN: the election, how it changes the networks, and which one acts."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from pydantic import ValidationError

from suite.eaudeqn import CAPS, LARGEST_STEP, SMALLEST_STEP, any_network, eaudeqn, lowest_loss
from suite.errors import UserError
from suite.options import EauDeQNOptions, PrunerOptions
from suite.population import behaviour_probabilities
from suite.sparsity.masks import apply_masks, dense_masks, sparsity
from suite.sparsity.pruner import make_pruner
from suite.types import Network, Training
from tests.support.networks import networks_of

KEY = jax.random.key(0)
ADAM = optax.adam(1e-3)
NAN, INF = float("nan"), float("inf")


# The election --------------------------------------------------------------------------------------------------------

SHAPE = (6, 5)
ONE_LAYER = networks_of({"Dense_0/kernel": SHAPE})


@cache
def make_network(index: int, level: float) -> Network:
    """A network whose every array tells its index."""
    kernel = jax.random.normal(jax.random.key(index), SHAPE)
    params = {"Dense_0": {"kernel": kernel, "bias": jnp.full(5, 1.0 + index)}}
    masks = jax.jit(make_pruner(PrunerOptions(), ONE_LAYER).prune)(
        jax.random.key(0), params, dense_masks(params), jnp.float32(level), None
    )
    params = apply_masks(params, masks)
    moments = jax.tree.map(lambda leaf: leaf + index + 1, ADAM.init(params))
    return Network(params, moments, masks, jnp.float32(0))


def networks(*losses: float) -> tuple[Network, ...]:
    made = (make_network(k, 0.1 * k) for k in range(len(losses)))
    return tuple(network._replace(loss=jnp.float32(loss)) for network, loss in zip(made, losses, strict=True))


@pytest.mark.parametrize(
    "losses, winner",
    [
        ([3, 1, 2], 1),
        ([1, 1, 1], 0),  # the first period: all are the same network
        ([NAN, 2, 1], 2),
        ([INF, -INF, 5], 2),
        ([NAN, INF, 1e38], 2),
        ([NAN, NAN, NAN], -1),
        ([INF, INF, NAN], -1),
        ([7], 0),
        ([NAN], -1),
    ],
)
def test_the_lowest_finite_loss_wins(losses: list[float], winner: int) -> None:
    network = make_network(0, 0)
    assert int(lowest_loss(tuple(network._replace(loss=jnp.float32(loss)) for loss in losses))) == winner


@cache
def compiled(num_networks: int, **options):
    training = Training(1000, 10, ADAM, make_pruner(PrunerOptions(), ONE_LAYER))
    return jax.jit(eaudeqn(training, EauDeQNOptions(num_networks=num_networks, **options)).at_target_update)


def hold_election(losses: list[float], step: int = 500, key: jax.Array = KEY, **options) -> tuple:
    before = networks(*losses)
    after, _, election = compiled(len(losses), **options)(key, jnp.int32(step), before, None)
    return before, after, election


def assert_same(left, right) -> None:
    jax.tree.map(np.testing.assert_array_equal, left, right)


@pytest.mark.parametrize("losses, winner", [([3, 2, 1], 2), ([1, 2, 3], 0), ([NAN, 1, 2], 1)])
def test_the_elected_network_goes_on_unchanged(losses: list[float], winner: int) -> None:
    before, after, election = hold_election(losses)
    assert int(election.elected) == winner
    assert_same(after[0]._replace(loss=0), before[winner]._replace(loss=0))
    assert election.reset.tolist() == [False, True, True]


def test_the_others_become_its_sparser_copies() -> None:
    before, after, _ = hold_election([3, 2, 1, 4], max_speed=0.4, max_noise=100)
    elected, fresh = before[2], ADAM.init(before[2].params)
    level = float(sparsity(elected.masks))
    assert level == pytest.approx(0.2, abs=0.02)
    for network in after[1:]:
        assert_same(network.params, elected.params)  # the learner applies the masks
        assert_same(network.opt_state, fresh)
        mask = np.asarray(network.masks["Dense_0/kernel"])
        assert not (mask & ~np.asarray(elected.masks["Dense_0/kernel"])).any()  # nested
        assert level <= float(sparsity(network.masks)) <= level + 0.4 + 0.02
    assert max(float(sparsity(network.masks)) for network in after[1:]) > level


def test_copies_differ_also_where_the_cap_binds() -> None:
    """With 960 of 1,000 gradient steps done all draws propose more than 0.3: a clip leaves one level."""
    levels = {}
    for cap in CAPS:
        _, after, _ = hold_election([1, 2, 3, 4, 5], step=960, cap=cap, max_noise=10, max_speed=0.3)
        levels[cap] = {float(sparsity(network.masks)) for network in after[1:]}
    assert len(levels["clip"]) == 1
    assert len(levels["scale"]) >= 3
    assert max(levels["scale"]) <= max(levels["clip"])


def test_without_a_reset_the_copies_keep_the_elected_optimizer() -> None:
    before, after, election = hold_election([3, 1, 2], reset_optimizer=False)
    for network in after[1:]:
        assert_same(network.opt_state, before[1].opt_state)
    assert not election.reset.any()


@pytest.mark.parametrize("law", ["power", "linear"])
def test_no_noise_prunes_nothing(law: str) -> None:
    before, after, _ = hold_election([2, 1, 3], step=990, max_noise=0, law=law)
    for network in after:
        assert_same(network.masks, before[1].masks)


@pytest.mark.parametrize("step", [990, 1000, 1003, 5000])
def test_at_and_after_the_horizon_every_layer_keeps_a_weight(step: int) -> None:
    """Epochs end with episodes, so a run takes a few gradient steps more than its horizon."""
    _, after, _ = hold_election([1, 2, 3], step=step, max_speed=1.0)
    for network in after[1:]:
        assert int(network.masks["Dense_0/kernel"].sum()) >= 1
        assert np.isfinite(float(sparsity(network.masks)))


def test_nobody_elected_is_told() -> None:
    before, after, election = hold_election([NAN, NAN, INF])
    assert int(election.elected) == -1
    assert_same(after[0].params, before[0].params)


@pytest.mark.parametrize("updates, speed", [(1250, 0.01), (125, 0.1), (5, 1.0)])
def test_the_default_speed_is_the_papers_over_its_1250_updates(updates: int, speed: float) -> None:
    """Seen through the law "power" with so much noise that the cap alone decides."""
    method = eaudeqn(
        Training(updates * 10, 10, ADAM, make_pruner(PrunerOptions(), ONE_LAYER)),
        EauDeQNOptions(num_networks=2, max_noise=1e6),
    )
    params = {"Dense_0": {"kernel": jax.random.normal(jax.random.key(0), (100, 100))}}
    network = Network(params, ADAM.init(params), dense_masks(params), jnp.float32(1))
    after, _, _ = jax.jit(method.at_target_update)(jax.random.key(3), jnp.int32(10), (network, network), None)
    assert float(sparsity(after[1].masks)) == pytest.approx(speed, abs=2e-4)


def test_levels_of_ten_elections_by_plain_arithmetic() -> None:
    """One network without a kept copy, and so much noise that each election takes the largest step."""
    sizes = {"Dense_0": (20, 30), "Dense_1": (30, 7)}
    layers = networks_of({f"{name}/kernel": size for name, size in sizes.items()})
    method = eaudeqn(
        Training(100, 10, ADAM, make_pruner(PrunerOptions(distribution="uniform"), layers)),
        EauDeQNOptions(num_networks=1, keep_copy=False, max_noise=1e6, max_speed=0.05, cap="clip"),
    )
    params = {
        name: {"kernel": jax.random.normal(jax.random.key(k), size)} for k, (name, size) in enumerate(sizes.items())
    }
    networks = (Network(params, ADAM.init(params), dense_masks(params), jnp.float32(1)),)
    at_target_update, kept = jax.jit(method.at_target_update), {"Dense_0": 600, "Dense_1": 210}
    for step in range(10, 101, 10):
        networks, _, _ = at_target_update(KEY, jnp.int32(step), networks, None)
        density = sum(kept.values()) / 810 - 0.05
        kept = {"Dense_0": round(density * 600), "Dense_1": round(density * 210)}
        assert {name: int(networks[0].masks[f"{name}/kernel"].sum()) for name in sizes} == kept
    assert kept == {"Dense_0": 300, "Dense_1": 105}


# Ablations -----------------------------------------------------------------------------------------------------------


def test_a_random_election_is_uniform_over_the_finite() -> None:
    candidates = networks(5, NAN, 1, 3)
    draw = jax.jit(jax.vmap(lambda key: any_network(key, candidates)))
    winners = np.bincount(draw(jax.random.split(jax.random.key(0), 600)), minlength=4)
    assert winners[1] == 0
    assert (np.abs(winners[[0, 2, 3]] - 200) < 45).all()
    assert int(any_network(jax.random.key(0), networks(NAN, INF))) == -1
    elections = [hold_election([1, 2, 3], elect="random", key=jax.random.key(k))[2] for k in range(20)]
    assert {int(election.elected) for election in elections} == {0, 1, 2}


def test_without_a_kept_copy_all_become_sparser() -> None:
    before, after, election = hold_election([3, 1, 2], keep_copy=False, max_noise=100, max_speed=0.3)
    assert len(after) == 3
    assert election.reset.tolist() == [True] * 3
    level = float(sparsity(before[1].masks))
    assert min(float(sparsity(network.masks)) for network in after) > level
    (only,), election = hold_election([1], keep_copy=False, max_noise=100, max_speed=0.3)[1:]
    assert float(sparsity(only.masks)) > 0 and election.reset.tolist() == [True]


def test_shared_draws_make_copies_alike() -> None:
    _, after, _ = hold_election([1, 2, 3, 4], step=0, max_noise=100, max_speed=0.4, shared_draws=True)
    levels = [float(sparsity(network.masks)) for network in after]
    assert levels[0] < levels[1] == levels[2] == levels[3]


def test_one_network_with_a_kept_copy_is_never_pruned() -> None:
    _, after, election = hold_election([1], shared_draws=True)
    assert len(after) == 1 and float(sparsity(after[0].masks)) == 0 and not election.reset.any()


# The law "success" ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "losses, factor",
    [
        ([2, 1, 3], 1.2),  # a pruned copy won
        ([1, 2, 3], 1.2**-0.25),
        ([1, 1, 3], 1.2),  # one that is no worse: the first period, or a copy that has lost nothing
        ([1, NAN, 3], 1.2**-0.25),
        ([NAN, 2, 3], 1.2),
    ],
)
def test_the_step_is_remembered_from_election_to_election(losses: list[float], factor: float) -> None:
    method = compiled(3, law="success")
    _, step, _ = method(jax.random.key(0), jnp.int32(10), networks(*losses), jnp.float32(0.01))
    assert float(step) == pytest.approx(0.01 * factor)


def test_the_law_success_knows_no_horizon() -> None:
    params = {"Dense_0": {"kernel": jax.random.normal(jax.random.key(0), (100, 100))}}
    network = Network(params, ADAM.init(params), dense_masks(params), jnp.float32(1))
    found = []
    for horizon in (100, 1_000_000):
        method = eaudeqn(
            Training(horizon, 10, ADAM, make_pruner(PrunerOptions(), ONE_LAYER)), EauDeQNOptions(law="success")
        )
        assert float(method.memory) == pytest.approx(0.01)
        better = network._replace(loss=jnp.float32(0.5))
        after, _, _ = jax.jit(method.at_target_update)(
            jax.random.key(3), jnp.int32(90), (network, *[better] * 4), method.memory
        )
        found.append([float(sparsity(n.masks)) for n in after])
    assert found[0] == found[1]
    assert found[0][0] == 0
    assert all(0.0011 <= level <= 0.0121 for level in found[0][1:])  # from a tenth of the step of 0.012 up to it


def test_the_first_step_is_within_the_bounds_of_all_steps() -> None:
    """Beyond them the first election would replace it."""
    for step, beyond in ((SMALLEST_STEP, 0.99), (LARGEST_STEP, 1.01)):
        assert EauDeQNOptions(first_step=step).first_step == step
        with pytest.raises(ValidationError, match="first_step"):
            EauDeQNOptions(first_step=beyond * step)


@pytest.mark.parametrize(
    ("law", "option", "value"),
    [
        ("success", "max_speed", 0.1),
        ("success", "max_noise", 2.0),
        ("success", "cap", "clip"),
        ("success", "keep_copy", False),
        ("power", "first_step", 0.02),
        ("linear", "growth", 1.5),
        ("power", "success_rate", 0.5),
        ("power", "smoothing", 0.1),
    ],
)
def test_an_option_that_does_nothing_is_refused(law: str, option: str, value: float | str | bool) -> None:
    training = Training(100, 10, ADAM, make_pruner(PrunerOptions(), ONE_LAYER))
    with pytest.raises(UserError, match=option):
        eaudeqn(training, EauDeQNOptions(**{"law": law, option: value}))


# Who acts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule, losses, expected",
    [
        ("inverse_loss", [1, 2, 4], [4 / 7, 2 / 7, 1 / 7]),
        ("inverse_loss", [0, 0, 0], [1 / 3, 1 / 3, 1 / 3]),  # right after a target update
        ("inverse_loss", [0, 1e-6, 3e-6], [4 / 7, 2 / 7, 1 / 7]),  # 1e6, 5e5, 2.5e5
        ("inverse_loss", [1, NAN, 3], [0.75, 0, 0.25]),
        ("inverse_loss", [INF, 1, NAN], [0, 1, 0]),
        ("uniform", [1, 2, 3], [1 / 3, 1 / 3, 1 / 3]),
        ("uniform", [1, NAN, 3], [0.5, 0, 0.5]),
        ("elected", [9, 1, 1], [1, 0, 0]),
        ("inverse_loss", [5], [1]),
        # None is usable: any of them, until the target update says so.
        ("inverse_loss", [NAN, NAN], [0.5, 0.5]),
        ("elected", [NAN, INF], [0.5, 0.5]),
        # A network without a finite loss never acts if one has it.
        ("elected", [NAN, 1, 1], [0, 0.5, 0.5]),
        ("elected", [INF, 1], [0, 1]),
        ("inverse_loss", [3e38, NAN], [1, 0]),
    ],
)
def test_behaviour_probabilities_by_hand(rule: str, losses: list[float], expected: list[float]) -> None:
    found = jax.jit(behaviour_probabilities, static_argnums=0)(rule, jnp.array(losses, jnp.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
