"""Makes a learner, trains it batch by batch, and compares what it has learned: shared by the tests of all agents."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from baselines.registry import METHODS
from suite.learner import Learner, make_learner
from suite.options import LearnerOptions, PrunerOptions
from suite.population import contained
from suite.sparsity.pruner import make_pruner
from suite.types import Agent, Batch, LearnerState, Training

PERIOD = 10  # gradient steps from one target update to the next
NO_OPTIONS: Mapping[str, Any] = {}


def learner_with(
    agent: Agent,
    method: str,
    gradient_steps: int,
    target_update_period: int = PERIOD,
    pruning: Mapping[str, Any] = NO_OPTIONS,
    learner: Mapping[str, Any] = NO_OPTIONS,
    **options: Any,
) -> Learner:
    """The learner of an agent and a method; `options` are the method's."""
    pruner = make_pruner(PrunerOptions(**pruning), agent.all_networks)
    sparsifier = METHODS[method].make(
        Training(gradient_steps, target_update_period, agent.optimizer, pruner), **options
    )
    return make_learner(agent, sparsifier, LearnerOptions(target_update_period=target_update_period, **learner))


def train(
    learner: Learner, data: list[Batch], winner: int | None = None
) -> tuple[LearnerState, list[dict], list[np.ndarray]]:
    """The state at the end, the target updates, and the losses of the K networks after each gradient step.

    `winner`: whose election is decided; of the lowest loss otherwise.
    """
    state, updates, losses = learner.init(0), [], []
    for number, batch in enumerate(data, start=1):
        state = learner.update(state, batch)
        losses.append(np.array([float(network.loss) for network in state.online]))
        if number % learner.target_update_period == 0:
            state, update = learner.update_target(state if winner is None else favour(state, winner))
            updates.append({name: np.asarray(value) for name, value in update._asdict().items()})
    return state, updates, losses


def favour(state: LearnerState, winner: int) -> LearnerState:
    """The state with the next election decided."""
    online = (network._replace(loss=network.loss - 1e6 * (k == winner)) for k, network in enumerate(state.online))
    return state._replace(online=contained(tuple(online), state.online))


def assert_close(left: Any, right: Any, **tolerance: float) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), left, right)
