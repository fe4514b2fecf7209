"""Sources of transitions: an environment with its replay (online), or a data set (dataset)."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from suite.tracking.checkpoint import State
from suite.types import Array, Batch, Frames

Act = Callable[[np.ndarray, np.int32], Array]  # observation [...], agent step -> action, which may not be computed yet


class Experience(Protocol):
    """A source of transitions, as the trainer sees it. A turn is `choose`, the gradient steps that are due, `take`.

    All randomness is a function of the seed and the clock, or belongs to the state of an environment.
    """

    agent_step: int  # turns taken: steps of an environment, or batches drawn from a data set
    fixed_in_epoch: bool  # `sample` draws from the same transitions throughout an epoch

    def start(self, seed: int) -> None:
        """Begin a run: set the state before the first turn, which the seed determines."""

    def begin_epoch(self, epoch: int) -> None:
        """Prepare for an epoch (the first is 1): forget the returns of the last one, or load data."""

    def choose(self, act: Act) -> Any:
        """Request an action, if one is needed, without waiting for its value."""

    def take(self, choice: Any) -> bool:
        """End the turn with the result of `choose`; return whether an epoch may end here."""

    def sample(self, rng: np.random.Generator) -> Batch | Frames:
        """Draw transitions for a gradient step; see Replay.sample."""

    def summary(self) -> dict[str, Any]:
        """Return the columns `return`, `episodes`, `episode_returns` and `episode_lengths` of a row of the record."""

    def save(self) -> State:
        """Return the state that a later process needs to resume. Call it between two turns."""

    def restore(self, state: State) -> None:
        """Resume from the result of `save`, after `start`. Raises UserError for an incompatible state."""

    def close(self) -> None:
        """Release resources at the end of a successful run."""
