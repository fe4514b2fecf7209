"""CQL's loss by hand, and what is left of it without the CQL term: DQN."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from suite.agents import CQLOptions, DQNOptions
from suite.agents.cql import cql
from suite.agents.dqn import dqn
from suite.errors import UserError
from suite.types import Batch, LearnerState
from tests.support.learning import learner_with, train

OBSERVATIONS, ACTIONS = spaces.Box(-1, 1, (4,), np.float32), spaces.Discrete(3)
OPTIONS = {"network": "mlp", "width": 8, "learning_rate": 1e-3}


def a_batch(seed: int, size: int = 6) -> Batch:
    rng = np.random.default_rng(seed)
    observation, next_observation = rng.standard_normal((2, size, 4)).astype(np.float32)
    action = rng.integers(3, size=size).astype(np.int32)
    reward, discount = rng.standard_normal(size).astype(np.float32), np.full(size, 0.9, np.float32)
    return Batch(observation, action, reward, discount, next_observation)


def test_the_loss_by_hand() -> None:
    """A network of zeros but for its last bias has the same Q(s, .) = (1, 0, -2) in every state.

    Actions 0 and 2, y = (3, -1), so the TD errors are -2 and -1. logsumexp(1, 0, -2) = log(e + 1 + e^-2) = 1.349012, so
    the CQL terms are 0.349012 and 3.349012. (4 + 1) / 2 + 0.1 (0.349012 + 3.349012) / 2 is 2.684901.
    """
    agent = cql(OBSERVATIONS, ACTIONS, CQLOptions(**OPTIONS, cql_weight=0.1))
    params = jax.tree.map(jnp.zeros_like, agent.init(jax.random.key(0)))
    last = max(params)
    params[last]["bias"] = jnp.array([1.0, 0.0, -2.0])
    batch = a_batch(0, 2)._replace(action=np.array([0, 2], np.int32))
    y = jnp.array([3.0, -1.0])
    assert float(agent.loss(params, batch, y)) == pytest.approx(2.684901, abs=1e-6)
    # Its gradient at that bias: mean of 2 (Q - y) at a, and of 0.1 (softmax - one at a).
    softmax = np.exp([1, 0, -2]) / np.exp([1, 0, -2]).sum()
    expected = np.array([-2, 0, 0]) + np.array([0, 0, -1]) + 0.1 * (softmax - np.array([0.5, 0, 0.5]))
    np.testing.assert_allclose(jax.grad(agent.loss)(params, batch, y)[last]["bias"], expected, rtol=1e-5)


@pytest.mark.parametrize("loss, expected", [("mse", 0.184901), ("half_mse", 0.092451), ("huber", 0.092451)])
def test_the_term_alone_is_halved_with_the_squared_error(loss: str, expected: float) -> None:
    """The network above, and y = Q(s, a): 0.1 (0.349012 + 3.349012) / 2, or half of it."""
    agent = cql(OBSERVATIONS, ACTIONS, CQLOptions(**OPTIONS, loss=loss, cql_weight=0.1))
    params = jax.tree.map(jnp.zeros_like, agent.init(jax.random.key(0)))
    params[max(params)]["bias"] = jnp.array([1.0, 0.0, -2.0])
    batch = a_batch(0, 2)._replace(action=np.array([0, 2], np.int32))
    assert float(agent.loss(params, batch, jnp.array([1.0, -2.0]))) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("loss, share", [("mse", 1.0), ("half_mse", 0.5)])
@pytest.mark.parametrize("weight", [0.1, 4.0])
def test_the_authors_loss_or_half_of_it(weight: float, loss: str, share: float) -> None:
    """(Q(s, a) - y)^2 + weight (logsumexp_a' Q(s, a') - Q(s, a)), computed in numpy from the actions' values."""
    agent = cql(OBSERVATIONS, ACTIONS, CQLOptions(**OPTIONS, loss=loss, cql_weight=weight))
    probe = dqn(OBSERVATIONS, ACTIONS, DQNOptions(**OPTIONS))
    params, batch, y = agent.init(jax.random.key(1)), a_batch(1), np.linspace(-1, 1, 6, dtype=np.float32)

    def value(action: int) -> np.ndarray:
        """Q(s, action) of each state, out of DQN's squared loss at y = 0 and y = 1: (Q^2 - (Q - 1)^2 + 1) / 2."""
        rows = []
        for row in range(6):
            one = Batch(*(np.asarray(part)[row : row + 1] for part in batch))._replace(action=np.array([action]))
            at_zero, at_one = (float(probe.loss(params, one, jnp.full(1, float(t)))) for t in (0, 1))
            rows.append((at_zero - at_one + 1) / 2)
        return np.array(rows)

    q = np.stack([value(action) for action in range(3)], axis=1)
    chosen = q[np.arange(6), batch.action]
    theirs = np.mean((chosen - y) ** 2 + weight * (np.log(np.exp(q).sum(axis=1)) - chosen))
    assert float(agent.loss(params, batch, jnp.asarray(y))) == pytest.approx(share * theirs, rel=1e-4)


@pytest.mark.parametrize("loss", ["mse", "half_mse", "huber"])
@pytest.mark.parametrize("method", ["dense", "eaudeqn"])
def test_without_the_term_it_is_dqn(method: str, loss: str) -> None:
    def trained(agent) -> LearnerState:
        state, _, _ = train(learner_with(agent, method, 20, 5), [a_batch(number) for number in range(1, 21)])
        return state._replace(key=None)

    options = {**OPTIONS, "loss": loss, "adam_epsilon": 1e-4}
    left = trained(cql(OBSERVATIONS, ACTIONS, CQLOptions(**options, cql_weight=0.0)))
    right = trained(dqn(OBSERVATIONS, ACTIONS, DQNOptions(**options)))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), left, right)


def test_actions_that_the_data_lack_lose_value() -> None:
    """What CQL is for. All data take action 0 and pay 0, so DQN leaves Q(s, 1) where it is, and CQL pushes it down."""

    def gap(weight: float) -> float:
        agent = cql(OBSERVATIONS, ACTIONS, CQLOptions(**{**OPTIONS, "learning_rate": 3e-3}, cql_weight=weight))
        learner = learner_with(agent, "dense", 300, 50)
        state = learner.init(0)
        for number in range(300):
            batch = a_batch(number, 16)
            nothing = np.zeros(16, np.float32)
            state = learner.update(
                state, batch._replace(action=np.zeros(16, np.int32), reward=nothing, discount=nothing)
            )
        batch = a_batch(1000, 64)
        chosen = [
            int(agent.act(jax.random.key(0), state.online[0].params, o, 0, greedy=True)) for o in batch.observation
        ]
        return float(np.mean(np.array(chosen) == 0))

    assert gap(1.0) > 0.95 > 0.8 > gap(0.0)


def test_continuous_actions_are_refused() -> None:
    with pytest.raises(UserError, match="discrete actions"):
        cql(OBSERVATIONS, spaces.Box(-1, 1, (2,), np.float32), CQLOptions(**OPTIONS))
