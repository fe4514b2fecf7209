"""Acting: the choice of the network, and the compiled functions."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from suite.population import behaviour_probabilities
from suite.streams import ACT, ACT_GREEDILY, CHOOSE, draw
from suite.types import Agent, Array, LearnerState, Network, Params, Stacked

#: state, observation [...], agent step as np.int32 -> action
Act = Callable[[LearnerState, Array, Array | np.int32], jax.Array]
Effective = Callable[[Network], Params]  # what a network computes with


def make_act(agent: Agent, effective: Effective, needs_masks: bool, behaviour: str) -> Act:
    """Return a function that acts by the actor, or by a network that is drawn at every agent step.

    Stacked networks are drawn inside the function that acts, so that the action is the only value that the host waits
    for. From a tuple the host chooses: on a CPU, a branch for each network would cost more time.
    """

    @jax.jit
    def choose(key: jax.Array, losses: jax.Array | list[jax.Array], agent_step: Array) -> jax.Array:
        losses = jnp.stack(losses) if isinstance(losses, list) else losses
        probabilities = behaviour_probabilities(behaviour, losses)
        return jax.random.choice(draw(key, CHOOSE, agent_step), len(losses), p=probabilities)

    @jax.jit
    def by(key: jax.Array, acting: Network | Stacked, observation: Array, agent_step: Array) -> jax.Array:
        drawn = acting[choose(key, acting.tree.loss, agent_step)] if isinstance(acting, Stacked) else acting
        return agent.act(draw(key, ACT, agent_step), effective(drawn), observation, agent_step, greedy=False)

    def act(state: LearnerState, observation: Array, agent_step: Array | np.int32) -> jax.Array:
        acting: Network | Stacked
        if state.actor:
            acting = state.actor
        elif isinstance(state.online, Stacked):
            acting = state.online
        else:
            losses = [network.loss for network in state.online]
            acting = state.online[int(choose(state.key, losses, agent_step)) if len(losses) > 1 else 0]
        action: jax.Array = by(state.key, _in_use(acting, needs_masks), observation, agent_step)
        return action

    return act


def make_act_greedily(agent: Agent, effective: Effective, needs_masks: bool) -> Act:
    """Return a function that acts by the actor or the elected network, as in evaluation."""

    @jax.jit
    def by(key: jax.Array, acting: Network | Stacked, observation: Array, clock: Array) -> jax.Array:
        elected = acting[0] if isinstance(acting, Stacked) else acting
        return agent.act(draw(key, ACT_GREEDILY, clock), effective(elected), observation, clock, greedy=True)

    def act_greedily(state: LearnerState, observation: Array, clock: Array | np.int32) -> jax.Array:
        online = state.online if isinstance(state.online, Stacked) else state.online[0]
        action: jax.Array = by(state.key, _in_use(state.actor or online, needs_masks), observation, clock)
        return action

    return act_greedily


def _in_use(acting: Network | Stacked, needs_masks: bool) -> Network | Stacked:
    """Drop what acting does not need: dispatch cost grows with the number of arrays."""
    if isinstance(acting, Stacked):
        return Stacked(_in_use(acting.tree, needs_masks))
    return acting._replace(opt_state=(), masks=acting.masks if needs_masks else {})
