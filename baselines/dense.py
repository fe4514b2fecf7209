"""Dense training: no weight is ever pruned."""

from baselines.registry import Dense
from suite.types import Sparsifier, Training, single_network


def dense(training: Training, options: Dense) -> Sparsifier:
    """One network without masks: plain DQN."""
    return single_network(init=lambda key, params: {})
