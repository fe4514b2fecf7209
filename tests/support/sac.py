"""The batches, the agents and the learners of the tests of SAC, and its networks in double precision."""

from functools import cache
from typing import Any

import jax
import numpy as np
from gymnasium import spaces

from suite.agents import SACOptions
from suite.agents.sac import sac
from suite.learner import Learner
from suite.types import Agent, Batch, LearnerState, Network
from tests.support.learning import learner_with

D, A, WIDTH, SIZE = 4, 2, 16, 8
OBSERVATIONS, ACTIONS = spaces.Box(-1, 1, (D,), np.float32), spaces.Box(-1, 1, (A,), np.float32)
LEARNING_RATES = {"critic_learning_rate": 3e-3, "actor_learning_rate": 1e-3}
WIDTHS = {"critic_width": WIDTH, "actor_width": 12}
TAU, UPDATES = 0.05, 40
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
    return sac(OBSERVATIONS, ACTIONS, SACOptions(**{**WIDTHS, **LEARNING_RATES, **options}))


def actor_part(agent: Agent) -> Any:
    assert agent.actor
    return agent.actor


def double(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def mlp(params: dict, x: np.ndarray) -> np.ndarray:
    for number in range(2):
        x = np.maximum(x @ params[f"Dense_{number}"]["kernel"] + params[f"Dense_{number}"]["bias"], 0)
    return x @ params["Dense_2"]["kernel"] + params["Dense_2"]["bias"]


@cache
def learner_of(method: str, learner: tuple = (), **options: Any) -> Learner:
    """`learner`: pairs of a learner's options. Layers are equally sparse, so that counts can be told by hand."""
    learner_options = {"polyak": TAU, **dict(learner)}
    return learner_with(
        agent_of(), method, UPDATES, pruning={"distribution": "uniform"}, learner=learner_options, **options
    )


def actor_of(state: LearnerState) -> Network:
    assert state.actor
    return state.actor
