"""The one learner: K online networks, one target, one batch, and a method's hooks on their two clocks.

With suite.gradient_step it is the only caller of a Sparsifier.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from suite.diagnostics.inspect import Inspect, make_inspect
from suite.gradient_step import delayed_step, effective, masked, masked_step, settle, targets_follow
from suite.options import LearnerOptions
from suite.population import behaviour_probabilities, loss_weights, over_networks
from suite.sparsity.histograms import histograms
from suite.sparsity.masks import layer_sparsity, sparsity
from suite.types import Actor, Agent, Array, Batch, LearnerState, Network, Sparsifier, all_finite, select

#: Streams of randomness; each draw folds its stream and a clock into the run's key.
INIT, AFTER_GRADIENT, AT_TARGET_UPDATE, ACT, ACT_GREEDILY, CHOOSE, TARGET, IMPROVE, ACTOR_INIT = range(9)
PAGE = 4_096  # gradient steps whose hooks are looked up together


class TargetUpdate(NamedTuple):
    """What happened at a target update: float32 [K], where nothing else is said."""

    losses: jax.Array  # cumulated over the period, in the order before the election, as are sparsities_before
    sparsities_before: jax.Array
    elected: jax.Array  # int32 []
    sparsities: jax.Array  # in the order after it, as is `reset`; [0] is the elected network
    reset: jax.Array  # bool [K]
    actor_sparsity: jax.Array | None  # float32 [], after it; None without an actor
    sound: jax.Array | bool = True  # bool []: all parameters of the target and the actor are finite; not recorded


class Learner(NamedTuple):
    """Compiled functions; `update` and `update_target` consume (donate) the state that they are given."""

    init: Callable[[int], LearnerState]  # seed -> state
    # One gradient step of all K networks, and the method's hook if it is due: state, batch -> state; a third argument
    # may name the state's gradient steps, which otherwise have to be read from the device.
    update: Callable[..., LearnerState]
    gradient_step: Callable[[LearnerState, Batch], LearnerState]  # that alone, as where no hook is due; can be traced
    update_target: Callable[[LearnerState], tuple[LearnerState, TargetUpdate]]
    act: Callable[..., jax.Array]  # state, observation [...], agent step -> action, by the actor or behaviour network
    act_greedily: Callable[..., jax.Array]  # likewise by the elected network; any clock may stand for the agent step
    measure: Callable[[LearnerState], dict[str, Any]]  # sparsities of the elected network and of the actor
    weights: Callable[[LearnerState], dict[str, Any]]  # histograms of theirs
    policy: Callable[[LearnerState], Network]  # what a run hands out, pruned weights zero: the actor or elected network
    target_update_period: int  # gradient steps
    election_steps: int  # of them, those whose losses count in the election
    agent: Agent  # what it trains
    inspect: Inspect  # for diagnostics


def make_learner(agent: Agent, sparsifier: Sparsifier, options: LearnerOptions) -> Learner:
    """Compile an agent and a method into the functions of a Learner."""
    counted = max(round(options.election_window * options.target_update_period), 1)
    loss_weight = loss_weights(sparsifier.forgetting, options.target_update_period, counted)

    def init(seed: int) -> LearnerState:
        key = jax.random.key(seed)
        network = _new_network(_draw(key, INIT, 0), agent, sparsifier)
        actor = _new_network(_draw(key, ACTOR_INIT, 0), agent.actor, sparsifier) if agent.actor else None
        target_actor = effective(sparsifier, actor) if actor and agent.actor and agent.actor.has_target else None
        online, target = (network,) * sparsifier.num_networks, effective(sparsifier, network)
        return LearnerState(online, target, actor, key, jnp.int32(0), sparsifier.memory, target_actor)

    update = _update(agent, sparsifier, loss_weight, options)
    gradient_step = jax.jit(partial(update, False), donate_argnums=0)
    return Learner(
        init=jax.jit(init),
        update=_when_due(sparsifier, gradient_step, jax.jit(partial(update, True), donate_argnums=0)),
        gradient_step=gradient_step,
        update_target=jax.jit(
            partial(_update_target, sparsifier, follows=options.polyak is not None), donate_argnums=0
        ),
        act=_act(agent, sparsifier, options.behaviour),
        act_greedily=_act_greedily(agent, sparsifier),
        measure=jax.jit(_measure),
        weights=histograms,
        policy=lambda state: masked(state.actor or state.online[0]),
        target_update_period=options.target_update_period,
        election_steps=counted,
        agent=agent,
        inspect=make_inspect(agent, partial(_target_values, agent, sparsifier), partial(effective, sparsifier)),
    )


def _update(
    agent: Agent, sparsifier: Sparsifier, loss_weight: Callable[[jax.Array], jax.Array], options: LearnerOptions
) -> Callable[[bool, LearnerState, Batch], LearnerState]:
    """One gradient step of all K networks and of the actor, with the method's hook or without.

    All K networks see the same batch and the same y, which the target network gives:
    theta_k <- theta_k - Adam(grad loss(theta_k, y)) and L_k <- L_k + w loss(theta_k, y), k = 1 .. K,
    with w the weight of this step's losses in the next election.
    """

    def update(hook: bool, state: LearnerState, batch: Batch) -> LearnerState:
        *keys, actor_key = jax.random.split(_draw(state.key, AFTER_GRADIENT, state.step + 1), len(state.online) + 1)
        y = _target_values(agent, sparsifier, state, batch)
        state = state._replace(online=critic_steps(hook, tuple(keys), state, batch, y), step=state.step + 1)
        if agent.actor and state.actor:
            state = state._replace(actor=actor_step(hook, actor_key, state, batch, agent.actor, state.actor))
        if options.polyak is not None:
            state = targets_follow(agent, sparsifier, options.polyak, state)
        return state

    def critic_steps(
        hook: bool, keys: tuple[jax.Array, ...], state: LearnerState, batch: Batch, y: jax.Array
    ) -> tuple[Network, ...]:
        weight = loss_weight(state.step)
        step = partial(masked_step, step=state.step + 1, agent=agent, sparsifier=sparsifier, weight=weight)

        def learn(part: tuple[Network, jax.Array]) -> Network:
            network, key = part
            return step(hook, network, batch, y, key=key)

        return over_networks(learn, tuple(zip(state.online, keys, strict=True)), vectorize=options.vectorize)

    def actor_step(
        hook: bool, key: jax.Array, state: LearnerState, batch: Batch, actor: Actor, network: Network
    ) -> Network:
        """By the elected critics, as they are after this gradient step."""
        elected = effective(sparsifier, state.online[0])
        improved = actor._replace(loss=partial(actor.loss, _draw(state.key, IMPROVE, state.step)))
        weight = loss_weight(state.step - 1)
        step = partial(masked_step, key=key, step=state.step, agent=improved, sparsifier=sparsifier, weight=weight)
        if actor.period == 1:
            return step(hook, network, elected, batch)
        return delayed_step(step, state.step % actor.period == 0, hook, network, elected, batch)

    return update


def _target_values(agent: Agent, sparsifier: Sparsifier, state: LearnerState, batch: Batch) -> jax.Array:
    """y, float32 [B]."""
    chooser = state.target_actor
    if chooser is None:
        chooser = effective(sparsifier, state.actor or state.online[0])
    y = agent.target(_draw(state.key, TARGET, state.step + 1), state.target, chooser, batch)
    chex.assert_rank(y, 1)
    return jax.lax.stop_gradient(y)


Update = Callable[[LearnerState, Batch], LearnerState]


def _when_due(sparsifier: Sparsifier, gradient_step: Update, with_hook: Update) -> Callable[..., LearnerState]:
    """Two programs, of which the clock chooses: in a single one, a branch that seldom changes a network would copy it
    at every gradient step. When something is due is worked out for many steps at once."""
    if sparsifier.after_gradient is None:
        return lambda state, batch, done=None: gradient_step(state, batch)
    due = jax.jit(jax.vmap(sparsifier.due))

    @lru_cache(maxsize=1)
    def calendar(page: int) -> np.ndarray:
        return np.asarray(due(jnp.arange(PAGE) + page * PAGE))

    def update(state: LearnerState, batch: Batch, done: int | None = None) -> LearnerState:
        page, day = divmod(int(state.step if done is None else done) + 1, PAGE)
        return (with_hook if calendar(page)[day] else gradient_step)(state, batch)

    return update


def _new_network(key: jax.Array, agent: Agent | Actor, sparsifier: Sparsifier) -> Network:
    params_key, masks_key = jax.random.split(key)
    params = agent.init(params_key)
    network = Network(params, (), sparsifier.init(masks_key, params), jnp.float32(0))
    network = settle(sparsifier, network)
    return network._replace(opt_state=agent.optimizer.init(network.params))


def _update_target(sparsifier: Sparsifier, state: LearnerState, *, follows: bool) -> tuple[LearnerState, TargetUpdate]:
    """Elect. The target becomes the elected network, unless it `follows` it at every gradient step."""
    before = tuple(map(_judged, state.online))
    key = _draw(state.key, AT_TARGET_UPDATE, state.step)
    online, memory, election = sparsifier.at_target_update(key, state.step, before, state.memory)
    online = tuple(settle(sparsifier, network)._replace(loss=jnp.float32(0)) for network in online)
    actor = state.actor
    sound = all_finite((state.target, state.target_actor, (actor.params, actor.loss) if actor else ()))
    if actor:
        actor = settle(sparsifier, sparsifier.follow(key, state.step, actor, online[0]))._replace(loss=jnp.float32(0))
    record = TargetUpdate(
        losses=jnp.stack([network.loss for network in before]),
        sparsities_before=jnp.stack([sparsity(network.masks) for network in before]),
        elected=election.elected,
        sparsities=jnp.stack([sparsity(network.masks) for network in online]),
        reset=election.reset,
        actor_sparsity=sparsity(actor.masks) if actor else None,
        sound=sound,
    )
    # The target is the elected network as it was: what a method then prunes is a sparser copy of its target.
    if not follows:
        target = select(election.elected, tuple(effective(sparsifier, network) for network in before))
        target_actor = effective(sparsifier, state.actor) if state.actor and state.target_actor is not None else None
        state = state._replace(target=target, target_actor=target_actor)
    return state._replace(online=online, actor=actor, memory=memory), record


def _judged(network: Network) -> Network:
    """NaN loss if any parameter is not finite, so that the network is never elected."""
    return network._replace(loss=jnp.where(all_finite(network.params), network.loss, jnp.nan))


def _act(agent: Agent, sparsifier: Sparsifier, behaviour: str) -> Callable[..., jax.Array]:
    @jax.jit
    def choose(key: jax.Array, losses: list[jax.Array], agent_step: Array) -> jax.Array:
        probabilities = behaviour_probabilities(behaviour, jnp.stack(losses))
        return jax.random.choice(_draw(key, CHOOSE, agent_step), len(losses), p=probabilities)

    @jax.jit
    def by(key: jax.Array, acting: Network, observation: Array, agent_step: Array) -> jax.Array:
        params = effective(sparsifier, acting)
        return agent.act(_draw(key, ACT, agent_step), params, observation, agent_step, greedy=False)

    def act(state: LearnerState, observation: Array, agent_step: Array) -> jax.Array:
        acting = state.actor or state.online[0]
        if not state.actor and len(state.online) > 1:
            # The choice comes to the host: a branch for each network inside one function costs more time than that.
            acting = state.online[int(choose(state.key, [network.loss for network in state.online], agent_step))]
        action: jax.Array = by(state.key, _in_use(sparsifier, acting), observation, agent_step)
        return action

    return act


def _act_greedily(agent: Agent, sparsifier: Sparsifier) -> Callable[..., jax.Array]:
    @jax.jit
    def by(key: jax.Array, acting: Network, observation: Array, clock: Array) -> jax.Array:
        params = effective(sparsifier, acting)
        return agent.act(_draw(key, ACT_GREEDILY, clock), params, observation, clock, greedy=True)

    def act_greedily(state: LearnerState, observation: Array, clock: Array) -> jax.Array:
        acting = _in_use(sparsifier, state.actor or state.online[0])
        action: jax.Array = by(state.key, acting, observation, clock)
        return action

    return act_greedily


def _measure(state: LearnerState) -> dict[str, Any]:
    elected, actor = state.online[0], state.actor
    return {
        "sparsity": sparsity(elected.masks),
        "layer_sparsity": layer_sparsity(elected.params, elected.masks),
        "actor_sparsity": sparsity(actor.masks) if actor else None,
        "actor_layer_sparsity": layer_sparsity(actor.params, actor.masks) if actor else None,
    }


def _draw(key: jax.Array, stream: int, clock: Array | int) -> jax.Array:
    return jax.random.fold_in(jax.random.fold_in(key, stream), clock)


def _in_use(sparsifier: Sparsifier, network: Network) -> Network:
    """Drop what acting does not need: dispatch cost grows with the number of arrays."""
    masks = {} if sparsifier.pruned_weights == "zero" else network.masks
    return network._replace(opt_state=(), masks=masks)
