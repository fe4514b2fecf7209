"""Where transitions come from: an environment with its replay (online), or a data set (dataset)."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from suite.tracking.checkpoint import State
from suite.types import Array, Batch, Frames

Act = Callable[[np.ndarray, np.int32], Array]  # observation [...], agent step -> action, which may not be computed yet


class Experience(Protocol):
    """All that the trainer knows of where transitions come from. A turn is `choose`, what is due of learning, `take`.

    An experience draws no randomness but from the seed and its clock, and an environment from its own state.
    """

    agent_step: int  # turns taken: steps of an environment, or batches drawn from a data set
    slot_bytes: int  # of memory that a turn may add
    fixed_in_epoch: bool  # `sample` draws from the same transitions throughout an epoch

    def start(self, seed: int) -> None:
        """The state before the first turn."""

    def begin_epoch(self, epoch: int) -> None:
        """Forget the episodes of the last epoch and make ready for this one (the first is 1)."""

    def choose(self, act: Act) -> Any:
        """Ask for an action, if one is needed, and do not wait for it."""

    def take(self, choice: Any) -> bool:
        """End the turn with what `choose` gave; -> whether an epoch may end here."""

    def sample(self, rng: np.random.Generator) -> Batch | Frames:
        """Transitions for a gradient step; see Replay.sample_frames."""

    def summary(self) -> dict[str, Any]:
        """The columns `return`, `episodes`, `episode_returns` and `episode_lengths` of a row of the record."""

    def save(self) -> State:
        """All that a later process needs to go on; called between two turns."""

    def restore(self, state: State) -> None:
        """Go on from what `save` gave, after `start`. Raises UserError when that cannot be."""

    def close(self) -> None:
        """The run has ended well."""
