"""The one learner: K online networks, one target, one batch, and a method's hooks on their two clocks.

It is the only caller of a Sparsifier, and the only place where masks are applied: last, after every hook.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from pydantic import Field

from suite.sparsity import apply_masks, layer_sparsity, sparsity
from suite.types import Agent, Array, Batch, LearnerState, Network, Params, Sparsifier, select

#: Streams of randomness; each draw folds its stream and a clock into the run's key.
INIT, AFTER_GRADIENT, AT_TARGET_UPDATE, ACT, ACT_GREEDILY, CHOOSE = range(6)


class TargetUpdate(NamedTuple):
    """What happened at a target update; all float32 [K] but `elected` (int32 []) and `reset` (bool [K])."""

    losses: jax.Array  # cumulated over the period, in the order before the election, as are sparsities_before
    sparsities_before: jax.Array
    elected: jax.Array
    sparsities: jax.Array  # in the order after it, as is `reset`; [0] is the elected network
    reset: jax.Array


class Learner(NamedTuple):
    """Compiled functions; `update` and `update_target` consume (donate) the state that they are given."""

    init: Callable[[int], LearnerState]  # seed -> state
    update: Callable[[LearnerState, Batch], LearnerState]  # one gradient step of all K networks
    update_target: Callable[[LearnerState], tuple[LearnerState, TargetUpdate]]
    act: Callable[..., jax.Array]  # state, observation [...], agent step -> action [], by the behaviour network
    act_greedily: Callable[..., jax.Array]  # likewise by the elected network; any clock may stand for the agent step
    measure: Callable[[LearnerState], dict[str, Any]]  # sparsity and layer_sparsity of the elected network
    target_update_period: int  # gradient steps


def make_learner(
    agent: Agent,
    sparsifier: Sparsifier,
    *,
    target_update_period: Annotated[int, Field(ge=1, description="gradient steps between target updates")] = 2_000,
    behaviour: Annotated[
        Literal["inverse_loss", "uniform", "elected"],
        Field(description="which of the K networks acts, drawn at every agent step"),
    ] = "inverse_loss",
    vectorize: Annotated[
        bool | None, Field(description="map the networks by vmap; default: unless the device is a CPU")
    ] = None,
) -> Learner:
    """Compile an agent and a method into the functions of a Learner."""

    def init(seed: int) -> LearnerState:
        key = jax.random.key(seed)
        params_key, masks_key = jax.random.split(_draw(key, INIT, 0))
        params = agent.init(params_key)
        masks = sparsifier.init(masks_key, params)
        params = apply_masks(params, masks)
        network = Network(params, agent.optimizer.init(params), masks, jnp.float32(0))
        return LearnerState((network,) * sparsifier.num_networks, params, key, jnp.int32(0))

    return Learner(
        init=jax.jit(init),
        update=jax.jit(_update(agent, sparsifier, vectorize), donate_argnums=0),
        update_target=jax.jit(_update_target(sparsifier), donate_argnums=0),
        act=_act(agent, behaviour),
        act_greedily=_act_greedily(agent),
        measure=jax.jit(_measure),
        target_update_period=target_update_period,
    )


def _update(
    agent: Agent, sparsifier: Sparsifier, vectorize: bool | None
) -> Callable[[LearnerState, Batch], LearnerState]:
    def gradient_step(part: tuple[Network, jax.Array], batch: Batch, target: jax.Array, step: jax.Array) -> Network:
        network, key = part
        loss, gradients = jax.value_and_grad(agent.loss)(network.params, batch, target)
        masked = apply_masks(gradients, network.masks)
        updates, opt_state = agent.optimizer.update(masked, network.opt_state, network.params)
        params = optax.apply_updates(network.params, updates)
        network = Network(params, opt_state, network.masks, network.loss + loss)
        return _masked(sparsifier.after_gradient(key, step, network, gradients))

    def update(state: LearnerState, batch: Batch) -> LearnerState:
        target = jax.lax.stop_gradient(agent.target(state.target, batch))
        step = state.step + 1
        keys = jax.random.split(_draw(state.key, AFTER_GRADIENT, step), len(state.online))
        parts = tuple(zip(state.online, keys, strict=True))
        return state._replace(
            online=over_networks(gradient_step, parts, batch, target, step, vectorize=vectorize), step=step
        )

    return update


def _update_target(sparsifier: Sparsifier) -> Callable[[LearnerState], tuple[LearnerState, TargetUpdate]]:
    def update_target(state: LearnerState) -> tuple[LearnerState, TargetUpdate]:
        before = state.online
        key = _draw(state.key, AT_TARGET_UPDATE, state.step)
        online, election = sparsifier.at_target_update(key, state.step, before)
        online = tuple(_masked(network)._replace(loss=jnp.float32(0)) for network in online)
        record = TargetUpdate(
            losses=jnp.stack([network.loss for network in before]),
            sparsities_before=jnp.stack([sparsity(network.masks) for network in before]),
            elected=election.elected,
            sparsities=jnp.stack([sparsity(network.masks) for network in online]),
            reset=election.reset,
        )
        # The target is the elected network as it was: what a method then prunes is a sparser copy of its target.
        target = select(election.elected, tuple(network.params for network in before))
        return state._replace(online=online, target=target), record

    return update_target


def _act(agent: Agent, behaviour: str) -> Callable[..., jax.Array]:
    @jax.jit
    def choose(key: jax.Array, losses: list[jax.Array], agent_step: Array) -> jax.Array:
        probabilities = behaviour_probabilities(behaviour, jnp.stack(losses))
        return jax.random.choice(_draw(key, CHOOSE, agent_step), len(losses), p=probabilities)

    @jax.jit
    def by(key: jax.Array, params: Params, observation: Array, agent_step: Array) -> jax.Array:
        return agent.act(_draw(key, ACT, agent_step), params, observation, agent_step, greedy=False)

    def act(state: LearnerState, observation: Array, agent_step: Array) -> jax.Array:
        # The choice comes to the host: a branch for each network inside one function costs more time than that.
        chosen = 0
        if len(state.online) > 1:
            chosen = int(choose(state.key, [network.loss for network in state.online], agent_step))
        return by(state.key, state.online[chosen].params, observation, agent_step)

    return act


def _act_greedily(agent: Agent) -> Callable[..., jax.Array]:
    @jax.jit
    def by(key: jax.Array, params: Params, observation: Array, clock: Array) -> jax.Array:
        return agent.act(_draw(key, ACT_GREEDILY, clock), params, observation, clock, greedy=True)

    def act_greedily(state: LearnerState, observation: Array, clock: Array) -> jax.Array:
        return by(state.key, state.online[0].params, observation, clock)

    return act_greedily


def _measure(state: LearnerState) -> dict[str, Any]:
    elected = state.online[0]
    return {"sparsity": sparsity(elected.masks), "layer_sparsity": layer_sparsity(elected.params, elected.masks)}


def over_networks(
    function: Callable[..., Any], networks: tuple[Any, ...], *others: Any, vectorize: bool | None = None
) -> tuple[Any, ...]:
    """`function(network, *others)` for each of K networks: the one place that knows how they are mapped.

    A loop inside the compiled function on a CPU, where batched convolutions are some seven times slower; vmap over
    stacked networks elsewhere (vectorize=None chooses by the device).
    """
    if vectorize is None:
        vectorize = jax.default_backend() != "cpu"
    if not vectorize or len(networks) == 1:
        return tuple(function(network, *others) for network in networks)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *networks)
    mapped = jax.vmap(lambda network: function(network, *others))(stacked)
    return tuple(jax.tree.map(lambda leaf: leaf[k], mapped) for k in range(len(networks)))  # noqa: B023


def behaviour_probabilities(rule: str, losses: jax.Array) -> jax.Array:
    """The chance of each network to act, float32 [K]. A network whose loss is not finite never acts if one is.

    `inverse_loss`: p_k ~ 1 / (L_k + 1e-6), as in the authors' AdaDQN; `uniform`; `elected`: the elected one alone.
    """
    weights = {
        "inverse_loss": 1 / (losses + 1e-6),
        "uniform": jnp.ones_like(losses),
        "elected": jnp.zeros_like(losses).at[0].set(1),
    }[rule]
    finite = jnp.isfinite(losses)
    usable = jnp.where(finite, weights, 0)
    fallback = jnp.where(finite.any(), finite, True).astype(losses.dtype)
    usable = jnp.where(jnp.sum(usable) > 0, usable, fallback)
    return usable / jnp.sum(usable)


def _draw(key: jax.Array, stream: int, clock: Array | int) -> jax.Array:
    return jax.random.fold_in(jax.random.fold_in(key, stream), clock)


def _masked(network: Network) -> Network:
    return network._replace(params=apply_masks(network.params, network.masks))
