"""Pruning along a fixed schedule: magnitude pruning to a sparsity that is set beforehand.

A schedule is an optax.Schedule: gradient steps done -> sparsity.
"""

from typing import Annotated

import jax
import optax
from pydantic import Field

from suite.errors import UserError
from suite.sparsity import dense_masks, prune
from suite.types import Sparsifier, Training, single_network

Sparsity = Annotated[float, Field(ge=0, lt=1, description="sparsity at the end of the schedule")]
Start = Annotated[float, Field(ge=0, le=1, description="share of training after which pruning starts")]
End = Annotated[float, Field(ge=0, le=1, description="share of training after which it ends")]


def polynomial(final_sparsity: float, start: int, end: int, power: float = 3) -> optax.Schedule:
    """s(t) = f (1 - (1 - clip((t - start) / (end - start), 0, 1))^power) (Zhu & Gupta 2017), t in gradient steps."""
    return optax.polynomial_schedule(0, final_sparsity, power, max(end - start, 1), start)


def gmp(
    training: Training,
    *,
    final_sparsity: Sparsity = 0.95,
    start: Start = 0.2,
    end: End = 0.8,
    period: Annotated[
        int | None,
        Field(
            ge=1, description="gradient steps between prunings; default 1,000 or, if less, a 100th of training (ours)"
        ),
    ] = None,
) -> Sparsifier:
    """Gradual magnitude pruning (Zhu & Gupta 2017; PolyPruneQN of Graesser et al. 2022 and of the EauDeQN paper)."""
    schedule = _cubic(training, final_sparsity, start, end)
    every = period or max(min(1_000, training.gradient_steps // 100), 1)

    def after_gradient(key, step, network, gradients):
        masks = jax.lax.cond(
            step % every == 0,
            lambda: prune(network.params, network.masks, schedule(step)),
            lambda: network.masks,
        )
        return network._replace(masks=masks)

    return single_network(lambda key, params: dense_masks(params), after_gradient)


def distill(training: Training, *, final_sparsity: Sparsity = 0.95, start: Start = 0.2, end: End = 0.8) -> Sparsifier:
    """Distill Q-Network (Vincent et al. 2025): one online network, made a sparser copy of the target at each target
    update. The paper's pruning schedule is not known to us; ours is gmp's."""
    schedule = _cubic(training, final_sparsity, start, end)

    def at_target_update(key, step, network):
        return network._replace(masks=prune(network.params, network.masks, schedule(step)))

    return single_network(lambda key, params: dense_masks(params), at_target_update=at_target_update)


def _cubic(training: Training, final_sparsity: float, start: float, end: float) -> optax.Schedule:
    horizon = training.gradient_steps
    if start > end:
        raise UserError(f"start={start} is after end={end}: pruning should start before it ends")
    return polynomial(final_sparsity, round(start * horizon), round(end * horizon))
