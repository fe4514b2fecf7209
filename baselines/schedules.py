"""Pruning along a fixed schedule to a given sparsity. A schedule is an optax.Schedule: gradient steps -> sparsity."""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import optax

from baselines.registry import GMP, STE, Constant, Distill, Gradual, Iterative, OneShot
from suite.errors import UserError
from suite.sparsity.masks import dense_masks
from suite.sparsity.pruner import refuse_beyond_limit, refuse_saliency
from suite.sparsity.scores import random
from suite.types import Due, Masks, Network, Params, Sparsifier, Training, single_network

# Schedules: final sparsity, and the gradient steps after which pruning starts and ends -------------------------------


def polynomial(final_sparsity: float, start: int, end: int, power: float = 3) -> optax.Schedule:
    """Prune along a polynomial: s(t) = f (1 - (1 - u)^power), u = clip((t - start) / (end - start), 0, 1).

    t counts gradient steps, and f is the final sparsity. Power 3 is the schedule of Zhu & Gupta 2017, section 3. With
    start = end > 0, s rises from 0 to f at that step.
    """
    start = max(min(start, end - 1), 0)
    return optax.polynomial_schedule(0, final_sparsity, power, max(end - start, 1), start)


def linear(final_sparsity: float, start: int, end: int) -> optax.Schedule:
    """Prune the same number of weights each time: s(t) = f u, with u of `polynomial`."""
    return polynomial(final_sparsity, start, end, power=1)


def cosine(final_sparsity: float, start: int, end: int) -> optax.Schedule:
    """Prune slowly at both ends: s(t) = f (1 - cos(pi u)) / 2, with u of `polynomial`."""
    done = linear(1.0, start, end)
    return lambda step: final_sparsity * (1 - jnp.cos(jnp.pi * done(step))) / 2


def exponential(final_sparsity: float, start: int, end: int) -> optax.Schedule:
    """Prune the same share of the kept weights each time: s(t) = 1 - (1 - f)^u, with u of `polynomial`.

    Source: Frankle & Carbin 2019.
    """
    done = linear(1.0, start, end)
    return lambda step: 1 - (1 - final_sparsity) ** done(step)


def iterative(final_sparsity: float, start: int, end: int, prunings: int = 10) -> optax.Schedule:
    """Prune n times by equal amounts, at even intervals from start to end: s(t) = f k / n after the k-th time."""
    times = jnp.array([start + round(k * (end - start) / max(prunings - 1, 1)) for k in range(prunings)])
    return lambda step: final_sparsity * jnp.sum(step >= times) / prunings


SCHEDULES: dict[str, Callable[[float, int, int], optax.Schedule]] = {
    "polynomial": polynomial,
    "linear": linear,
    "cosine": cosine,
    "exponential": exponential,
    "iterative": iterative,
}


# The constructor, and when masks are updated -------------------------------------------------------------------------


def scheduled(
    training: Training,
    final: float,
    schedule: optax.Schedule,
    due: Due,
    pruned_weights: Literal["zero", "kept", "learning"] = "zero",
) -> Sparsifier:
    """Prune to `schedule(step)` at each step that is `due`; `final` is the sparsity at the end.

    Masks are nested, unless the method keeps pruned weights: then each pruning chooses among all weights. Raises
    UserError for scores that do not work with the method.
    """
    if pruned_weights != "zero" and training.pruner.score is random:
        raise UserError("pruning.score=random: weights can come back here, and would at random; use another score")
    first = float(schedule(0))
    if first > 0:
        refuse_saliency(training, "this schedule prunes before the first gradient")

    def init(key: jax.Array, params: Params) -> Masks:
        masks = dense_masks(params)
        return training.pruner.prune(key, params, masks, first, None, final) if first > 0 else masks

    def after_gradient(key: jax.Array, step: jax.Array, network: Network, gradients: Params) -> Network:
        masks = network.masks if pruned_weights == "zero" else dense_masks(network.params)
        masks = training.pruner.prune(key, network.params, masks, schedule(step), gradients, final)
        return network._replace(masks=masks)

    return single_network(init, after_gradient, due=due, pruned_weights=pruned_weights)


def every(training: Training, period: int | None, last: int, most: int = 1_000) -> Due:
    """Return when masks are updated: every `period` gradient steps, and at step `last`, or at step 1 if `last` is 0.

    `period_of` says what the default is and when UserError is raised.
    """
    gap = period_of(training, period, most)
    return lambda step: (step % gap == 0) | (step == max(last, 1))


