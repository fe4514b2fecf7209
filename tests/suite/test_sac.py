"""SAC and EauDeSAC: values by hand, against a plain SAC, what is pruned when, and what is learned in probes."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import traverse_util
from gymnasium import spaces
from scipy import integrate, stats

from baselines import METHODS
from suite import records
from suite.agents.dqn import dqn
from suite.agents.sac import sac
from suite.errors import Divergence, UserError
from suite.experience.online import Online
from suite.experience.replay import Replay
from suite.learner import IMPROVE, TARGET, Learner, make_learner
from suite.pruning import make_pruner
from suite.tracking import Tracker
from suite.trainer import Trainer
from suite.types import Agent, Batch, LearnerState, Network, Sparsifier, Training
from tests.probes import Aim, Sign

D, A, WIDTH, SIZE = 4, 2, 16, 8
OBSERVATIONS, ACTIONS = spaces.Box(-1, 1, (D,), np.float32), spaces.Box(-1, 1, (A,), np.float32)
LEARNING_RATES = {"critic_learning_rate": 3e-3, "actor_learning_rate": 1e-3}
WIDTHS = {"critic_width": WIDTH, "actor_width": 12}
TAU, PERIOD, UPDATES = 0.05, 10, 40
CRITICS = ("critic_0", "critic_1")


def make_batch(rng: np.random.Generator) -> Batch:
    return Batch(
        observation=rng.standard_normal((SIZE, D)).astype(np.float32),
        action=rng.uniform(-1, 1, (SIZE, A)).astype(np.float32),
        reward=rng.standard_normal(SIZE).astype(np.float32),
        discount=(0.9 * (rng.random(SIZE) > 0.2)).astype(np.float32),
        next_observation=rng.standard_normal((SIZE, D)).astype(np.float32),
    )


def batches(count: int, seed: int = 0) -> list[Batch]:
    rng = np.random.default_rng(seed)
    return [make_batch(rng) for _ in range(count)]


@cache
def agent_of(**options: Any) -> Agent:
    return sac(OBSERVATIONS, ACTIONS, **{**WIDTHS, **LEARNING_RATES, **options})


def actor_part(agent: Agent) -> Any:
    assert agent.actor
    return agent.actor


def shaken(params: Any, seed: int) -> Any:
    """Away from zero biases, so that each of them is seen."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: leaf + jnp.asarray(0.1 * rng.normal(size=leaf.shape), jnp.float32), params)


# By hand: numpy in double precision ----------------------------------------------------------------------------------


