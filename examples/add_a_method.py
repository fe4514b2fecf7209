"""Add a method without editing the repository: cyclical pruning (Srinivas et al. 2022).

Run it from the root of the repository. `--import` loads this module, which registers the method:

    .venv/bin/python -m sweeps.run --import examples.add_a_method --task mujoco/InvertedPendulum --seed 0 \
        --method cyclical:cycles=3 --trainer.epochs 2 --trainer.epoch_agent_steps 1000 --trainer.initial_samples 200 \
        --agent.random_steps 200 --learner.target_update_period 50

A method is a function and a model of its options. The function receives facts about the run (`Training`) and the
options, and returns a `Sparsifier`. The options are available on the command line and in sweep files. A value out of
bounds is rejected before the run starts.
"""

import jax
import jax.numpy as jnp
from pydantic import Field

from baselines.registry import Method, register
from baselines.schedules import every, scheduled
from suite.options import Options
from suite.types import Sparsifier, Training


class Cyclical(Options):
    """Cyclical pruning: prune to the final sparsity several times; all weights come back between the cycles."""

    final_sparsity: float = Field(0.9, ge=0, lt=1, description="sparsity at the end of each cycle")
    cycles: int = Field(4, ge=1, le=100, description="cycles of equal length")
    period: int | None = Field(
        None, ge=1, description="gradient steps between mask updates; default 1,000 or a 100th of training"
    )


def cyclical(training: Training, options: Cyclical) -> Sparsifier:
    """Prune to the final sparsity in each cycle: s(u) = final_sparsity (1 - (1 - u)^3) at the fraction u of the cycle.

    Raise UserError for a period that is longer than the run, and for random scores.
    """
    length = max(training.gradient_steps // options.cycles, 1)

    def sparsity(step: jax.Array | int) -> jax.Array:
        """Return the sparsity after this number of gradient steps, float32 []."""
        share = jnp.where(step < options.cycles * length, step % length / length, 1.0)
        return options.final_sparsity * (1 - (1 - share) ** 3)

    when = every(training, options.period, last=training.gradient_steps)
    # "kept": a weight that comes back has its value from before it was pruned.
    return scheduled(training, options.final_sparsity, sparsity, when, pruned_weights="kept")


register("cyclical", Method(cyclical, Cyclical))
