"""The learner: equivalences between methods, against a plain DQN, and what holds after every update."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from gymnasium import spaces

from baselines import METHODS
from suite import learner as learners
from suite.agents.dqn import dqn
from suite.learner import Learner, make_learner
from suite.mapping import over_networks
from suite.pruning import make_pruner
from suite.sparsity import dense_masks
from suite.types import Batch, LearnerState, Network, Params, Training

OBSERVATIONS, ACTIONS = spaces.Box(-1, 1, (4,), np.float32), spaces.Discrete(3)
LEARNING_RATE, EPSILON, WIDTH = 3e-3, 1.5e-4, 16
PERIOD, UPDATES = 10, 60


def batches(count: int, size: int = 8, seed: int = 0) -> list[Batch]:
    rng = np.random.default_rng(seed)
    return [
        Batch(
            observation=rng.standard_normal((size, 4)).astype(np.float32),
            action=rng.integers(3, size=size).astype(np.int32),
            reward=rng.standard_normal(size).astype(np.float32),
            discount=(0.9 * (rng.random(size) > 0.2)).astype(np.float32),
            next_observation=rng.standard_normal((size, 4)).astype(np.float32),
        )
        for _ in range(count)
    ]


@cache
def learner_of(method: str, vectorize: bool | None = None, distribution: str = "erk", **options) -> Learner:
    agent = dqn(OBSERVATIONS, ACTIONS, network="mlp", width=WIDTH, learning_rate=LEARNING_RATE, adam_epsilon=EPSILON)
    training = Training(UPDATES, PERIOD, agent.optimizer, make_pruner(distribution=distribution))
    return make_learner(agent, METHODS[method](training, **options), target_update_period=PERIOD, vectorize=vectorize)


def train(learner: Learner, data: list[Batch], seed: int = 0) -> tuple[LearnerState, list[dict], list[np.ndarray]]:
    """The state at the end, the target updates, and the losses of the K networks after each gradient step."""
    state, updates, losses = learner.init(seed), [], []
    for number, batch in enumerate(data, start=1):
        state = learner.update(state, batch)
        losses.append(np.array([float(network.loss) for network in state.online]))
        if number % PERIOD == 0:
            state, update = learner.update_target(state)
            updates.append({name: np.asarray(value) for name, value in update._asdict().items()})
    return state, updates, losses


EAGER: dict[str, dict] = {
    **{name: {"start": 0.0, "end": 1.0, "period": 7} for name in ("gmp", "linear", "cosine", "exponential", "ste")},
    **{name: {"start": 0.0, "end": 1.0} for name in ("distill", "iterative")},
    **{name: {"period": 7} for name in ("set", "rigl")},
}


def assert_close(left, right, **tolerance) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), left, right)


def assert_same_learning(left: Learner, right: Learner) -> None:
    """Parameters, optimizers, targets and losses. Not bit by bit: with masks in it the program is fused otherwise."""
    data = batches(UPDATES)
    (one, one_updates, one_losses), (two, two_updates, two_losses) = train(left, data), train(right, data)
    for a, b in zip(one.online, two.online, strict=True):
        assert_close((a.params, a.opt_state), (b.params, b.opt_state), rtol=1e-5, atol=1e-6)
    assert_close(one.target, two.target, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(one_losses, two_losses, rtol=1e-5)
    for a, b in zip(one_updates, two_updates, strict=True):
        np.testing.assert_allclose(a["losses"], b["losses"], rtol=1e-5)
        assert a["elected"] == b["elected"] == 0


# Equivalences --------------------------------------------------------------------------------------------------------


def plain_dqn(params: dict, data: list[Batch]) -> tuple[dict, dict, list[float]]:
    """DQN without any of the suite: (parameters, target, cumulated losses), each target held for PERIOD updates."""
    optimizer = optax.adam(LEARNING_RATE, eps=EPSILON)
    opt_state = optimizer.init(params)

    def q(params, x):
        hidden = jnp.maximum(x @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"], 0)
        return hidden @ params["Dense_1"]["kernel"] + params["Dense_1"]["bias"]

    def loss(params, target, batch):
        y = batch.reward + batch.discount * q(target, batch.next_observation).max(axis=1)
        chosen = q(params, batch.observation)[jnp.arange(len(y)), batch.action]
        return jnp.mean((chosen - y) ** 2)

    @jax.jit
    def step(params, opt_state, target, batch):
        value, gradients = jax.value_and_grad(loss)(params, target, batch)
        updates, opt_state = optimizer.update(gradients, opt_state)
        return optax.apply_updates(params, updates), opt_state, value

    target, cumulated, losses = params, 0.0, []
    for number, batch in enumerate(data, start=1):
        params, opt_state, value = step(params, opt_state, target, batch)
        cumulated += float(value)
        losses.append(cumulated)
        if number % PERIOD == 0:
            target, cumulated = params, 0.0
    return params, target, losses


def test_dense_is_plain_dqn() -> None:
    learner, data = learner_of("dense"), batches(UPDATES + 5)
    initial = jax.tree.map(np.asarray, learner.init(0).online[0].params)
    state, updates, losses = train(learner, data)
    params, target, expected_losses = plain_dqn(initial, data)
    assert_close(state.online[0].params, params, rtol=1e-5, atol=1e-6)
    assert_close(state.target, target, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose([loss[0] for loss in losses], expected_losses, rtol=1e-5)
    assert len(updates) == UPDATES // PERIOD
    # A test that can fail: learning moved the parameters far beyond the tolerance.
    moved = np.abs(np.asarray(params["Dense_0"]["kernel"]) - initial["Dense_0"]["kernel"]).mean()
    assert moved > 1e-2


def test_eaudeqn_with_one_network_and_no_noise_is_dense() -> None:
    assert_same_learning(learner_of("eaudeqn", num_networks=1, max_noise=0), learner_of("dense"))


@pytest.mark.parametrize(
    "method, options",
    [
        ("gmp", {"period": 1, "start": 0, "end": 1}),
        ("gmp", {"period": 1, "start": 0, "end": 1, "regrow": True}),
        ("ste", {"period": 1, "start": 0, "end": 1}),
        ("distill", {"start": 0, "end": 1}),
        ("iterative", {}),
        ("constant", {}),
    ],
)
def test_pruning_to_zero_is_dense(method: str, options: dict) -> None:
    assert_same_learning(learner_of(method, final_sparsity=0, **options), learner_of("dense"))


@pytest.mark.parametrize("method, options", [("static", {}), ("set", {"period": 1}), ("rigl", {"period": 1})])
def test_no_sparsity_from_the_start_is_dense(method: str, options: dict) -> None:
    assert_same_learning(learner_of(method, sparsity=0, **options), learner_of("dense"))


def test_vectorized_is_unrolled() -> None:
    """Batched matrix products sum in another order: single precision's 1e-7 a step, grown over 60 steps of Adam."""
    options = {"num_networks": 3}
    data = batches(UPDATES)
    one, one_updates, one_losses = train(learner_of("eaudeqn", vectorize=False, **options), data)
    two, two_updates, two_losses = train(learner_of("eaudeqn", vectorize=True, **options), data)
    np.testing.assert_allclose(one_losses, two_losses, rtol=1e-4)
    for a, b in zip(one_updates, two_updates, strict=True):
        assert a["elected"] == b["elected"]
        np.testing.assert_array_equal(a["sparsities"], b["sparsities"])
    for a, b in zip(one.online, two.online, strict=True):
        assert_close(a.masks, b.masks, rtol=0, atol=0)
        assert_close(a.params, b.params, rtol=1e-3, atol=1e-5)
    assert one_updates[-1]["sparsities"].min() > 0.1  # pruned networks were elected