def double(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def mlp(params: dict, x: np.ndarray) -> np.ndarray:
    for number in range(2):
        x = np.maximum(x @ params[f"Dense_{number}"]["kernel"] + params[f"Dense_{number}"]["bias"], 0)
    return x @ params["Dense_2"]["kernel"] + params["Dense_2"]["bias"]


def lowest(critics: dict, observation: np.ndarray, action: np.ndarray) -> np.ndarray:
    pairs = np.concatenate([observation, action], axis=1)
    return np.minimum(*(mlp(critics[name], pairs)[:, 0] for name in CRITICS))


def sample(policy: dict, observation: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The action [B, A] and its log density [B]: scipy's Gaussian, and the derivative of tanh."""
    outputs = mlp(policy, observation)
    mean, std = outputs[:, :A], np.exp(np.clip(outputs[:, A:], -20, 2))
    raw = mean + std * noise
    densities = stats.norm.logpdf(raw, mean, std) - np.log(1 - np.tanh(raw) ** 2)
    return np.tanh(raw), densities.sum(axis=1)


def actor_loss(policy: dict, alpha: float, critics: dict, observation: np.ndarray, noise: np.ndarray) -> float:
    action, log_density = sample(policy, observation, noise)
    return float(np.mean(alpha * log_density - lowest(critics, observation, action)))


class Case(SimpleNamespace):
    """One agent, its parameters in both precisions, a batch, and a key with the noise that it draws."""

    agent: Agent
    critics: dict
    actor: dict


@pytest.fixture(scope="module")
def case() -> Case:
    agent = agent_of(initial_temperature=0.3)
    critics = shaken(jax.jit(agent.init)(jax.random.key(0)), 0)
    actor = shaken(jax.jit(actor_part(agent).init)(jax.random.key(1)), 1)
    batch = batches(1)[0]._replace(discount=np.float32([0.9] * 6 + [0] * 2))
    key = jax.random.key(2)
    noise = np.asarray(jax.random.normal(key, (SIZE, A)), np.float64)
    return Case(agent=agent, critics=critics, actor=actor, batch=batch, key=key, noise=noise)


def test_the_target_is_the_lower_critics_soft_value(case: Case) -> None:
    """r + gamma (min Q(s', a') - alpha log pi(a'|s')); the reward alone after a terminal."""
    batch, actor = case.batch, double(case.actor)
    action, log_density = sample(actor["policy"], batch.next_observation, case.noise)
    soft = lowest(double(case.critics), batch.next_observation, action) - np.exp(actor["log_temperature"]) * log_density
    found = jax.jit(case.agent.target)(case.key, case.critics, case.actor, batch)
    np.testing.assert_allclose(found, batch.reward + batch.discount * soft, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found[6:], batch.reward[6:])


def test_the_critics_loss_is_half_of_each_squared_error(case: Case) -> None:
    batch, y = case.batch, np.linspace(-1, 1, SIZE)
    pairs = np.concatenate([batch.observation, batch.action], axis=1)
    errors = [mlp(double(case.critics)[name], pairs)[:, 0] - y for name in CRITICS]
    found = jax.jit(case.agent.loss)(case.critics, batch, jnp.asarray(y, jnp.float32))
    assert float(found) == pytest.approx(sum(np.mean(error**2) / 2 for error in errors), rel=1e-5)
    assert np.abs(errors[0] - errors[1]).max() > 0.1  # the critics differ


@pytest.mark.parametrize("option, entropy", [("-dim", -2.0), ("-dim/2", -1.0)])
def test_the_actors_gradients_by_finite_differences(option: str, entropy: float, case: Case) -> None:
    """Of the policy's part with alpha held; the temperature's is -(mean log pi + target entropy)."""
    agent = agent_of(initial_temperature=0.3, target_entropy=option)
    actor, critics, observation = double(case.actor), double(case.critics), case.batch.observation.astype(np.float64)
    alpha = float(np.exp(actor["log_temperature"]))
    _, log_density = sample(actor["policy"], observation, case.noise)
    value, gradients = jax.jit(jax.value_and_grad(actor_part(agent).loss, argnums=1))(
        case.key, case.actor, case.critics, case.batch
    )
    temperature_part = -(np.mean(log_density) + entropy)
    expected = actor_loss(actor["policy"], alpha, critics, observation, case.noise)
    assert float(value) == pytest.approx(expected + actor["log_temperature"] * temperature_part, rel=1e-4, abs=1e-4)
    assert float(gradients["log_temperature"]) == pytest.approx(temperature_part, rel=1e-4)

    flat = traverse_util.flatten_dict(actor["policy"])
    found = traverse_util.flatten_dict(gradients["policy"])
    rng = np.random.default_rng(0)
    for path, leaf in flat.items():
        direction = rng.normal(size=leaf.shape)
        sides = [
            actor_loss(
                traverse_util.unflatten_dict({**flat, path: leaf + step * direction}),
                alpha,
                critics,
                observation,
                case.noise,
            )
            for step in (1e-6, -1e-6)
        ]
        slope = (sides[0] - sides[1]) / 2e-6
        assert float(np.sum(found[path] * direction)) == pytest.approx(slope, rel=2e-3, abs=1e-4), path


@pytest.mark.parametrize("mean, log_std", [(0.0, 0.0), (1.0, -1.0), (-0.5, -3.0)])
def test_the_entropy_of_the_samples_is_the_densitys(mean: float, log_std: float) -> None:
    """-log pi on average, read off the target, against a quadrature over the actions: no draw is shared."""
    agent = sac(OBSERVATIONS, spaces.Box(-1, 1, (1,), np.float32), **WIDTHS, initial_temperature=1.0)
    critics = jax.tree.map(jnp.zeros_like, agent.init(jax.random.key(0)))
    actor = jax.tree.map(jnp.zeros_like, actor_part(agent).init(jax.random.key(0)))
    actor["policy"]["Dense_2"]["bias"] = jnp.array([mean, log_std])
    count = 20_000
    zeros, ones = np.zeros((count, D), np.float32), np.ones(count, np.float32)
    batch = Batch(zeros, np.zeros((count, 1), np.float32), 0 * ones, ones, zeros)
    found = np.asarray(jax.jit(agent.target)(jax.random.key(5), critics, actor, batch))

    def minus_p_log_p(action: float) -> float:
        log_density = stats.norm.logpdf(np.arctanh(action), mean, np.exp(log_std)) - np.log(1 - action**2)
        return float(-np.exp(log_density) * log_density)

    peak = float(np.tanh(mean))
    halves = [integrate.quad(minus_p_log_p, *ends, limit=200)[0] for ends in ((-1 + 1e-9, peak), (peak, 1 - 1e-9))]
    assert found.mean() == pytest.approx(sum(halves), abs=5 * found.std() / np.sqrt(count))


def test_extreme_actions_have_a_finite_density() -> None:
    """tanh(30) rounds to 1, whose log(1 - 1) would be minus infinity."""
    agent = agent_of()
    critics = jax.tree.map(jnp.zeros_like, agent.init(jax.random.key(0)))
    actor = jax.tree.map(jnp.zeros_like, actor_part(agent).init(jax.random.key(0)))
    actor["policy"]["Dense_2"]["bias"] = jnp.array([30.0, -30.0, -1.0, -1.0])
    loss, gradients = jax.value_and_grad(actor_part(agent).loss, argnums=1)(
        jax.random.key(0), actor, critics, batches(1)[0]
    )
    # -log(1 - tanh(x)^2) -> 2 |x| - log 4 for each action; then the Gaussian's own density at one deviation e^-1.
    noise = np.asarray(jax.random.normal(jax.random.key(0), (SIZE, A)), np.float64)
    raw = np.array([30.0, -30.0]) + np.exp(-1) * noise
    expected = (-0.5 * noise**2 - 0.5 * np.log(2 * np.pi) + 1 + 2 * np.abs(raw) - np.log(4)).sum(axis=1).mean()
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


def test_the_deviation_is_bounded() -> None:
    """A log standard deviation of -100 or 100 is taken as -20 or 2."""
    agent = agent_of(random_steps=0)
    actor = jax.tree.map(jnp.zeros_like, actor_part(agent).init(jax.random.key(0)))
    keys = jax.random.split(jax.random.key(0), 2000)
    act = jax.jit(jax.vmap(lambda key, actor: agent.act(key, actor, jnp.zeros(D), 0, greedy=False), (0, None)))
    for asked, scale in ((-100.0, np.exp(-20)), (100.0, np.exp(2))):
        actor["policy"]["Dense_2"]["bias"] = jnp.array([0.0, 0.0, asked, asked])
        actions = np.asarray(act(keys, actor), np.float64)
        share = np.mean(np.abs(actions) < np.tanh(0.1 * scale))
        assert share == pytest.approx(2 * stats.norm.cdf(0.1) - 1, abs=0.02)


def test_the_greedy_action_is_the_mean(case: Case) -> None:
    mean = np.tanh(mlp(double(case.actor)["policy"], case.batch.observation)[:, :A])
    for clock in (0, 10_000):  # random_steps are for training
        found = [
            case.agent.act(jax.random.key(0), case.actor, observation, np.int32(clock), greedy=True)
            for observation in case.batch.observation
        ]
        np.testing.assert_allclose(found, mean, rtol=1e-4, atol=1e-6)


def test_the_first_actions_are_uniform_and_the_later_ones_the_policys(case: Case) -> None:
    agent = agent_of(random_steps=100)
    observation, actor = case.batch.observation[0], jax.tree.map(jnp.array, case.actor)
    actor["policy"]["Dense_2"]["bias"] = actor["policy"]["Dense_2"]["bias"].at[A:].add(-2)  # far from uniform
    keys = jax.random.split(jax.random.key(3), 1000)
    act = jax.jit(jax.vmap(lambda key, step: agent.act(key, actor, observation, step, greedy=False), (0, None)))
    early, late = np.asarray(act(keys, 99)), np.asarray(act(keys, 100))
    assert early.shape == late.shape == (1000, A)
    outputs = mlp(double(actor)["policy"], observation[None])[0]
    for dimension in range(A):
        assert stats.kstest(early[:, dimension], stats.uniform(-1, 2).cdf).pvalue > 1e-3
        gaussian = stats.norm(outputs[dimension], np.exp(outputs[A + dimension]))
        assert stats.kstest(np.arctanh(late[:, dimension].astype(np.float64)), gaussian.cdf).pvalue > 1e-3
        assert stats.kstest(late[:, dimension], stats.uniform(-1, 2).cdf).pvalue < 1e-6


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(3),
        spaces.Box(-2, 2, (2,), np.float32),  # as Pusher's own
        spaces.Box(-np.inf, np.inf, (2,), np.float32),
        spaces.Box(0, 1, (2,), np.float32),
        spaces.Box(-1, 1, (), np.float32),
        spaces.Box(-1, 1, (2, 2), np.float32),
        spaces.Box(np.float32([-1, -2]), np.float32([1, 2])),
    ],
)
def test_other_actions_are_refused(space: spaces.Space) -> None:
    with pytest.raises(UserError, match=r"agent sac needs continuous actions in \[-1, 1\]"):
        sac(OBSERVATIONS, space)


