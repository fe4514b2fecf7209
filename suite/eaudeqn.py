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

from suite.sparsity import dense_masks, prune, sparsity
from suite.types import Election, Network, Sparsifier, Training, select

#: sparsity of the elected network, U ~ Uniform(0, max_noise), share of the remaining training that one period is -> new
Law = Callable[[jax.Array, jax.Array, jax.Array, jax.Array | float], jax.Array]


def power_law(level: jax.Array, noise: jax.Array, share: jax.Array, max_speed: jax.Array | float) -> jax.Array:
    """s' = min(s + max_speed, 1 - (1 - s) (1 - share)^U) (ours). With U = 3 and no cap: the cubic schedule to 1."""
    return jnp.minimum(level + max_speed, 1 - (1 - level) * (1 - share) ** noise)


def linear_law(level: jax.Array, noise: jax.Array, share: jax.Array, max_speed: jax.Array | float) -> jax.Array:
    """s' = s + min(max_speed, U (1 - s) share) (ours), at most 1."""
    return jnp.minimum(level + jnp.minimum(max_speed, noise * (1 - level) * share), 1)


LAWS: dict[str, Law] = {"power": power_law, "linear": linear_law}


def elect(networks: tuple[Network, ...]) -> jax.Array:
    """The index of the lowest cumulated loss; a loss that is not finite never wins; -1 if none is finite."""
    losses = jnp.stack([network.loss for network in networks])
    valid = jnp.isfinite(losses)
    return jnp.where(valid.any(), jnp.argmin(jnp.where(valid, losses, jnp.inf)), -1)


def eaudeqn(
    training: Training,
    *,
    num_networks: Annotated[int, Field(ge=1, description="online networks K")] = 5,
    max_noise: Annotated[float, Field(ge=0, description="upper end of the uniform draw U")] = 3.0,
    max_speed: Annotated[
        float | None,
        Field(
            gt=0,
            le=1,
            description="largest step of sparsity; default 12.5 / target updates (ours), in the paper's runs 0.01",
        ),
    ] = None,
    law: Annotated[Literal["power", "linear"], Field(description="pruning law (ours)")] = "power",
    reset_optimizer: Annotated[bool, Field(description="replaced networks start with a fresh optimizer")] = True,
    actor: Annotated[
        Literal["follow", "dense"],
        Field(description="an actor is pruned to the elected critics' sparsity at each election, or never (ours)"),
    ] = "follow",
) -> Sparsifier:
    """EauDeQN with one copy kept at the target's sparsity."""
    updates = max(training.gradient_steps // training.target_update_period, 1)
    speed = max_speed if max_speed is not None else min(12.5 / updates, 1.0)

    def at_target_update(key, step, networks):
        elected = elect(networks)
        kept = select(elected, networks)
        share = jnp.clip(training.target_update_period / jnp.maximum(training.gradient_steps - step, 1), 0, 1)
        noise = max_noise * jax.random.uniform(key, (num_networks - 1,))
        levels = LAWS[law](sparsity(kept.masks), noise, share, speed)
        copies = tuple(sparser_copy(kept, level) for level in levels)
        reset = jnp.array([False] + [reset_optimizer] * (num_networks - 1))
        return (kept, *copies), Election(elected, reset)

    def sparser_copy(network, level):
        opt_state = training.optimizer.init(network.params) if reset_optimizer else network.opt_state
        return network._replace(opt_state=opt_state, masks=prune(network.params, network.masks, level))

    def follow(key, step, acting, elected):
        if actor == "dense":
            return acting
        return acting._replace(masks=prune(acting.params, acting.masks, sparsity(elected.masks)))

    return Sparsifier(
        num_networks=num_networks,
        init=lambda key, params: dense_masks(params),
        after_gradient=lambda key, step, network, gradients: network,
        at_target_update=at_target_update,
        follow=follow,
    )
