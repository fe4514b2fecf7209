"""Sparse from the start, and never changed."""

from typing import Annotated

from pydantic import Field

from suite.sparsity.pruner import refuse_beyond_limit
from suite.types import Sparsifier, Training, single_network

Constant = Annotated[float, Field(ge=0, lt=1, description="sparsity, from the start")]


def static(training: Training, *, sparsity: Constant = 0.95) -> Sparsifier:
    """Static random masks (Evci et al. 2020, Graesser et al. 2022): which weights there are is drawn once."""
    refuse_beyond_limit(training, "sparsity", sparsity)
    return single_network(lambda key, params: training.pruner.scatter(key, params, sparsity))