def period_of(training: Training, period: int | None, most: int) -> int:
    """Return the period in gradient steps: by default `most`, but at most a hundredth of training, and at least 1.

    Raises UserError for a period that is longer than the run.
    """
    gap = period or max(min(most, training.gradient_steps // 100), 1)
    if gap > max(training.gradient_steps, 1):
        raise UserError(
            f"period={gap} is longer than the run, which has {training.gradient_steps:,} gradient steps; lower it"
        )
    return gap


def at_rises(schedule: optax.Schedule) -> Due:
    """Return when a schedule rises: each step at which it is higher than at the step before."""
    return lambda step: schedule(step) > schedule(step - 1)


def span(training: Training, final_sparsity: float, start: float, end: float) -> tuple[float, int, int]:
    """Return the arguments of a schedule, in gradient steps; `start` and `end` are fractions of training.

    Raises UserError if the start is after the end, or if the pruner cannot reach the final sparsity.
    """
    refuse_beyond_limit(training, "final_sparsity", final_sparsity)
    if start > end:
        raise UserError(f"start={start} is after end={end}: pruning should start before it ends")
    return final_sparsity, round(start * training.gradient_steps), round(end * training.gradient_steps)


# The methods ---------------------------------------------------------------------------------------------------------


def gmp(training: Training, options: GMP) -> Sparsifier:
    """Prune small weights gradually (Zhu & Gupta 2017; PolyPruneQN of Graesser et al. 2022 and of the EauDeQN paper).

    At the final sparsity, masks are no longer updated (Zhu & Gupta 2017, section 3).
    """
    final, first, last = span(training, options.final_sparsity, options.start, options.end)
    due = every(training, options.period, last)
    schedule = polynomial(final, first, last, options.power)
    if not options.regrow:  # nested masks do not change after `last`
        return scheduled(training, final, schedule, due)
    return scheduled(training, final, schedule, lambda step: due(step) & (step <= max(last, 1)), "kept")


def ste(training: Training, options: STE) -> Sparsifier:
    """Prune gradually in the forward pass alone: pruned weights continue to learn and may regrow (Lin et al. 2020).

    All weights have straight-through gradients (Bengio et al. 2013).
    """
    final, first, last = span(training, options.final_sparsity, options.start, options.end)
    due = every(training, options.period, last, most=16)
    return scheduled(training, final, polynomial(final, first, last, options.power), due, "learning")


def _gradual(schedule: Callable[[float, int, int], optax.Schedule]) -> Callable[..., Sparsifier]:
    """Return the method of a schedule whose arguments are final sparsity, start and end."""

    def method(training: Training, options: Gradual) -> Sparsifier:
        final, first, last = span(training, options.final_sparsity, options.start, options.end)
        return scheduled(training, final, schedule(final, first, last), every(training, options.period, last))

    return method


linear_pruning, cosine_pruning, exponential_pruning = _gradual(linear), _gradual(cosine), _gradual(exponential)


def iterative_pruning(training: Training, options: Iterative) -> Sparsifier:
    """Prune several times by equal amounts, at even intervals (Han et al. 2015)."""
    schedule = iterative(*span(training, options.final_sparsity, options.start, options.end), options.prunings)
    return scheduled(training, options.final_sparsity, schedule, at_rises(schedule))


def oneshot(training: Training, options: OneShot) -> Sparsifier:
    """Prune once, to the final sparsity."""
    schedule = iterative(*span(training, options.final_sparsity, options.at, options.at), prunings=1)
    return scheduled(training, options.final_sparsity, schedule, at_rises(schedule))


def constant_sparsity(training: Training, options: Constant) -> Sparsifier:
    """Prune the initial weights once, and keep the largest."""
    refuse_beyond_limit(training, "final_sparsity", options.final_sparsity)
    schedule = optax.constant_schedule(options.final_sparsity)
    return scheduled(training, options.final_sparsity, schedule, at_rises(schedule))


def distill(training: Training, options: Distill) -> Sparsifier:
    """Prune at target updates, to a sparser copy of the target: Distill Q-Network (Vincent et al. 2025)."""
    refuse_saliency(training, "distill prunes at target updates")
    final, first, last = span(training, options.final_sparsity, options.start, options.end)
    last_update = training.gradient_steps - training.gradient_steps % training.target_update_period
    sparsity_at = SCHEDULES[options.schedule](final, min(first, last_update), min(last, last_update))

    def at_target_update(key: jax.Array, step: jax.Array, network: Network) -> Network:
        masks = training.pruner.prune(key, network.params, network.masks, sparsity_at(step), None, final)
        return network._replace(masks=masks)

    return single_network(lambda key, params: dense_masks(params), at_target_update=at_target_update)