def test_images_are_refused() -> None:
    with pytest.raises(UserError, match="vector observations"):
        sac(spaces.Box(0, 255, (4, 84, 84), np.uint8), ACTIONS)


# Equivalences --------------------------------------------------------------------------------------------------------


def build(agent: Agent, sparsifier: Sparsifier, **options: Any) -> Learner:
    return make_learner(agent, sparsifier, **{"target_update_period": PERIOD, "polyak": TAU, **options})


@cache
def learner_of(method: str, learner: tuple = (), **options: Any) -> Learner:
    """`learner`: pairs of make_learner's options. Layers are equally sparse, so that counts can be told by hand."""
    agent = agent_of()
    training = Training(UPDATES, PERIOD, agent.optimizer, make_pruner(distribution="uniform"))
    return build(agent, METHODS[method](training, **options), **dict(learner))


def train(
    learner: Learner, data: list[Batch], winner: int | None = None
) -> tuple[LearnerState, list[dict], list[np.ndarray]]:
    """The state at the end, the target updates, and the losses of the K pairs after each gradient step.

    `winner`: whose election is decided; of the lowest loss otherwise.
    """
    state, updates, losses = learner.init(0), [], []
    for number, batch in enumerate(data, start=1):
        state = learner.update(state, batch)
        losses.append(np.array([float(network.loss) for network in state.online]))
        if number % PERIOD == 0:
            state, update = learner.update_target(state if winner is None else favour(state, winner))
            updates.append({name: np.asarray(value) for name, value in update._asdict().items()})
    return state, updates, losses


