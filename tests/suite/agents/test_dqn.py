"""DQN's gradient steps against an implementation in numpy: forward pass, derivatives and Adam by hand."""

import jax
import numpy as np
import pytest
from gymnasium import spaces

from suite.agents import DQNOptions
from suite.agents.dqn import dqn
from suite.types import Batch
from tests.support.learning import learner_with, train

LEARNING_RATE, EPSILON, PERIOD = 6.25e-5, 1.5e-4, 3
Arrays = dict[str, np.ndarray]


def a_batch(seed: int) -> Batch:
    """Small numbers, so that Adam's epsilon counts beside its second moment."""
    rng = np.random.default_rng(seed)
    observation, next_observation = (0.01 * rng.standard_normal((2, 8, 4))).astype(np.float32)
    reward = (0.01 * rng.standard_normal(8)).astype(np.float32)
    return Batch(
        observation, rng.integers(3, size=8).astype(np.int32), reward, np.full(8, 0.9, np.float32), next_observation
    )


def values(params: Arrays, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hidden units [B, H] and Q(s, .) [B, A]."""
    hidden = np.maximum(x @ params["k0"] + params["b0"], 0)
    return hidden, hidden @ params["k1"] + params["b1"]


def gradients(params: Arrays, target: Arrays, batch: Batch) -> Arrays:
    """Of mean((Q(s, a) - y)^2), y = r + discount max_a' Q_target(s', a'), not halved (slimDQN)."""
    x, rows = batch.observation.astype(np.float64), np.arange(8)
    y = batch.reward + batch.discount * values(target, batch.next_observation.astype(np.float64))[1].max(axis=1)
    hidden, q = values(params, x)
    by_q = np.zeros_like(q)
    by_q[rows, batch.action] = 2 * (q[rows, batch.action] - y) / 8
    by_hidden = (by_q @ params["k1"].T) * (hidden > 0)
    return {"k1": hidden.T @ by_q, "b1": by_q.sum(0), "k0": x.T @ by_hidden, "b0": by_hidden.sum(0)}


def six_steps(params: Arrays) -> Arrays:
    target, first, second = params, dict.fromkeys(params, 0.0), dict.fromkeys(params, 0.0)
    for step in range(1, 7):
        slopes = gradients(params, target, a_batch(step))
        first = {name: 0.9 * first[name] + 0.1 * slope for name, slope in slopes.items()}
        second = {name: 0.999 * second[name] + 0.001 * slope**2 for name, slope in slopes.items()}
        params = {
            name: value
            - LEARNING_RATE * (first[name] / (1 - 0.9**step)) / (np.sqrt(second[name] / (1 - 0.999**step)) + EPSILON)
            for name, value in params.items()
        }
        if step % PERIOD == 0:
            target = params
    return params


def flat(params: dict) -> Arrays:
    return {
        f"{kind[0]}{layer}": np.asarray(params[f"Dense_{layer}"][kind], np.float64)
        for layer in (0, 1)
        for kind in ("kernel", "bias")
    }


@pytest.mark.parametrize("loss", ["mse", "half_mse"])
def test_six_gradient_steps_with_two_target_updates(loss: str) -> None:
    """By default the steps are numpy's; with half of the loss they are shorter, as epsilon is not halved with it."""
    space = spaces.Box(-1, 1, (4,), np.float32)
    agent = dqn(space, spaces.Discrete(3), DQNOptions(network="mlp", width=16, learning_rate=LEARNING_RATE, loss=loss))
    learner = learner_with(agent, "dense", 6, PERIOD)
    before = flat(jax.tree.map(np.asarray, learner.init(0).online[0].params))
    state, _, _ = train(learner, [a_batch(step) for step in range(1, 7)])
    after, expected = flat(state.online[0].params), six_steps(before)
    moved, should = (
        np.concatenate([(end[name] - before[name]).ravel() for name in before]) for end in (after, expected)
    )
    if loss == "mse":
        np.testing.assert_allclose(moved, should, atol=2e-7)  # float32 weights of about 0.5
        assert np.abs(should).mean() > 1e-5
    else:
        assert np.abs(moved).mean() < 0.97 * np.abs(should).mean()
