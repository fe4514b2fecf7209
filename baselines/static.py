"""Static sparse training: the masks never change."""

from baselines.registry import Static
from suite.sparsity.pruner import refuse_beyond_limit
from suite.types import Sparsifier, Training, single_network


def static(training: Training, options: Static) -> Sparsifier:
    """Draw the kept weights once, at random (Evci et al. 2020, Graesser et al. 2022)."""
    refuse_beyond_limit(training, "sparsity", options.sparsity)
    return single_network(lambda key, params: training.pruner.scatter(key, params, options.sparsity))