def favour(state: LearnerState, winner: int) -> LearnerState:
    """The state with the next election decided."""
    online = (network._replace(loss=network.loss - 1e6 * (k == winner)) for k, network in enumerate(state.online))
    return state._replace(online=tuple(online))


def assert_close(left: Any, right: Any, **tolerance: float) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), left, right)


def actor_of(state: LearnerState) -> Network:
    assert state.actor
    return state.actor


def plain_sac(critics: dict, actor: dict, key: jax.Array, data: list[Batch]) -> tuple[dict, dict, dict, list[float]]:
    """SAC without any of the suite, an optimizer a network: (critics, target, actor, losses of the steps).

    The noise alone is drawn as the learner does, by stream and clock.
    """

    def forward(params, x):
        for number in range(3):
            x = x @ params[f"Dense_{number}"]["kernel"] + params[f"Dense_{number}"]["bias"]
            x = jnp.maximum(x, 0) if number < 2 else x
        return x

    def q(params, observation, action):
        return forward(params, jnp.hstack([observation, action]))[:, 0]

    def draw(policy, observation, stream, number):
        noise = jax.random.normal(jax.random.fold_in(jax.random.fold_in(key, stream), number), (SIZE, A))
        outputs = forward(policy, observation)
        mean, std = outputs[:, :A], jnp.exp(outputs[:, A:])
        raw = mean + std * noise
        density = jax.scipy.stats.norm.logpdf(raw, mean, std) + 2 * jnp.log(jnp.cosh(raw))
        return jnp.tanh(raw), density.sum(axis=1)

    def policy_loss(policy, one, two, log_alpha, batch, number):
        action, density = draw(policy, batch.observation, IMPROVE, number)
        best = jnp.minimum(q(one, batch.observation, action), q(two, batch.observation, action))
        return jnp.mean(jnp.exp(log_alpha) * density - best), density

    optimizer = {
        name: optax.adam(LEARNING_RATES[f"{'critic' if name in CRITICS else 'actor'}_learning_rate"])
        for name in (*CRITICS, "policy", "log_temperature")
    }
    params = {**critics, **actor}
    states = {name: optimizer[name].init(params[name]) for name in params}

    @jax.jit
    def step(params, states, target, batch, number):
        params, states = dict(params), dict(states)

        def descend(name, gradient):
            change, states[name] = optimizer[name].update(gradient, states[name])
            params[name] = optax.apply_updates(params[name], change)

        action, density = draw(params["policy"], batch.next_observation, TARGET, number)
        next_q = jnp.minimum(*(q(target[name], batch.next_observation, action) for name in CRITICS))
        y = batch.reward + batch.discount * (next_q - jnp.exp(params["log_temperature"]) * density)
        total = 0.0
        for name in CRITICS:
            loss, gradient = jax.value_and_grad(
                lambda critic: jnp.mean((q(critic, batch.observation, batch.action) - y) ** 2) / 2
            )(params[name])
            total += loss
            descend(name, gradient)
        online = {name: params[name] for name in CRITICS}
        target = jax.tree.map(lambda t, o: (1 - TAU) * t + TAU * o, target, online)
        gradient, density = jax.grad(policy_loss, has_aux=True)(
            params["policy"], params["critic_0"], params["critic_1"], params["log_temperature"], batch, number
        )
        descend("policy", gradient)
        descend("log_temperature", -jnp.mean(density - A))
        return params, states, target, total

    target, losses = dict(critics), []
    for number, batch in enumerate(data, start=1):
        params, states, target, loss = step(params, states, target, batch, number)
        losses.append(float(loss))
    actor = {name: params[name] for name in ("policy", "log_temperature")}
    return {name: params[name] for name in CRITICS}, target, actor, losses


def test_dense_is_plain_sac() -> None:
    learner, data = learner_of("dense"), batches(25)
    state = learner.init(0)
    start = jax.tree.map(jnp.array, (state.online[0].params, actor_of(state).params))
    state, updates, losses = train(learner, data)
    critics, target, actor, expected = plain_sac(*start, jax.random.key(0), data)
    assert_close(state.online[0].params, critics, rtol=1e-4, atol=1e-5)
    assert_close(state.target, target, rtol=1e-4, atol=1e-5)
    assert_close(actor_of(state).params, actor, rtol=1e-4, atol=1e-5)
    assert len(updates) == 2
    np.testing.assert_allclose(updates[1]["losses"], [sum(expected[10:20])], rtol=1e-4)
    np.testing.assert_allclose(losses[-1], [sum(expected[20:])], rtol=1e-4)
    # A test that can fail: everything moved far beyond the tolerance.
    before = (start[0], start[0], start[1])
    for old, new in zip(before, (critics, target, actor), strict=True):
        assert max(jax.tree.leaves(jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), old, new))) > 5e-3


