"""What checkpoints hold of a run, as pydantic models."""

from typing import Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, ValidationError

from suite.errors import UserError
from suite.tracking.checkpoint import START_OVER, Segment


class Saved(BaseModel):
    """A state of JSON's values, arrays and segments."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)


class SavedTrainer(Saved):
    """A run between two turns, as `Trainer.save` gives it."""

    epoch: PositiveInt
    stage: Literal["begin", "train", "evaluate"]
    gradient_step: NonNegativeInt
    loss: float | None
    masks: dict[str, np.ndarray] = {}  # of the last epoch; checkpoints of version 0.1 have none
    learner: dict[str, np.ndarray]
    experience: dict[str, Any]


class SavedOnline(Saved):
    """The state of `Online`: `episode` is the running one's return and length, `episodes` are the epoch's."""

    agent_step: NonNegativeInt
    observation: np.ndarray
    origin: dict[str, Any] | None
    actions: np.ndarray
    episode: tuple[float, int]
    episodes: tuple[list[float], list[int]]
    replay: dict[str, Any]


class SavedReplay(Saved):
    """The state of a `Replay`; its rows are in the segments, in files of their own."""

    written: NonNegativeInt
    episode_steps: NonNegativeInt
    sampleable: np.ndarray
    segments: list[tuple[int, int, Segment]]  # first slot, last + 1, contents


class SavedDataset(Saved):
    """The state of a `Dataset`: numbers of its loaded chunks, which are read again to resume."""

    agent_step: NonNegativeInt
    loaded: list[int]
    rewards: str  # digest


Model = TypeVar("Model", bound=Saved)


def validated(model: type[Model], state: Any) -> Model:
    """Convert a state to a model. Raises UserError, which names the first field that is wrong."""
    try:
        return model.model_validate(state)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "state"
        raise UserError(f"incompatible checkpoint ({field}: {first['msg']}): {START_OVER}") from None
