"""Eau De Q-Network (EauDeQN; Vincent et al. 2025, arXiv 2503.01437): an election among K networks, and a pruning law.

K online networks of different sparsity learn from one shared target. At each target update

1. elect the network with the lowest cumulated loss, which becomes the target: psi = argmin_k L_k;
2. keep one copy of it at its sparsity s, and prune K - 1 copies further, to s_k = s + d_k;
3. reset all losses to zero.

Elections control the speed of pruning: where sparser copies fit worse, the kept copy wins and the sparsity stays. The
paper leaves the law of d_k open. Ours, with U_k ~ Uniform(0, max_noise), target period T and t of H gradient steps
done, is d_k = (1 - s) (1 - (1 - T / (H - t))^U_k): see `power_law`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from suite.errors import UserError
from suite.options import EauDeQNOptions
from suite.sparsity.masks import dense_masks, sparsity
from suite.sparsity.pruner import refuse_saliency
from suite.types import Election, Masks, Network, Params, Sparsifier, Training, select

#: sparsity s of the elected network, U ~ Uniform(0, max_noise), share of the remaining training that one target period
#: takes -> increase of a copy's sparsity, at most 1 - s
Law = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]

SMALLEST_STEP, LARGEST_STEP = 1e-4, 0.5  # bounds of the step of the law "success", as shares of the remaining weights
OF_SCHEDULES = ("max_noise", "max_speed", "cap")  # options that only the laws "power" and "linear" read
OF_SUCCESS = ("first_step", "growth", "success_rate")  # and those that only "success" reads


def power_law(level: jax.Array, noise: jax.Array, share: jax.Array) -> jax.Array:
    """Return s' - s = (1 - s) (1 - (1 - share)^U) (ours). With U = 3 and no cap: the cubic schedule to 1.

    >>> float(power_law(jnp.float32(0.5), noise=jnp.float32(3), share=jnp.float32(0.5)))  # 0.5 (1 - 0.5^3)
    0.4375
    """
    return (1 - level) * (1 - (1 - share) ** noise)


def linear_law(level: jax.Array, noise: jax.Array, share: jax.Array) -> jax.Array:
    """Return s' - s = (1 - s) min(U share, 1) (ours)."""
    return (1 - level) * jnp.minimum(noise * share, 1)


LAWS: dict[str, Law] = {"power": power_law, "linear": linear_law}


def scale(steps: jax.Array, longest: jax.Array, max_speed: float) -> jax.Array:
    """Shorten all steps by one factor, so that the longest possible step is at most `max_speed` (ours)."""
    return steps * jnp.minimum(1, max_speed / jnp.maximum(longest, max_speed))


def clip(steps: jax.Array, longest: jax.Array, max_speed: float) -> jax.Array:
    """Cut steps at `max_speed` (ours): copies with longer steps become equal."""
    return jnp.minimum(steps, max_speed)


CAPS: dict[str, Callable[[jax.Array, jax.Array, float], jax.Array]] = {"scale": scale, "clip": clip}


def success_law(level: jax.Array, draw: jax.Array, step: jax.Array) -> jax.Array:
    """Return s' = 1 - (1 - s) (1 - d) (ours): d is log-uniform between step / 10 and step if draw ~ Uniform(0, 1)."""
    return 1 - (1 - level) * (1 - step * 10 ** (draw - 1))


def next_step(step: jax.Array, success: jax.Array, growth: float, success_rate: float) -> jax.Array:
    """Adapt the step of the law "success" to the outcome of an election (ours; Rechenberg's 1/5 success rule, 1973).

    Multiply it by `growth` if a pruned copy won. Else shrink it so that it stays constant, on average, at the given
    rate of success.
    """
    exponent = jnp.where(success, 1.0, -success_rate / (1 - success_rate))
    return jnp.clip(step * growth**exponent, SMALLEST_STEP, LARGEST_STEP)


def lowest_loss(networks: tuple[Network, ...]) -> jax.Array:
    """Return psi = argmin_k L_k: the index of the lowest finite cumulated loss, -1 if no loss is finite.

    >>> losses = [3.0, float("nan"), 1.0]
    >>> int(lowest_loss(tuple(Network({}, (), {}, jnp.float32(loss)) for loss in losses)))
    2
    """
    losses = jnp.stack([network.loss for network in networks])
    valid = jnp.isfinite(losses)
    return jnp.where(valid.any(), jnp.argmin(jnp.where(valid, losses, jnp.inf)), -1)


def any_network(key: jax.Array, networks: tuple[Network, ...]) -> jax.Array:
    """Draw the index of a network among those with a finite loss; -1 if no loss is finite."""
    draws = jax.random.uniform(key, (len(networks),))
    return lowest_loss(tuple(n._replace(loss=n.loss * 0 + draw) for n, draw in zip(networks, draws, strict=True)))


