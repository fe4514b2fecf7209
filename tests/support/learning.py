"""Training a learner, batch by batch, and comparing what it has learned: what the tests of DQN and of SAC share."""

from typing import Any

import jax
import numpy as np

from suite.learner import Learner
from suite.population import contained
from suite.types import Batch, LearnerState

PERIOD = 10  # gradient steps from one target update to the next


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
        if number % PERIOD == 0:
            state, update = learner.update_target(state if winner is None else favour(state, winner))
            updates.append({name: np.asarray(value) for name, value in update._asdict().items()})
    return state, updates, losses


def favour(state: LearnerState, winner: int) -> LearnerState:
    """The state with the next election decided."""
    online = (network._replace(loss=network.loss - 1e6 * (k == winner)) for k, network in enumerate(state.online))
    return state._replace(online=contained(tuple(online), state.online))


def assert_close(left: Any, right: Any, **tolerance: float) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), left, right)
