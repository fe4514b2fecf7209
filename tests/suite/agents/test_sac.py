"""SAC by hand: targets, losses, gradients, densities, and the actions that it takes and refuses."""

from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util
from gymnasium import spaces
from scipy import integrate, stats

from suite.agents import SACOptions
from suite.agents.sac import sac
from suite.errors import UserError
from suite.types import Agent, Batch
from tests.support.sac import (
    ACTIONS,
    CRITICS,
    OBSERVATIONS,
    SIZE,
    WIDTHS,
    A,
    D,
    actor_part,
    agent_of,
    batches,
    double,
    mlp,
)


def shaken(params: Any, seed: int) -> Any:
    """Away from zero biases, so that each of them is seen."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: leaf + jnp.asarray(0.1 * rng.normal(size=leaf.shape), jnp.float32), params)


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


def test_twin_critics_start_apart() -> None:
    """Equal critics would stay equal, and their minimum would be either of them."""
    one, two = (agent_of().init(jax.random.key(0))[name] for name in CRITICS)
    for number in range(3):
        kernels = [np.asarray(critic[f"Dense_{number}"]["kernel"]) for critic in (one, two)]
        assert (kernels[0] != kernels[1]).all()


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
        moved = [traverse_util.unflatten_dict({**flat, path: leaf + step * direction}) for step in (1e-6, -1e-6)]
        sides = [actor_loss(policy, alpha, critics, observation, case.noise) for policy in moved]
        slope = (sides[0] - sides[1]) / 2e-6
        assert float(np.sum(found[path] * direction)) == pytest.approx(slope, rel=2e-3, abs=1e-4), path


@pytest.mark.parametrize("mean, log_std", [(0.0, 0.0), (1.0, -1.0), (-0.5, -3.0)])
def test_the_entropy_of_the_samples_is_the_densitys(mean: float, log_std: float) -> None:
    """-log pi on average, read off the target, against a quadrature over the actions: no draw is shared."""
    agent = sac(OBSERVATIONS, spaces.Box(-1, 1, (1,), np.float32), SACOptions(**WIDTHS, initial_temperature=1.0))
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
        sac(OBSERVATIONS, space, SACOptions())


def test_images_are_refused() -> None:
    with pytest.raises(UserError, match="vector observations"):
        sac(spaces.Box(0, 255, (4, 84, 84), np.uint8), ACTIONS, SACOptions())