def eaudeqn(training: Training, options: EauDeQNOptions) -> Sparsifier:
    """Make EauDeQN: elect a network, keep one copy of it, prune the others.

    Raises UserError for options that are incompatible with each other or with the pruner's.
    """
    _check(training, options)
    levels_of_copies = _by_success(options) if options.law == "success" else _by_schedule(training, options)

    def at_target_update(
        key: jax.Array, step: jax.Array, networks: tuple[Network, ...], pruning_step: jax.Array | None
    ) -> tuple[tuple[Network, ...], jax.Array | None, Election]:
        if options.elect == "random":
            elected = any_network(jax.random.fold_in(key, 0), networks)
        else:
            elected = lowest_loss(networks)
        parent = select(elected, networks)
        won = pruned_copy_won(elected, networks)
        levels, pruning_step = levels_of_copies(key, step, sparsity(parent.masks), won, pruning_step)
        copies = [sparser_copy(jax.random.fold_in(key, 1 + k), parent, level) for k, level in enumerate(levels)]
        reset = [options.reset_optimizer] * len(copies)
        if options.keep_copy:
            copies, reset = [parent, *copies], [False, *reset]
        return tuple(copies), pruning_step, Election(elected, jnp.array(reset))

    def sparser_copy(key: jax.Array, network: Network, level: jax.Array) -> Network:
        masks = training.pruner.prune(key, network.params, network.masks, level, None)
        if options.reset_optimizer:
            network = network._replace(opt_state=training.optimizer.init(network.params))
        return network._replace(masks=masks)

    def follow(key: jax.Array, step: jax.Array, actor: Network, elected: Network) -> Network:
        if options.actor == "dense":
            return actor
        level = sparsity(elected.masks)
        return actor._replace(masks=training.pruner.prune(key, actor.params, actor.masks, level, None))

    def init(key: jax.Array, params: Params) -> Masks:
        return dense_masks(params)

    return Sparsifier(
        num_networks=options.num_networks,
        init=init,
        at_target_update=at_target_update,
        follow=follow,
        memory=jnp.float32(options.first_step) if options.law == "success" else None,
        forgetting=options.smoothing if options.elect == "smoothed" else 0.0,
    )


def _check(training: Training, options: EauDeQNOptions) -> None:
    """Raise UserError for options that are incompatible with each other or with the pruner's."""
    refuse_saliency(training, "eaudeqn prunes at target updates")
    if options.law == "success" and not options.keep_copy:
        raise UserError("keep_copy=False: law=success needs the kept copy's elections; leave out one of the two")
    idle = dict.fromkeys(OF_SCHEDULES if options.law == "success" else OF_SUCCESS, f"law={options.law}")
    if options.elect != "smoothed":
        idle["smoothing"] = f"elect={options.elect}"
    for option, choice in idle.items():
        value = getattr(options, option)
        if value != EauDeQNOptions.model_fields[option].default:
            raise UserError(f"{option}={value}: {choice} does not use it; leave it out")


#: key, gradient steps done, sparsity of the elected network, whether a pruned copy won, the pruning step of the law
#: "success" -> sparsities of the pruned copies, the next pruning step
Levels = Callable[..., tuple[list[jax.Array], jax.Array | None]]


def _by_schedule(training: Training, options: EauDeQNOptions) -> Levels:
    """Return the law "power" or "linear", which uses the share of the remaining training that a target period takes."""
    law = LAWS[options.law]
    updates = max(training.gradient_steps // training.target_update_period, 1)
    max_speed = options.max_speed
    if max_speed is None:
        max_speed = min(max(12.5 / updates, 0.01), 1.0)

    def levels(
        key: jax.Array, step: jax.Array, level: jax.Array, won: jax.Array, pruning_step: None
    ) -> tuple[list[jax.Array], None]:
        share = jnp.clip(training.target_update_period / jnp.maximum(training.gradient_steps - step, 1), 0, 1)
        longest = law(level, jnp.float32(options.max_noise), share)
        steps = law(level, options.max_noise * _draws(key, options), share)
        return list(level + CAPS[options.cap](steps, longest, max_speed)), None

    return levels


def _by_success(options: EauDeQNOptions) -> Levels:
    """Return the law "success", which uses the outcomes of elections and no horizon."""

    def levels(
        key: jax.Array, step: jax.Array, level: jax.Array, won: jax.Array, pruning_step: jax.Array
    ) -> tuple[list[jax.Array], jax.Array]:
        pruning_step = next_step(pruning_step, won, options.growth, options.success_rate)
        return list(success_law(level, _draws(key, options), pruning_step)), pruning_step

    return levels


def _draws(key: jax.Array, options: EauDeQNOptions) -> jax.Array:
    """Draw from [0, 1), once for each pruned copy or once for all: float32 [copies]."""
    copies = options.num_networks - 1 if options.keep_copy else options.num_networks
    draws = jax.random.uniform(key, (1 if options.shared_draws else copies,))
    return jnp.broadcast_to(draws, (copies,))


def pruned_copy_won(elected: jax.Array, networks: tuple[Network, ...]) -> jax.Array:
    """Return whether a pruned copy did no worse than the kept copy, which is the first network: bool []."""
    kept, *copies = [network.loss for network in networks]
    return (elected > 0) | (jnp.array(copies) == kept).any()
