"""Scores by task and seed, as the estimators take them."""

import numpy as np
from numpy.typing import ArrayLike


def by_task(values: ArrayLike) -> dict[str, dict[int, float | None]]:
    """[seeds, tasks] -> {task: {seed: value}}."""
    return {f"task{j}": {i: float(v) for i, v in enumerate(column)} for j, column in enumerate(np.asarray(values).T)}
