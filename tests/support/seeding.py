"""numpy's global generator, which rliable draws from whatever random_state it is given (1.2.0)."""

import contextlib
from collections.abc import Iterator

import numpy as np


@contextlib.contextmanager
def numpy_seeded(seed: int) -> Iterator[None]:
    """Seed numpy's global state, and put it back after."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)
