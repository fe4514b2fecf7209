"""Comparing how long things take on a machine that does other work too."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

BLOCK, COLD = 10, 3  # calls in a row of one function, of which the first find their data outside of the caches


def by_turns(functions: Mapping[str, Callable[[], Any]], calls: int) -> dict[str, np.ndarray]:
    """Measure the seconds of at least `calls` warm calls of each function, float64 [calls or a few more].

    The functions take turns, block by block in a random order, so that other work on the machine slows all of them
    alike, and none always finds the caches as the same other function has left them.
    """
    rng, names = np.random.default_rng(0), list(functions)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(-(-calls // (BLOCK - COLD))):
        for name in rng.permutation(names):
            function = functions[name]
            for number in range(BLOCK):
                began = time.perf_counter()
                function()
                if number >= COLD:
                    seconds[name].append(time.perf_counter() - began)
    return {name: np.array(values) for name, values in seconds.items()}
