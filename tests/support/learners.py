"""The batches and the DQN learners of the tests of the learner."""

from functools import cache

import numpy as np
from gymnasium import spaces

from suite.agents import DQNOptions
from suite.agents.dqn import dqn
from suite.learner import Learner
from suite.types import Batch
from tests.support.learning import learner_with

OBSERVATIONS, ACTIONS = spaces.Box(-1, 1, (4,), np.float32), spaces.Discrete(3)
LEARNING_RATE, EPSILON, WIDTH = 3e-3, 1.5e-4, 16
UPDATES = 60


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
def learner_of(
    method: str, vectorize: bool | None = None, distribution: str = "erk", behaviour: str = "inverse_loss", **options
) -> Learner:
    agent = dqn(
        OBSERVATIONS, ACTIONS, DQNOptions(network="mlp", width=WIDTH, learning_rate=LEARNING_RATE, adam_epsilon=EPSILON)
    )
    learner = {"vectorize": vectorize, "behaviour": behaviour}
    return learner_with(agent, method, UPDATES, pruning={"distribution": distribution}, learner=learner, **options)


EAGER: dict[str, dict] = {
    **{name: {"start": 0.0, "end": 1.0, "period": 7} for name in ("gmp", "linear", "cosine", "exponential", "ste")},
    **{name: {"start": 0.0, "end": 1.0} for name in ("distill", "iterative")},
    **{name: {"period": 7} for name in ("set", "rigl")},
}
