"""Add a method without editing the repository: cyclical pruning (Srinivas et al. 2022).

Run it from the root of the repository. `--import` loads this module, which registers the method:

    .venv/bin/python -m sweeps.run --import examples.add_a_method --task mujoco/InvertedPendulum --seed 0 \
        --method cyclical:cycles=3 --trainer.epochs 2 --trainer.epoch_agent_steps 1000 --trainer.initial_samples 200 \
        --agent.random_steps 200 --learner.target_update_period 50

A method is a function from what it may know of the run (`Training`) to a `Sparsifier`. Its keyword-only parameters
become options on the command line and in sweep files; a value out of its bounds is refused before anything runs.
"""

from typing import Annotated

import jax
import jax.numpy as jnp
from pydantic import Field

from baselines import METHODS
from baselines.schedules import every, scheduled
from suite.types import Sparsifier, Training


def cyclical(
    training: Training,
    *,
    final_sparsity: Annotated[float, Field(ge=0, lt=1, description="sparsity at the end of each cycle")] = 0.9,
    cycles: Annotated[int, Field(ge=1, le=100, description="cycles of equal length")] = 4,
    period: Annotated[int | None, Field(ge=1, description="gradient steps between mask updates")] = None,
) -> Sparsifier:
    """Prune to the final sparsity in each of several cycles; at the start of a cycle all weights come back.

    With u the share of a cycle that is over: s(u) = final_sparsity (1 - (1 - u)^3).
    """
    length = max(training.gradient_steps // cycles, 1)

    def sparsity(step: jax.Array | int) -> jax.Array:
        """Gradient steps done -> sparsity: float32 []."""
        share = jnp.where(step < cycles * length, step % length / length, 1.0)
        return final_sparsity * (1 - (1 - share) ** 3)

    # "kept": a weight that comes back has the value that it had when it was pruned.
    when = every(training, period, last=training.gradient_steps)
    return scheduled(training, final_sparsity, sparsity, when, pruned_weights="kept")


METHODS["cyclical"] = cyclical
