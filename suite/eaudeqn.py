"""Eau De Q-Network (Vincent et al. 2025, arXiv 2503.01437): K online networks, an election, and a pruning law.

K online networks of different sparsity learn from one shared target. At each target update the one with the lowest
cumulated loss is elected: it becomes the target and goes on unchanged, and the others become sparser copies of it.
That one copy keeps its sparsity is the brake: where sparser copies fit worse, they are not elected.
"""

from collections.abc import Callable
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
from pydantic import Field

from suite.errors import UserError
from suite.sparsity.masks import dense_masks, sparsity
from suite.sparsity.pruner import refuse_saliency
from suite.types import Election, Network, Sparsifier, Training, select

#: sparsity s of the elected network, U ~ Uniform(0, max_noise), share of the remaining training that one period is -> a
#: copy's step of sparsity, at most 1 - s
Law = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]

SMALLEST_STEP, LARGEST_STEP = 1e-4, 0.5  # bounds of the step of the law "success", in shares of what is left


def power_law(level: jax.Array, noise: jax.Array, share: jax.Array) -> jax.Array:
    """s' - s = (1 - s) (1 - (1 - share)^U) (ours). With U = 3 and no cap: the cubic schedule to 1."""
    return (1 - level) * (1 - (1 - share) ** noise)


def linear_law(level: jax.Array, noise: jax.Array, share: jax.Array) -> jax.Array:
    """s' - s = (1 - s) min(U share, 1) (ours)."""
    return (1 - level) * jnp.minimum(noise * share, 1)


LAWS: dict[str, Law] = {"power": power_law, "linear": linear_law}


def scale(steps: jax.Array, longest: jax.Array, max_speed: float) -> jax.Array:
    """All steps times the factor, at most 1, that brings the longest possible one to `max_speed` (ours)."""
    return steps * jnp.minimum(1, max_speed / jnp.maximum(longest, max_speed))


def clip(steps: jax.Array, longest: jax.Array, max_speed: float) -> jax.Array:
    """Steps of at most `max_speed` (ours): copies whose steps are longer become equal."""
    return jnp.minimum(steps, max_speed)


CAPS: dict[str, Callable[[jax.Array, jax.Array, float], jax.Array]] = {"scale": scale, "clip": clip}


def success_law(level: jax.Array, draw: jax.Array, step: jax.Array) -> jax.Array:
    """s' = 1 - (1 - s) (1 - d) (ours), d log-uniform from a tenth of the step up to it, for a draw in [0, 1]."""
    return 1 - (1 - level) * (1 - step * 10 ** (draw - 1))


def next_step(step: jax.Array, success: jax.Array, growth: float, success_rate: float) -> jax.Array:
    """The step of the law "success" after an election (ours): times `growth` if a pruned copy won, else divided by so
    much that it holds at the given rate of success. Rechenberg's 1/5 success rule (1973)."""
    exponent = jnp.where(success, 1.0, -success_rate / (1 - success_rate))
    return jnp.clip(step * growth**exponent, SMALLEST_STEP, LARGEST_STEP)


def lowest_loss(networks: tuple[Network, ...]) -> jax.Array:
    """The index of the lowest cumulated loss; a loss that is not finite never wins; -1 if none is finite."""
    losses = jnp.stack([network.loss for network in networks])
    valid = jnp.isfinite(losses)
    return jnp.where(valid.any(), jnp.argmin(jnp.where(valid, losses, jnp.inf)), -1)


def any_network(key: jax.Array, networks: tuple[Network, ...]) -> jax.Array:
    """The index of any network whose loss is finite, -1 if none is."""
    draws = jax.random.uniform(key, (len(networks),))
    return lowest_loss(tuple(n._replace(loss=n.loss * 0 + draw) for n, draw in zip(networks, draws, strict=True)))


