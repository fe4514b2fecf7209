"""The learner: what holds after every update of every method, what a step costs, and how it acts."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from baselines.registry import METHODS
from suite import dispatch, population
from suite.agents import DQNOptions
from suite.agents.dqn import dqn
from suite.learner import Learner
from suite.options import PrunerOptions
from suite.population import over_trees
from suite.sparsity.pruner import make_pruner
from suite.types import LearnerState, Network, Training
from tests.support.learners import ACTIONS, EAGER, OBSERVATIONS, UPDATES, batches, learner_of
from tests.support.learning import PERIOD, learner_with
from tests.support.methods import NEVER_PRUNE

# Networks side by side -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accelerator", [False, True])
def test_over_trees_keeps_networks_and_shared_arguments_apart(
    monkeypatch: pytest.MonkeyPatch, accelerator: bool
) -> None:
    monkeypatch.setattr(population, "on_accelerator", lambda: accelerator)
    networks = tuple({"a": jnp.full((2,), float(k)), "b": jnp.int32(k)} for k in range(3))
    function = jax.jit(lambda networks, shared: over_trees(lambda n: (n["a"] * shared.sum(), n["b"] + 1), networks))
    result = function(networks, jnp.ones(4))
    assert isinstance(result, tuple)
    assert [r[0].tolist() for r in result] == [[0, 0], [4, 4], [8, 8]]
    assert [int(r[1]) for r in result] == [1, 2, 3]


# What a step costs ---------------------------------------------------------------------------------------------------


def searches(jaxpr) -> int:
    """Loops and sorts that run at every step: those in a branch run only when it is taken."""
    found = 0
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        found += name in ("while", "scan", "sort", "top_k")
        if name in ("pjit", "jit", "closed_call", "custom_jvp_call", "custom_vjp_call"):
            inner = next(v for v in equation.params.values() if hasattr(v, "jaxpr"))
            found += searches(inner.jaxpr)
    return found


@pytest.mark.parametrize("method", METHODS)
def test_no_ranking_where_no_pruning_is_due(method: str) -> None:
    learner = learner_of(method, **EAGER.get(method, {}))
    jaxpr = jax.make_jaxpr(learner.gradient_step)(learner.init(0), batches(1)[0]).jaxpr
    assert searches(jaxpr) == 0
    sparsifier = METHODS[method].make(Training(1_000, PERIOD, optax.sgd(1.0), make_pruner(PrunerOptions())))
    if sparsifier.after_gradient:
        assert int(jax.vmap(sparsifier.due)(jnp.arange(1, 1_001)).sum()) <= 100


def test_a_hook_is_called_when_it_is_due_on_every_page_of_the_calendar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "PAGE", 4)
    learner = learner_of.__wrapped__("gmp", start=0.0, end=1.0, period=7, power=1)
    for told in (False, True):
        state, levels = learner.init(0), [0.0]
        for number, batch in enumerate(batches(UPDATES)):
            state = learner.update(state, batch, number) if told else learner.update(state, batch)
            levels.append(float(learner.measure(state)["sparsity"]))
        rises = [step for step in range(1, UPDATES + 1) if levels[step] > levels[step - 1]]
        assert rises == [*range(7, UPDATES, 7), UPDATES]  # and at the schedule's end


# What holds for every method -----------------------------------------------------------------------------------------


@jax.jit
def leaked(networks: list[Network]) -> jax.Array:
    """How many pruned weights are not exactly zero, over all networks."""
    counts = [
        jnp.sum(~mask & (network.params[path.split("/")[0]]["kernel"] != 0))
        for network in networks
        for path, mask in network.masks.items()
    ]
    return sum(counts, start=jnp.int32(0))


def in_use(learner: Learner, state: LearnerState) -> list[Network]:
    """The networks as they compute: the pruned weights that some methods keep are zero."""
    return [learner.policy(state._replace(online=(network,))) for network in state.online]


@pytest.mark.parametrize("method", METHODS)
def test_what_holds_after_every_update(method: str) -> None:
    """No pruned weight leaks, losses cumulate and are zeroed, the target is the elected network, K stays K."""
    learner = learner_of(method, **EAGER.get(method, {}))
    state = learner.init(1)
    size, before = len(state.online), np.zeros(len(state.online))
    levels = []
    for number, batch in enumerate(batches(100), start=1):  # beyond the horizon of 60, as a real run goes
        state = learner.update(state, batch)
        assert int(state.step) == number
        assert int(leaked(in_use(learner, state))) == 0, f"after gradient step {number}"
        losses = np.array([float(network.loss) for network in state.online])
        assert (losses > before).all()
        before = losses
        if number % PERIOD == 0:
            candidates = [jax.tree.map(np.array, network.params) for network in in_use(learner, state)]
            state, update = learner.update_target(state)
            assert int(leaked(in_use(learner, state))) == 0, f"after the target update at {number}"
            np.testing.assert_array_equal(update.losses, losses)
            assert int(update.elected) == int(np.argmin(losses))
            # As it was before the method pruned it: distill's online network is a sparser copy of its target.
            jax.tree.map(np.testing.assert_array_equal, state.target, candidates[int(update.elected)])
            assert [float(network.loss) for network in state.online] == [0] * size
            before = np.zeros(size)
            levels.append(float(learner.measure(state)["sparsity"]))
            assert levels[-1] == pytest.approx(float(update.sparsities[0]))
            if size > 1:
                assert float(update.sparsities_before[int(update.elected)]) == levels[-1]
    assert len(state.online) == size
    assert levels == sorted(levels)
    assert (levels[-1] > 0.1) == (method not in NEVER_PRUNE)


def test_a_target_update_leaves_the_elected_network_alone() -> None:
    """Its weights, masks and optimizer, in the last place as in the first."""
    learner = learner_of("eaudeqn")
    state = learner.init(0)
    seen = set()
    for number, batch in enumerate(batches(UPDATES), start=1):
        state = learner.update(state, batch)
        if number % PERIOD == 0:
            before = jax.tree.map(np.array, state.online)
            state, update = learner.update_target(state)
            winner = int(update.elected)
            seen.add(winner)
            jax.tree.map(np.testing.assert_array_equal, state.online[0][:3], before[winner][:3])
            for network in state.online[1:]:
                assert int(network.opt_state[0].count) == 0
            assert int(state.online[0].opt_state[0].count) > 0
    assert len(seen) > 1  # elections were not all won by the same place


def test_the_target_stays_between_target_updates() -> None:
    learner = learner_of("dense")
    state = learner.init(0)
    target = jax.tree.map(np.array, state.target)
    for batch in batches(5):
        state = learner.update(state, batch)
    jax.tree.map(np.testing.assert_array_equal, state.target, target)
    assert np.abs(np.asarray(state.online[0].params["Dense_0"]["kernel"]) - target["Dense_0"]["kernel"]).max() > 0


# Measuring, acting, randomness ---------------------------------------------------------------------------------------


def test_seeds_give_different_networks_and_the_same_seed_the_same() -> None:
    learner = learner_of("dense")
    kernels = [np.asarray(learner.init(seed).online[0].params["Dense_0"]["kernel"]) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.allclose(kernels[0], kernels[2])


def test_epsilon_greedy_follows_the_agent_step() -> None:
    agent = dqn(
        OBSERVATIONS, ACTIONS, DQNOptions(network="mlp", width=4, epsilon_start=1.0, epsilon_end=0.0, epsilon_decay=100)
    )
    learner = learner_with(agent, "dense", 10, 5)
    observation = np.ones(4, np.float32)
    state = learner.init(0)
    greedy = int(learner.act_greedily(state, observation, np.int32(0)))
    late = [int(learner.act(state, observation, np.int32(step))) for step in range(100, 140)]
    assert set(late) == {greedy}
    early = [int(learner.act(state._replace(key=jax.random.key(k)), observation, np.int32(0))) for k in range(60)]
    assert min(np.bincount(early, minlength=3)) >= 5  # uniform over the three


def test_the_behaviour_network_is_drawn_among_the_population() -> None:
    """Two networks of opposite taste: `elected` always follows the first, `uniform` both."""
    agent = dqn(OBSERVATIONS, ACTIONS, DQNOptions(network="mlp", width=4, epsilon_start=0, epsilon_end=0))
    drawn = {}
    for behaviour in ("uniform", "elected", "inverse_loss"):
        learner = learner_with(agent, "eaudeqn", 100, learner={"behaviour": behaviour}, num_networks=2)
        state = learner.init(0)
        online = []
        for network, action, loss in zip(state.online, (0, 2), (4.0, 1.0), strict=True):
            params = jax.tree.map(jnp.zeros_like, network.params)
            params["Dense_1"]["bias"] = params["Dense_1"]["bias"].at[action].set(1)
            online.append(network._replace(params=params, loss=jnp.float32(loss)))
        state = state._replace(online=tuple(online))
        actions = [int(learner.act(state, np.ones(4, np.float32), np.int32(step))) for step in range(100)]
        drawn[behaviour] = np.bincount(actions, minlength=3)
    assert drawn["elected"].tolist() == [100, 0, 0]
    assert 30 <= drawn["uniform"][0] <= 70
    assert drawn["uniform"][1] == 0
    assert 5 <= drawn["inverse_loss"][0] <= 36  # a fifth: p ~ 1/4 : 1


@pytest.mark.parametrize("loss, expected", [("mse", 4.0), ("half_mse", 2.0), ("huber", 1.5)])
def test_losses_by_hand(loss: str, expected: float) -> None:
    """Q = 0 everywhere and y = 2: mean((0 - 2)^2) = 4, half of it, and Huber's 2 - 1/2."""
    agent = dqn(OBSERVATIONS, ACTIONS, DQNOptions(network="mlp", width=4, loss=loss))
    params = jax.tree.map(jnp.zeros_like, agent.init(jax.random.key(0)))
    batch = batches(1)[0]
    assert float(agent.loss(params, batch, jnp.full(8, 2.0))) == pytest.approx(expected)