@pytest.mark.parametrize(
    "method, options",
    [
        ("eaudeqn", {"num_networks": 1, "max_noise": 0}),
        ("eaudeqn", {"num_networks": 1, "actor": "dense"}),
        ("gmp", {"final_sparsity": 0, "start": 0, "end": 1, "period": 1}),
        ("distill", {"final_sparsity": 0, "start": 0, "end": 1}),
    ],
)
def test_without_pruning_a_method_is_dense(method: str, options: dict) -> None:
    data = batches(25)
    one, one_updates, one_losses = train(learner_of("dense"), data)
    two, two_updates, two_losses = train(learner_of(method, **options), data)
    for a, b in ((one.online[0], two.online[0]), (actor_of(one), actor_of(two))):
        assert_close((a.params, a.opt_state, a.loss), (b.params, b.opt_state, b.loss), rtol=1e-4, atol=1e-6)
    assert_close(one.target, two.target, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(one_losses, two_losses, rtol=1e-4)
    for a, b in zip(one_updates, two_updates, strict=True):
        np.testing.assert_allclose(a["losses"], b["losses"], rtol=1e-4)
        assert (a["elected"], a["actor_sparsity"]) == (b["elected"], b["actor_sparsity"]) == (0, 0)


def test_vectorized_is_unrolled() -> None:
    """Batched matrix products sum in another order: single precision's 1e-7 a step, grown by Adam."""
    data, vectorized = batches(UPDATES), (("vectorize", True),)
    one, one_updates, one_losses = train(learner_of("eaudeqn", num_networks=3), data, winner=2)
    two, two_updates, two_losses = train(learner_of("eaudeqn", vectorized, num_networks=3), data, winner=2)
    np.testing.assert_allclose(one_losses, two_losses, rtol=1e-3)
    for a, b in zip(one_updates, two_updates, strict=True):
        assert a["elected"] == b["elected"] == 2
        np.testing.assert_array_equal(a["sparsities"], b["sparsities"])
        assert a["actor_sparsity"] == b["actor_sparsity"]
    for a, b in zip((*one.online, actor_of(one)), (*two.online, actor_of(two)), strict=True):
        assert_close(a.masks, b.masks, rtol=0, atol=0)
        assert_close(a.params, b.params, rtol=1e-3, atol=1e-4)
    assert_close(one.target, two.target, rtol=1e-3, atol=1e-4)
    assert one_updates[-1]["actor_sparsity"] > 0


# What is pruned, and when --------------------------------------------------------------------------------------------


def counts(network: Network) -> dict[str, int]:
    """Kept weights by layer."""
    return {path: int(mask.sum()) for path, mask in network.masks.items()}


def kept_at(level: float, network: Network) -> dict[str, int]:
    """round((1 - level) n) in single precision, at least 1."""
    share = np.float32(1) - np.float32(level)
    return {path: max(int(np.round(share * np.float32(mask.size))), 1) for path, mask in network.masks.items()}


def level_of(network: Network) -> np.float32:
    zeros = sum(int((~np.asarray(mask)).sum()) for mask in network.masks.values())
    return np.float32(zeros) / np.float32(sum(mask.size for mask in network.masks.values()))


def assert_no_leak(state: LearnerState) -> None:
    for network in (*state.online, actor_of(state)):
        flat = traverse_util.flatten_dict(network.params, sep="/")
        for path, mask in network.masks.items():
            assert not np.asarray(flat[path])[~np.asarray(mask)].any(), path


LAYERS = {f"{critic}/Dense_{number}/kernel" for critic in CRITICS for number in range(3)}
ACTOR_LAYERS = {f"policy/Dense_{number}/kernel" for number in range(3)}


@pytest.mark.parametrize("actor, num_networks", [("follow", 5), ("dense", 2)])
def test_elections_prune_every_layer_of_both_critics_exactly(actor: str, num_networks: int) -> None:
    """With so much noise that the cap decides, a copy's level is the elected pair's plus max_speed."""
    learner = learner_of("eaudeqn", num_networks=num_networks, max_noise=1e6, max_speed=0.15, actor=actor)
    state = learner.init(0)
    assert (len(state.online), set(state.online[0].masks)) == (num_networks, LAYERS)
    assert set(actor_of(state).masks) == ACTOR_LAYERS
    for number, batch in enumerate(batches(3 * PERIOD + 5), start=1):
        state = learner.update(state, batch)
        assert_no_leak(state)
        if number % PERIOD:
            continue
        before = jax.tree.map(np.array, state.online)
        previous, target = jax.tree.map(np.array, (counts(actor_of(state)), state.target))
        state, update = learner.update_target(favour(state, num_networks - 1))
        assert int(update.elected) == num_networks - 1
        jax.tree.map(np.testing.assert_array_equal, state.online[0][:3], before[-1][:3])
        jax.tree.map(np.testing.assert_array_equal, state.target, target)  # it follows; it is not replaced
        level = level_of(before[-1])
        for network in state.online[1:]:
            asked = kept_at(level + np.float32(0.15), network)
            assert counts(network) == {path: min(asked[path], n) for path, n in counts(before[-1]).items()}
            for path, mask in network.masks.items():
                assert not (np.asarray(mask) & ~before[-1].masks[path]).any()  # nested
        asked = kept_at(level, actor_of(state))
        if actor == "follow":
            assert counts(actor_of(state)) == {path: min(asked[path], int(n)) for path, n in previous.items()}
        else:
            assert level_of(actor_of(state)) == 0
        assert float(update.actor_sparsity) == pytest.approx(level_of(actor_of(state)))
        assert_no_leak(state)
    assert level > 0.25
    assert (level_of(actor_of(state)) > 0.25) == (actor == "follow")


@pytest.mark.parametrize("method, period, options", [("gmp", 4, {"period": 4}), ("distill", PERIOD, {})])
def test_schedules_prune_critics_and_actor_alike(method: str, period: int, options: dict) -> None:
    learner = learner_of(method, final_sparsity=0.8, start=0.0, end=1.0, **options)
    state = learner.init(0)
    for number, batch in enumerate(batches(UPDATES + 5), start=1):
        state = learner.update(state, batch)
        if number % PERIOD == 0:
            state, update = learner.update_target(state)
            assert float(update.actor_sparsity) == pytest.approx(level_of(actor_of(state)))
        level = 0.8 * (1 - (1 - min(number // period * period / UPDATES, 1)) ** 3)
        for network in (state.online[0], actor_of(state)):
            for path, expected in kept_at(level, network).items():
                assert abs(counts(network)[path] - expected) <= (level < 0.8), (path, number)  # rounding of the level
        assert_no_leak(state)
    assert counts(state.online[0]) == kept_at(0.8, state.online[0])
    assert counts(actor_of(state)) == kept_at(0.8, actor_of(state))


def test_measured_sparsities_are_those_of_the_parameters() -> None:
    learner = learner_of("eaudeqn", num_networks=3)
    state, updates, _ = train(learner, batches(UPDATES))
    measured = learner.measure(state)
    for network, prefix, paths in ((state.online[0], "", LAYERS), (actor_of(state), "actor_", ACTOR_LAYERS)):
        assert set(measured[f"{prefix}layer_sparsity"]) == paths
        flat = traverse_util.flatten_dict(network.params, sep="/")
        for path, value in measured[f"{prefix}layer_sparsity"].items():
            assert float(value) == pytest.approx(np.mean(np.asarray(flat[path]) == 0))
        assert float(measured[f"{prefix}sparsity"]) == pytest.approx(level_of(network))
    assert float(measured["actor_sparsity"]) == updates[-1]["actor_sparsity"]


# The target ----------------------------------------------------------------------------------------------------------


def test_the_target_follows_the_elected_pair_at_every_gradient_step() -> None:
    """Also right after an election, and pruned weights die out in it by 1 - tau a step."""
    learner = learner_of("eaudeqn", num_networks=3, max_noise=1e6, max_speed=0.3)
    state = learner.init(0)
    copied = jax.tree.map(np.array, state.target)
    jax.tree.map(np.testing.assert_array_equal, copied, state.online[0].params)
    mask = left = None
    for number, batch in enumerate(batches(3 * PERIOD), start=1):
        old = jax.tree.map(np.array, state.target)
        state = learner.update(state, batch)
        expected = jax.tree.map(lambda t, o: (1 - TAU) * t + TAU * np.asarray(o), old, state.online[0].params)
        assert_close(state.target, expected, rtol=1e-5, atol=1e-7)
        if left is not None and mask is not None:
            left = left * (1 - TAU)
            kernel = np.asarray(state.target["critic_1"]["Dense_1"]["kernel"])
            np.testing.assert_allclose(kernel[~mask], left, rtol=1e-4)
        if number % PERIOD == 0:
            state, _ = learner.update_target(favour(state, 2))  # a pruned copy, but for the first time
            mask = np.asarray(state.online[0].masks["critic_1/Dense_1/kernel"])
            left = np.asarray(state.target["critic_1"]["Dense_1"]["kernel"])[~mask] if not mask.all() else None
    assert left is not None and left.size > 0.25 * WIDTH**2 and np.abs(left).max() > 1e-3


def test_all_pairs_learn_from_the_same_batch_target_and_noise() -> None:
    """In the first period they are one pair, three times."""
    _, _, losses = train(learner_of("eaudeqn", num_networks=3), batches(PERIOD))
    for loss in losses:
        np.testing.assert_allclose(loss, loss[0], rtol=1e-5)


def test_the_actor_improves_against_the_elected_pair_alone() -> None:
    """The others' parameters leave no trace in the actor, nor in the target."""
    learner, data = learner_of("eaudeqn", num_networks=3), batches(2)
    ends = []
    for others in (1.0, -2.0):
        state = learner.init(0)
        factors = (1.0, others, others)
        online = (
            network._replace(params=jax.tree.map(partial(jnp.multiply, factor), network.params))
            for network, factor in zip(state.online, factors, strict=True)
        )
        state = state._replace(online=tuple(online))
        for batch in data:
            state = learner.update(state, batch)
        ends.append((actor_of(state).params, state.target, state.online[0].params))
    jax.tree.map(np.testing.assert_array_equal, *ends)


# The election window -------------------------------------------------------------------------------------------------


def windowed(window: float) -> Learner:
    return learner_of("dense", (("election_window", window),)) if window < 1 else learner_of("dense")


@pytest.mark.parametrize("window, counted", [(1.0, 10), (0.3, 3), (0.04, 1)])
def test_the_last_share_of_a_period_counts(window: float, counted: int) -> None:
    data = batches(2 * PERIOD)
    _, updates, losses = train(learner_of("dense"), data)
    _, found_updates, found = train(windowed(window), data)
    assert windowed(window).election_steps == counted
    steps = np.diff(np.concatenate([[0], *losses])[: PERIOD + 1])
    expected = np.where(np.arange(PERIOD) >= PERIOD - counted, steps, 0).cumsum()
    np.testing.assert_allclose(np.concatenate(found)[:PERIOD], expected, rtol=1e-3, atol=1e-6)
    assert (np.concatenate(found)[PERIOD : 2 * PERIOD - counted] == 0).all()  # zeroed at the election
    assert float(found_updates[1]["losses"][0]) == pytest.approx(
        float(updates[1]["losses"][0] - losses[-counted - 1][0] * (counted < PERIOD)), rel=1e-3
    )


@pytest.mark.parametrize("window", [1.0, 0.3])
@pytest.mark.parametrize("broken", [1, PERIOD])
def test_a_loss_that_is_nan_elects_nobody(window: float, broken: int) -> None:
    """Also from before the window: the parameters are lost with it."""
    data = batches(PERIOD)
    data[broken - 1] = data[broken - 1]._replace(reward=np.full(SIZE, np.nan, np.float32))
    _, updates, losses = train(windowed(window), data)
    assert not np.isfinite(np.concatenate(losses)[broken - 1 :]).any()
    assert updates[0]["elected"] == -1


# Probes: real parts, known optimum -----------------------------------------------------------------------------------

STEPS, SAMPLES = 700, 60
LOW = {  # a little sparsity, so that the optimum can still be learned
    "gmp": {"final_sparsity": 0.3},
    "distill": {"final_sparsity": 0.3},
    "eaudeqn": {"num_networks": 3, "max_speed": 0.02, "reset_optimizer": False},
}


class Blocking(Trainer):
    """Waits for everything that was dispatched before it goes on."""

    def _learn(self) -> None:
        super()._learn()
        jax.block_until_ready(self.state)


def waiting(learner: Learner) -> Learner:
    """The same functions, each of which returns when its results are there."""

    def wait(function: Callable) -> Callable:
        return lambda *arguments: jax.block_until_ready(function(*arguments))

    names = ("init", "update", "update_target", "act", "act_greedily", "measure")
    return learner._replace(**{name: wait(getattr(learner, name)) for name in names})


def run(
    make_environment: Callable,
    learner: Learner,
    folder: Path,
    *,
    kind: type[Trainer] = Trainer,
    steps: int = STEPS,
    discount: float = 0.8,
    batch_size: int = 32,
    capacity: int = 1000,
    **options: Any,
) -> LearnerState:
    environment = make_environment()
    replay = {"capacity": capacity, "discount": discount, "batch_size": batch_size, "reward_clip": None}
    ring = Replay(environment.observation_space, environment.action_space, **replay)
    config = {"name": "probe", "task": "probe/Aim", "method": "any", "seed": 0, "options": {}}
    with Tracker(folder, config, frame_skip=1, total_agent_steps=steps, wandb_mode="disabled") as tracker:
        return kind(
            Online(environment, ring),
            make_environment,
            learner,
            tracker,
            0,
            **{
                "epochs": 2,
                "epoch_agent_steps": steps // 2,
                "initial_samples": SAMPLES,
                "replay_ratio": 1,
                "evaluation_episodes": 4,
                **options,
            },
        ).run()


def probe_learner(method: str, options: dict | None = None, agent_options: dict | None = None, **learner) -> Learner:
    environment = Aim()
    widths = {"critic_width": 24, "actor_width": 16, "critic_learning_rate": 5e-3, "actor_learning_rate": 5e-3}
    agent = sac(
        environment.observation_space,
        environment.action_space,
        **{**widths, "random_steps": SAMPLES, "initial_temperature": 0.1, **(agent_options or {})},
    )
    method_options = LOW.get(method, {}) if options is None else options
    sparsifier = METHODS[method](Training(STEPS - SAMPLES, 20, agent.optimizer, make_pruner()), **method_options)
    return build(agent, sparsifier, **{"target_update_period": 20, **learner})


def values(params: dict, observation: list[float], action: float) -> list[float]:
    """Q of both critics."""
    pair = np.array([[*observation, action]])
    return [float(mlp(double(params)[name], pair)[0, 0]) for name in CRITICS]


@pytest.mark.parametrize("method", ["dense", "gmp", "distill", "eaudeqn"])
def test_the_action_of_the_highest_reward(method: str, tmp_path: Path) -> None:
    learner = probe_learner(method)
    state = run(Aim, learner, tmp_path)
    for sign in (-1, 1):
        action = learner.act_greedily(state, np.array([sign, 1], np.float32), np.int32(0))
        assert float(action[0]) == pytest.approx(sign / 2, abs=0.15)
        # Where the policy goes, a terminal's value is the reward.
        np.testing.assert_allclose(values(state.online[0].params, [sign, 1], sign / 2), 0, atol=0.1)
    rows = records.read_rows(tmp_path / records.METRICS)
    assert [row["return"] for row in rows if row["kind"] == "evaluation"][-1] > -0.03
    last = [row for row in rows if row["kind"] == "epoch"][-1]
    assert (last["sparsity"] == 0) == (method == "dense")
    assert (last["actor_sparsity"] == 0) == (method == "dense")
    assert last["sparsity"] < 0.6


class Constant(Aim):
    """One state, and a reward of 1 for whatever is done."""

    def step(self, action):
        self.sign = 1
        observation, _, *ended, info = super().step(action)
        return observation, 1.0, *ended, info

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.sign = 1
        return self._observe(), {}


@pytest.mark.parametrize("truncates, expected", [(False, 1.0), (True, 5.0)])
def test_a_truncated_episode_goes_on_in_the_target(truncates: bool, expected: float, tmp_path: Path) -> None:
    """1 after a terminal, 1 / (1 - 0.8) by truncation; the entropy weighs next to nothing."""
    agent_options = {"initial_temperature": 1e-6, "actor_learning_rate": 1e-4, "critic_learning_rate": 1e-2}
    learner = probe_learner("dense", agent_options=agent_options, polyak=0.2)
    state = run(lambda: Constant(truncates), learner, tmp_path, steps=500)
    for action in (-0.5, 0.0, 0.5):
        np.testing.assert_allclose(values(state.online[0].params, [1, 1], action), expected, rtol=0.1)


def test_a_run_that_diverges_before_its_last_window_is_no_success(tmp_path: Path) -> None:
    """No election comes any more, and the losses of its last steps would not count."""

    class Breaks(Aim):
        steps = 0

        def step(self, action):
            Breaks.steps += 1
            observation, reward, *ended, info = super().step(action)
            return observation, 1e30 if Breaks.steps > 50 else reward, *ended, info  # its square is infinite

    learner = probe_learner("dense", target_update_period=1000, election_window=0.1)
    with pytest.raises(Divergence, match="learning_rate"):
        run(Breaks, learner, tmp_path, steps=140, evaluation_episodes=0)
    assert records.read_json(tmp_path / records.STATUS)["status"] == "failed"


# Asynchronous dispatch -----------------------------------------------------------------------------------------------


def dqn_learner(num_networks: int) -> Learner:
    environment = Sign()
    agent = dqn(environment.observation_space, environment.action_space, network="mlp", width=256, epsilon_decay=100)
    training = Training(100, 20, agent.optimizer, make_pruner())
    return make_learner(agent, METHODS["eaudeqn"](training, num_networks=num_networks), target_update_period=20)


def sac_learner(num_networks: int) -> Learner:
    return probe_learner("eaudeqn", {"num_networks": num_networks}, {"critic_width": 128, "actor_width": 128})


@pytest.mark.parametrize("num_networks", [1, 5])
@pytest.mark.parametrize("environment, make", [(Sign, dqn_learner), (Aim, sac_learner)], ids=["dqn", "sac"])
def test_waiting_for_the_device_changes_nothing(
    environment: type, make: Callable[[int], Learner], num_networks: int, tmp_path: Path
) -> None:
    """An update takes longer than a step of the environment, the ring is overwritten meanwhile, and the state that
    the action was asked of is given away: the rows are the same bit by bit."""
    learner = make(num_networks)
    rows = {}
    for kind, functions in ((Trainer, learner), (Blocking, waiting(learner))):
        folder = tmp_path / kind.__name__
        state = run(environment, functions, folder, kind=kind, steps=160, batch_size=256, capacity=120)
        rows[kind] = records.read_rows(folder / records.METRICS)
        for row in rows[kind]:
            row.pop("seconds", None)
        rows[kind].append(jax.tree.map(lambda leaf: np.asarray(leaf).tolist(), state._replace(key=None)))
    assert rows[Trainer] == rows[Blocking]
    assert len(rows[Trainer]) == 2 + 2 + 2 + 5 + 1  # epochs, weights, evaluations, target updates, the state at the end


@pytest.mark.parametrize("reset_optimizer", [True, False])
def test_the_state_shares_no_memory(reset_optimizer: bool) -> None:
    """Its buffers are donated one by one: one that is shared would be gone."""
    learner = learner_of("eaudeqn", num_networks=3, reset_optimizer=reset_optimizer)
    state = learner.init(0)
    for _ in range(2):
        leaves = jax.tree.leaves((state.online, state.target, actor_of(state)))
        pointers = [leaf.unsafe_buffer_pointer() for leaf in leaves]
        assert len(pointers) == len(set(pointers))
        state, _ = learner.update_target(state)
