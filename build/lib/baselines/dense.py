"""Dense training: no weight is ever pruned."""

from suite.types import Sparsifier, Training, single_network


def dense(training: Training) -> Sparsifier:
    """One network without masks: plain DQN."""
    return single_network(init=lambda key, params: {})