@pytest.mark.parametrize("vectorize", [False, True])
def test_over_networks_keeps_networks_and_shared_arguments_apart(vectorize: bool) -> None:
    networks = tuple({"a": jnp.full((2,), float(k)), "b": jnp.int32(k)} for k in range(3))
    function = jax.jit(
        lambda networks, shared: over_networks(
            lambda n, s: (n["a"] * s.sum(), n["b"] + 1), networks, shared, vectorize=vectorize
        )
    )
    result = function(networks, jnp.ones(4))
    assert isinstance(result, tuple)
    assert [r[0].tolist() for r in result] == [[0, 0], [4, 4], [8, 8]]
    assert [int(r[1]) for r in result] == [1, 2, 3]


# Methods that keep pruned weights ------------------------------------------------------------------------------------


def plain_sparse_dqn(params: dict, data: list[Batch], *, level: float, dense_gradient: bool) -> tuple[dict, list[dict]]:
    """DQN whose masks are made anew of all weights before each update: (weights, the weights in use after each)."""
    optimizer = optax.adam(LEARNING_RATE, eps=EPSILON)
    opt_state, target, used = optimizer.init(params), params, []

    def masks_of(params):
        def largest(leaf):
            order = np.argsort(-np.abs(np.asarray(leaf)).ravel(), kind="stable")
            mask = np.zeros(leaf.size, bool)
            mask[order[: int(np.round((1 - level) * leaf.size))]] = True
            return mask.reshape(leaf.shape)

        return {name: {"kernel": largest(layer["kernel"]), "bias": True} for name, layer in params.items()}

    def q(params, x):
        hidden = jnp.maximum(x @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"], 0)
        return hidden @ params["Dense_1"]["kernel"] + params["Dense_1"]["bias"]

    @jax.jit
    def slopes(params, target, batch):
        y = batch.reward + batch.discount * q(target, batch.next_observation).max(axis=1)
        rows = jnp.arange(len(y))
        return jax.grad(lambda params: jnp.mean((q(params, batch.observation)[rows, batch.action] - y) ** 2))(params)

    def masked(tree):
        return jax.tree.map(lambda leaf, mask: jnp.where(mask, leaf, 0), tree, masks)

    masks = jax.tree.map(np.ones_like, params)
    for number, batch in enumerate(data, start=1):
        gradients = slopes(masked(params), target, batch)
        updates, opt_state = optimizer.update(gradients if dense_gradient else masked(gradients), opt_state)
        params = optax.apply_updates(params, updates if dense_gradient else masked(updates))
        masks = masks_of(params)
        used.append(masked(params))
        if number % PERIOD == 0:
            target = masked(params)
    return params, used


@pytest.mark.parametrize("method, options, dense_gradient", [("ste", {}, True), ("gmp", {"regrow": True}, False)])
def test_masks_made_anew_of_all_weights(method: str, options: dict, dense_gradient: bool) -> None:
    """Held against a plain implementation: loss, target and policy read masked weights; ste's gradient goes to all."""
    level, data = 0.5, batches(2 * PERIOD + 3)
    options = {**options, "distribution": "uniform", "start": 0, "end": 1e-9, "period": 1}
    learner = learner_of(method, final_sparsity=level, **options)
    initial = jax.tree.map(np.asarray, learner.init(0).online[0].params)
    state, _, _ = train(learner, data)
    params, used = plain_sparse_dqn(initial, data, level=level, dense_gradient=dense_gradient)
    assert_close(state.online[0].params, params, rtol=1e-4, atol=1e-5)
    assert_close(state.target, used[2 * PERIOD - 1], rtol=1e-4, atol=1e-5)
    assert_close(learner.policy(state).params, used[-1], rtol=1e-4, atol=1e-5)
    kept = np.asarray(state.online[0].params["Dense_0"]["kernel"])[~np.asarray(state.online[0].masks["Dense_0/kernel"])]
    assert (kept != 0).all()  # which the policy has not
    zero = np.asarray(learner.policy(state).params["Dense_0"]["kernel"]) == 0
    np.testing.assert_array_equal(zero, ~np.asarray(state.online[0].masks["Dense_0/kernel"]))


@pytest.mark.parametrize("method, options", [("ste", {}), ("gmp", {"regrow": True})])
def test_acting_reads_masked_weights(method: str, options: dict) -> None:
    """Action 2 is best by a weight that is pruned, else action 1."""
    agent = dqn(OBSERVATIONS, ACTIONS, network="mlp", width=4, epsilon_start=0, epsilon_end=0, epsilon_evaluation=0)
    sparsifier = METHODS[method](Training(UPDATES, PERIOD, agent.optimizer, make_pruner()), **options)
    learner = make_learner(agent, sparsifier, target_update_period=PERIOD)
    state = learner.init(0)
    params: Params = jax.tree.map(jnp.zeros_like, state.online[0].params)
    params["Dense_0"]["bias"] = jnp.ones(4)
    params["Dense_1"]["kernel"] = params["Dense_1"]["kernel"].at[0, 2].set(5.0).at[0, 1].set(1.0)
    masks = dense_masks(params)
    hidden = {**masks, "Dense_1/kernel": masks["Dense_1/kernel"].at[0, 2].set(False)}
    for mask, action in ((masks, 2), (hidden, 1)):
        seen = state._replace(online=(state.online[0]._replace(params=params, masks=mask),))
        assert int(learner.act(seen, np.ones(4, np.float32), np.int32(0))) == action
        assert int(learner.act_greedily(seen, np.ones(4, np.float32), np.int32(0))) == action


# Losses in the election ----------------------------------------------------------------------------------------------


def test_a_smoothed_election_weighs_late_losses_more() -> None:
    """Two networks' losses by gradient step: their exponential moving averages, from the same value, say who wins."""
    rate, data = 0.3, batches(PERIOD)
    plain, smoothed = (
        learner_of("eaudeqn", num_networks=1, elect=elect, smoothing=rate) for elect in ("loss", "smoothed")
    )
    _, _, cumulated = train(plain, data)
    losses = np.diff(np.concatenate([[0.0], np.array(cumulated)[:, 0]]))
    weights = (1 - rate) ** np.arange(PERIOD - 1, -1, -1)
    expected = np.cumsum(losses * weights * PERIOD / weights.sum())
    _, _, found = train(smoothed, data)
    np.testing.assert_allclose(np.array(found)[:, 0], expected, rtol=1e-3)


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
    sparsifier = METHODS[method](Training(1_000, PERIOD, optax.sgd(1.0), make_pruner()))
    if sparsifier.after_gradient:
        assert int(jax.vmap(sparsifier.due)(jnp.arange(1, 1_001)).sum()) <= 100


def test_a_hook_is_called_when_it_is_due_on_every_page_of_the_calendar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learners, "PAGE", 4)
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
    assert (levels[-1] > 0.1) == (method != "dense")


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


