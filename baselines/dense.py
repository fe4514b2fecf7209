"""Dense training: no weight is ever pruned."""

from baselines.registry import Dense
from suite.types import Sparsifier, Training, single_network


def dense(training: Training, options: Dense) -> Sparsifier:
    """Train one network without masks: the plain agent, such as DQN."""
    return single_network(init=lambda key, params: {})