def eaudeqn(
    training: Training,
    *,
    num_networks: Annotated[int, Field(ge=1, le=100, description="online networks K")] = 5,
    max_noise: Annotated[float, Field(ge=0, description="upper end of the uniform draw U")] = 3.0,
    max_speed: Annotated[
        float | None,
        Field(
            gt=0,
            le=1,
            description="largest step of sparsity; default 12.5 / target updates but at least 0.01 (ours), in the"
            " paper's runs 0.01",
        ),
    ] = None,
    cap: Annotated[
        Literal["scale", "clip"],
        Field(
            description="what max_speed does to longer steps (ours): scale shortens all steps alike, so that copies"
            " differ; clip makes them equal"
        ),
    ] = "scale",
    law: Annotated[
        Literal["power", "linear", "success"],
        Field(description="pruning law (ours); success: by the outcome of elections, with no horizon"),
    ] = "power",
    first_step: Annotated[
        float,
        Field(
            gt=0, le=LARGEST_STEP, description="law success: largest share of what is left to prune, at first (ours)"
        ),
    ] = 0.01,
    growth: Annotated[
        float, Field(gt=1, le=10, description="law success: factor of that share when a pruned copy wins (ours)")
    ] = 1.2,
    success_rate: Annotated[
        float,
        Field(gt=0, lt=1, description="law success: share of elections won by pruned copies that holds it (ours)"),
    ] = 0.2,
    elect: Annotated[
        Literal["loss", "random", "smoothed"],
        Field(description="who is elected: the lowest loss, anyone, the lowest exponential moving average of losses"),
    ] = "loss",
    smoothing: Annotated[
        float, Field(gt=0, lt=1, description="rate of that average, a gradient step (slimSAC's 0.005)")
    ] = 0.005,
    keep_copy: Annotated[
        bool, Field(description="the elected network itself goes on, beside its pruned copies")
    ] = True,
    shared_draws: Annotated[bool, Field(description="one draw for all copies, which then are equally sparse")] = False,
    reset_optimizer: Annotated[bool, Field(description="replaced networks start with a fresh optimizer")] = True,
    actor: Annotated[
        Literal["follow", "dense"],
        Field(description="an actor is pruned to the elected critics' sparsity at each election, or never (ours)"),
    ] = "follow",
) -> Sparsifier:
    """EauDeQN with one copy kept at the target's sparsity.

    Raises UserError for options that do not fit each other or the pruner's.
    """
    refuse_saliency(training, "eaudeqn prunes at target updates")
    if law == "success" and (max_speed is not None or not keep_copy):
        raise UserError("law=success finds its step by the kept copy's elections: leave out max_speed and keep_copy")
    updates = max(training.gradient_steps // training.target_update_period, 1)
    speed = max_speed if max_speed is not None else min(max(12.5 / updates, 0.01), 1.0)
    copies = num_networks - keep_copy

    def at_target_update(key, step, networks, pruning_step):
        chance = jax.random.fold_in(key, 0)
        elected = any_network(chance, networks) if elect == "random" else lowest_loss(networks)
        parent = select(elected, networks)
        draws = jax.random.uniform(key, (1 if shared_draws else copies,))
        if law == "success":
            pruning_step = next_step(pruning_step, pruned_copy_won(elected, networks), growth, success_rate)
            levels = success_law(sparsity(parent.masks), draws, pruning_step)
        else:
            share = jnp.clip(training.target_update_period / jnp.maximum(training.gradient_steps - step, 1), 0, 1)
            level = sparsity(parent.masks)
            steps = LAWS[law](level, max_noise * draws, share)
            levels = level + CAPS[cap](steps, LAWS[law](level, jnp.float32(max_noise), share), speed)
        levels = jnp.broadcast_to(levels, (copies,))
        pruned = tuple(sparser_copy(jax.random.fold_in(key, 1 + k), parent, levels[k]) for k in range(copies))
        reset = jnp.array([False] * keep_copy + [reset_optimizer] * copies)
        return (parent,) * keep_copy + pruned, pruning_step, Election(elected, reset)

    def sparser_copy(key, network, level):
        opt_state = training.optimizer.init(network.params) if reset_optimizer else network.opt_state
        masks = training.pruner.prune(key, network.params, network.masks, level, None)
        return network._replace(opt_state=opt_state, masks=masks)

    def follow(key, step, acting, elected):
        if actor == "dense":
            return acting
        level = sparsity(elected.masks)
        return acting._replace(masks=training.pruner.prune(key, acting.params, acting.masks, level, None))

    return Sparsifier(
        num_networks=num_networks,
        init=lambda key, params: dense_masks(params),
        at_target_update=at_target_update,
        follow=follow,
        memory=jnp.float32(first_step) if law == "success" else None,
        forgetting=smoothing if elect == "smoothed" else 0.0,
    )


def pruned_copy_won(elected: jax.Array, networks: tuple[Network, ...]) -> jax.Array:
    """Whether a pruned copy did no worse than the kept one, which is the first. bool []"""
    kept, *copies = [network.loss for network in networks]
    return (elected > 0) | (jnp.array(copies) == kept).any()