def test_layer_sparsity_is_measured_by_path() -> None:
    learner = learner_of("gmp", **EAGER["gmp"])
    state, _, _ = train(learner, batches(UPDATES))
    measured = learner.measure(state)
    assert set(measured["layer_sparsity"]) == {"Dense_0/kernel", "Dense_1/kernel"}
    for path, value in measured["layer_sparsity"].items():
        kernel = np.asarray(state.online[0].params[path.split("/")[0]]["kernel"])
        assert float(value) == pytest.approx(np.mean(kernel == 0))


def test_seeds_give_different_networks_and_the_same_seed_the_same() -> None:
    learner = learner_of("dense")
    kernels = [np.asarray(learner.init(seed).online[0].params["Dense_0"]["kernel"]) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert not np.allclose(kernels[0], kernels[2])


def test_networks_share_no_memory() -> None:
    """Their buffers are donated one by one: one that is shared would be gone."""
    learner = learner_of("eaudeqn", reset_optimizer=False)
    state = learner.init(0)
    for network in state.online[1:]:
        jax.tree.map(np.testing.assert_array_equal, network.params, state.online[0].params)
    for _ in range(2):
        leaves = jax.tree.leaves((state.online, state.target))
        pointers = [leaf.unsafe_buffer_pointer() for leaf in leaves]
        assert len(pointers) == len(set(pointers))
        state, _ = learner.update_target(state)


def test_epsilon_greedy_follows_the_agent_step() -> None:
    agent = dqn(OBSERVATIONS, ACTIONS, network="mlp", width=4, epsilon_start=1.0, epsilon_end=0.0, epsilon_decay=100)
    learner = make_learner(
        agent, METHODS["dense"](Training(10, 5, agent.optimizer, make_pruner())), target_update_period=5
    )
    observation = np.ones(4, np.float32)
    state = learner.init(0)
    greedy = int(learner.act_greedily(state, observation, np.int32(0)))
    late = [int(learner.act(state, observation, np.int32(step))) for step in range(100, 140)]
    assert set(late) == {greedy}
    early = [int(learner.act(state._replace(key=jax.random.key(k)), observation, np.int32(0))) for k in range(60)]
    assert min(np.bincount(early, minlength=3)) >= 5  # uniform over the three


def test_the_behaviour_network_is_drawn_among_the_population() -> None:
    """Two networks of opposite taste: `elected` always follows the first, `uniform` both."""
    agent = dqn(OBSERVATIONS, ACTIONS, network="mlp", width=4, epsilon_start=0, epsilon_end=0)
    method = METHODS["eaudeqn"](Training(100, 10, agent.optimizer, make_pruner()), num_networks=2)
    drawn = {}
    for behaviour in ("uniform", "elected", "inverse_loss"):
        learner = make_learner(agent, method, target_update_period=10, behaviour=behaviour)
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
    agent = dqn(OBSERVATIONS, ACTIONS, network="mlp", width=4, loss=loss)
    params = jax.tree.map(jnp.zeros_like, agent.init(jax.random.key(0)))
    batch = batches(1)[0]
    assert float(agent.loss(params, batch, jnp.full(8, 2.0))) == pytest.approx(expected)


def test_the_target_bootstraps_from_the_best_action_unless_terminal() -> None:
    agent = dqn(OBSERVATIONS, ACTIONS, network="mlp", width=4)
    params = jax.tree.map(jnp.zeros_like, agent.init(jax.random.key(0)))
    params["Dense_1"]["bias"] = jnp.array([1.0, 7.0, -3.0])
    batch = batches(1, size=2)[0]._replace(reward=np.float32([0.5, 0.5]), discount=np.float32([0.9, 0.0]))
    np.testing.assert_allclose(agent.target(jax.random.key(0), params, None, batch), [0.5 + 0.9 * 7, 0.5], rtol=1e-6)
