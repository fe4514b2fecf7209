"""The learner: K online networks, one target, one batch, and a method's hooks on two clocks.

Only this module and suite.gradient_step call a Sparsifier.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from suite.acting import Act, make_act, make_act_greedily
from suite.diagnostics.inspect import Inspect, make_inspect
from suite.dispatch import due_steps, in_turn, uninterrupted, when_due
from suite.gradient_step import delayed_step, effective, masked, masked_step, settle, targets_follow
from suite.options import LearnerOptions
from suite.population import Population, beside, contained, loss_weights, on_accelerator, over_networks
from suite.sparsity.histograms import histograms
from suite.sparsity.masks import layer_sparsity, sparsity
from suite.streams import ACTOR_INIT, AFTER_GRADIENT, AT_TARGET_UPDATE, FOLLOW, IMPROVE, INIT, TARGET, draw
from suite.types import (
    Actor,
    Agent,
    Batch,
    Frames,
    LearnerState,
    Network,
    Sparsifier,
    Stacked,
    all_finite,
    select,
    stack_frames,
)


class TargetUpdate(NamedTuple):
    """The result of a target update; arrays are float32 [K] unless stated otherwise."""

    losses: jax.Array  # cumulated over the period, in the order before the election
    sparsities_before: jax.Array  # in the order before the election
    elected: jax.Array  # int32 []
    sparsities: jax.Array  # in the order after the election; [0] is the elected network
    reset: jax.Array  # bool [K]: in the order after the election
    actor_sparsity: jax.Array | None  # float32 []: after the election; None without an actor
    sound: jax.Array | bool = True  # bool []: all parameters of the target and the actor are finite; not recorded


class Learner(NamedTuple):
    """Compiled functions. Those that return a state consume (donate) the given one."""

    init: Callable[[int], LearnerState]  # seed -> state
    # One gradient step of all K networks, and the method's hook if it is due: state, batch -> state. The optional third
    # argument is the number of gradient steps done, which otherwise is read from the device.
    update: Callable[..., LearnerState]
    gradient_step: Callable[[LearnerState, Batch | Frames], LearnerState]  # without a hook; can be traced
    gradient_steps: Callable[[LearnerState, Sequence[Batch | Frames]], LearnerState]  # several in one program
    uninterrupted: Callable[[int, int], int]  # gradient steps done, most -> how many of them are one program
    update_target: Callable[[LearnerState], tuple[LearnerState, TargetUpdate]]
    act: Act  # by the actor or the behaviour network
    act_greedily: Act  # by the actor or the elected network; any clock may replace the agent step
    measure: Callable[[LearnerState], dict[str, Any]]  # sparsities of the elected network and of the actor
    weights: Callable[[LearnerState], dict[str, Any]]  # histograms of their weights
    policy: Callable[[LearnerState], Network]  # the actor or elected network, pruned weights zero: the result of a run
    target_update_period: int  # gradient steps
    election_steps: int  # gradient steps of a period whose losses count in the election
    agent: Agent
    draws_ahead: bool  # a thread should draw batches and copy them to the device ahead of their gradient steps
    inspect: Inspect  # for diagnostics
    dense_gradients: bool  # pruned weights learn too


def make_learner(agent: Agent, sparsifier: Sparsifier, options: LearnerOptions) -> Learner:
    """Compile an agent and a method into the functions of a Learner."""
    counted = max(round(options.election_window * options.target_update_period), 1)
    loss_weight = loss_weights(sparsifier.forgetting, options.target_update_period, counted)
    vectorize = on_accelerator() if options.vectorize is None else options.vectorize
    in_use, needs_masks = partial(effective, sparsifier), sparsifier.pruned_weights != "zero"

    def init(seed: int) -> LearnerState:
        key = jax.random.key(seed)
        network = _new_network(draw(key, INIT, 0), agent, sparsifier)
        actor = _new_network(draw(key, ACTOR_INIT, 0), agent.actor, sparsifier) if agent.actor else None
        networks = (network,) * sparsifier.num_networks
        online = Stacked.of(networks) if vectorize and len(networks) > 1 else networks
        target = in_use(network)
        target_actor = in_use(actor) if actor and agent.actor and agent.actor.has_target else None
        return LearnerState(online, target, actor, key, jnp.int32(0), sparsifier.memory, target_actor)

    update = _update(agent, sparsifier, loss_weight, options)
    gradient_step = jax.jit(partial(update, False), donate_argnums=0)
    due = due_steps(sparsifier)
    return Learner(
        init=jax.jit(init),
        update=when_due(due, gradient_step, jax.jit(partial(update, True), donate_argnums=0)),
        gradient_step=gradient_step,
        gradient_steps=in_turn(gradient_step),
        uninterrupted=uninterrupted(options.target_update_period, due) if vectorize else lambda done, most: 1,
        update_target=jax.jit(
            partial(_update_target, sparsifier, follows=options.polyak is not None), donate_argnums=0
        ),
        act=make_act(agent, in_use, needs_masks, options.behaviour),
        act_greedily=make_act_greedily(agent, in_use, needs_masks),
        measure=jax.jit(_measure),
        weights=histograms,
        policy=lambda state: masked(state.actor or state.online[0]),
        target_update_period=options.target_update_period,
        election_steps=counted,
        agent=agent,
        draws_ahead=vectorize,
        inspect=make_inspect(agent, partial(_target_values, agent, sparsifier), in_use),
        dense_gradients=sparsifier.pruned_weights == "learning",
    )


def _update(
    agent: Agent, sparsifier: Sparsifier, loss_weight: Callable[[jax.Array], jax.Array], options: LearnerOptions
) -> Callable[[bool, LearnerState, Batch | Frames], LearnerState]:
    """Return a function that takes one gradient step of all K networks and the actor, with or without the hook.

    All K networks see the same batch and the same y, which the target network gives:
    theta_k <- theta_k - Adam(grad loss(theta_k, y)) and L_k <- L_k + w loss(theta_k, y), k = 1 .. K,
    with w the weight of this step's losses in the next election.
    """

    def update(hook: bool, state: LearnerState, given: Batch | Frames) -> LearnerState:
        batch = stack_frames(given)
        keys = jax.random.split(draw(state.key, AFTER_GRADIENT, state.step + 1), len(state.online) + 1)
        y = _target_values(agent, sparsifier, state, batch)
        state = state._replace(online=critic_steps(hook, keys[:-1], state, batch, y), step=state.step + 1)
        if agent.actor and state.actor:
            state = state._replace(actor=actor_step(hook, keys[-1], state, batch, agent.actor, state.actor))
        if options.polyak is not None:
            state = targets_follow(agent, sparsifier, options.polyak, state)
        return state

    def critic_steps(hook: bool, keys: jax.Array, state: LearnerState, batch: Batch, y: jax.Array) -> Population:
        weight = loss_weight(state.step)
        step = partial(masked_step, step=state.step + 1, agent=agent, sparsifier=sparsifier, weight=weight)

        def learn(part: tuple[Network, jax.Array]) -> Network:
            network, key = part
            return step(hook, network, batch, y, key=key)

        return over_networks(learn, beside(state.online, keys))

    def actor_step(
        hook: bool, key: jax.Array, state: LearnerState, batch: Batch, actor: Actor, network: Network
    ) -> Network:
        """Improve the actor by the elected critics, after their gradient step."""
        elected = effective(sparsifier, state.online[0])
        improved = actor._replace(loss=partial(actor.loss, draw(state.key, IMPROVE, state.step)))
        weight = loss_weight(state.step - 1)
        step = partial(masked_step, key=key, step=state.step, agent=improved, sparsifier=sparsifier, weight=weight)
        if actor.period == 1:
            return step(hook, network, elected, batch)
        return delayed_step(step, state.step % actor.period == 0, hook, network, elected, batch)

    return update


def _target_values(agent: Agent, sparsifier: Sparsifier, state: LearnerState, batch: Batch) -> jax.Array:
    """Return y, float32 [B], through which no gradient flows."""
    chooser = state.target_actor
    if chooser is None:
        chooser = effective(sparsifier, state.actor or state.online[0])
    y = agent.target(draw(state.key, TARGET, state.step + 1), state.target, chooser, batch)
    chex.assert_rank(y, 1)
    return jax.lax.stop_gradient(y)


def _new_network(key: jax.Array, agent: Agent | Actor, sparsifier: Sparsifier) -> Network:
    params_key, masks_key = jax.random.split(key)
    params = agent.init(params_key)
    network = Network(params, (), sparsifier.init(masks_key, params), jnp.float32(0))
    network = settle(sparsifier, network)
    return network._replace(opt_state=agent.optimizer.init(network.params))


def _update_target(sparsifier: Sparsifier, state: LearnerState, *, follows: bool) -> tuple[LearnerState, TargetUpdate]:
    """Elect a network, which becomes the target unless the target `follows` it at every gradient step."""
    before = tuple(map(_judged, state.online))
    key = draw(state.key, AT_TARGET_UPDATE, state.step)
    online, memory, election = sparsifier.at_target_update(key, state.step, before, state.memory)
    online = tuple(settle(sparsifier, network)._replace(loss=jnp.float32(0)) for network in online)
    actor = state.actor
    sound = all_finite((state.target, state.target_actor, (actor.params, actor.loss) if actor else ()))
    if actor:
        actor = sparsifier.follow(draw(state.key, FOLLOW, state.step), state.step, actor, online[0])
        actor = settle(sparsifier, actor)._replace(loss=jnp.float32(0))
    record = TargetUpdate(
        losses=jnp.stack([network.loss for network in before]),
        sparsities_before=jnp.stack([sparsity(network.masks) for network in before]),
        elected=election.elected,
        sparsities=jnp.stack([sparsity(network.masks) for network in online]),
        reset=election.reset,
        actor_sparsity=sparsity(actor.masks) if actor else None,
        sound=sound,
    )
    # The target is the elected network before pruning: a method prunes copies of the target.
    if not follows:
        target = select(election.elected, tuple(effective(sparsifier, network) for network in before))
        target_actor = effective(sparsifier, state.actor) if state.actor and state.target_actor is not None else None
        state = state._replace(target=target, target_actor=target_actor)
    state = state._replace(online=contained(online, state.online), actor=actor, memory=memory)
    return state, record


def _judged(network: Network) -> Network:
    """Set a NaN loss if any parameter is not finite, so that the network is never elected."""
    return network._replace(loss=jnp.where(all_finite(network.params), network.loss, jnp.nan))


def _measure(state: LearnerState) -> dict[str, Any]:
    elected, actor = state.online[0], state.actor
    return {
        "sparsity": sparsity(elected.masks),
        "layer_sparsity": layer_sparsity(elected.params, elected.masks),
        "actor_sparsity": sparsity(actor.masks) if actor else None,
        "actor_layer_sparsity": layer_sparsity(actor.params, actor.masks) if actor else None,
    }
