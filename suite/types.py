"""The vocabulary of the suite: what a batch, a network, a learner, an agent and a sparsifier are.

Shapes: B is the batch size, K the number of online networks, `params` a nested dict of arrays as flax makes it.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from suite.layers import Networks

Array = jax.Array | np.ndarray
Params = Any
Masks = dict[str, jax.Array]  # a kernel's path, such as "Conv_0/kernel" -> bool of its shape, True = kept


class Batch(NamedTuple):
    """B transitions, as the replay gives them."""

    observation: Array  # [B, ...]
    action: Array  # int32 [B], or float32 [B, A]
    reward: Array  # float32 [B]: the discounted sum of the n steps' rewards, clipped
    discount: Array  # float32 [B]: gamma^n, 0 after a terminal
    next_observation: Array  # [B, ...]


class Network(NamedTuple):
    """One online network (for SAC: a pair of critics), or an actor."""

    params: Params
    opt_state: optax.OptState
    masks: Masks  # empty for a method that never prunes
    loss: jax.Array  # float32 []: cumulated since the last target update


class LearnerState(NamedTuple):
    """All that learning changes. The clock `step` counts gradient steps and is shared by all networks."""

    online: tuple[Network, ...]  # K of them; after a target update [0] is the elected one
    target: Params
    actor: Network | None
    key: jax.Array  # constant: each draw folds in its stream and the clock, so a state needs no other randomness
    step: jax.Array  # int32 []
    memory: Any  # what the method carries from one target update to the next: a tree of arrays, None for most
    target_actor: Params | None = None  # of an agent whose actor has one


#: params, batch -> outputs [B, ...], and the activations of hidden layers by the layers' paths, [B, ..., units]
Inspection = Callable[[Params, Batch], tuple[jax.Array, dict[str, jax.Array]]]


class Actor(NamedTuple):
    """The policy of an agent that does not act by its Q-networks alone: pure functions, as an agent's."""

    init: Callable[[jax.Array], Params]  # key -> params
    loss: Callable[[jax.Array, Params, Params, Batch], jax.Array]  # key, params, elected network's, batch -> float32 []
    optimizer: optax.GradientTransformation
    networks: Networks  # the layers in its params
    period: int = 1  # gradient steps between its updates, with which the targets follow (delayed policy updates)
    has_target: bool = False  # whether a target actor chooses the actions of the critics' targets
    inspect: Inspection | None = None  # for diagnostics
    observe: Callable[..., Params] | None = None  # params, elected network's, batch -> params with running statistics


class Agent(NamedTuple):
    """Pure functions of parameters and batches."""

    init: Callable[[jax.Array], Params]  # key -> params
    act: Callable[..., jax.Array]  # key, params, observation [...], agent step, greedy -> action; the actor's params
    #                                if there is one
    # key, params of the target and of what chooses the next action, batch -> y [B], shared by all K networks. The
    # target actor chooses, or the actor, or where there is none the elected network.
    target: Callable[[jax.Array, Params, Params, Batch], jax.Array]
    loss: Callable[[Params, Batch, jax.Array], jax.Array]  # params, batch, y -> float32 []
    optimizer: optax.GradientTransformation
    networks: Networks  # the layers in its params: of a Q-network, of twin critics
    actor: Actor | None = None
    inspect: Inspection | None = None  # for diagnostics; of a Q-network, the outputs are the values of the actions
    # params, batch, y -> params with what no gradient learns, such as running statistics, after each gradient step
    observe: Callable[..., Params] | None = None

    @property
    def all_networks(self) -> Networks:
        """Its own networks and the actor's: all that may be pruned."""
        return self.networks + (self.actor.networks if self.actor else ())


class Election(NamedTuple):
    """What a target update decided; `elected` indexes the networks as they stood before it."""

    elected: jax.Array  # int32 [], -1 when no network has a finite loss
    reset: jax.Array  # bool [K]: whose optimizer starts afresh, in the order after the update


def select(index: jax.Array, trees: tuple[Any, ...]) -> Any:
    """The tree at a traced index, the first one for -1."""
    return jax.tree.map(lambda *leaves: jax.lax.select_n(jnp.maximum(index, 0), *leaves), *trees)


def all_finite(tree: Any) -> jax.Array:
    """Whether no number of a tree is NaN or infinite: bool []."""
    return jnp.array([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()


Level = jax.Array | float  # a sparsity: of a whole network, all its kernels together


class Pruner(NamedTuple):
    """How a run prunes: its options `pruning.*` as pure functions, the same for every method
    (suite.sparsity.pruner)."""

    # key, params, masks, sparsity, gradients (None where there are none), and for a schedule the sparsity at its end ->
    # masks nested in those given
    prune: Callable[..., Masks]
    # key, params, sparsity -> random masks, for a network that is sparse from the start
    scatter: Callable[[jax.Array, Params, Level], Masks]
    # key, kernels by path, masks, gradients by path -> scores >= 0 of the kernels' shapes; the lowest go first
    score: Callable[..., dict[str, jax.Array]]
    needs_gradients: bool  # `score` does
    structure: str  # "unstructured", or what `prune` and `scatter` keep to
    limit: float  # the largest sparsity that the structure has


class Training(NamedTuple):
    """What a method may know of the run that it is part of."""

    gradient_steps: int  # the horizon H
    target_update_period: int  # T, in gradient steps
    optimizer: optax.GradientTransformation
    pruner: Pruner


Due = Callable[[jax.Array], jax.Array]  # gradient steps done -> bool []: whether there is something to do now


def always(step: jax.Array) -> jax.Array:
    due: jax.Array = jnp.bool_(True)
    return due


class Sparsifier(NamedTuple):
    """A method: what becomes of the masks after a gradient step and at a target update.

    The learner applies the masks after each of the hooks, so a method changes masks and need not touch parameters.
    """

    num_networks: int
    init: Callable[[jax.Array, Params], Masks]  # key, params -> masks
    # key, gradient steps done, K networks, memory -> K networks, memory, election
    at_target_update: Callable[
        [jax.Array, jax.Array, tuple[Network, ...], Any], tuple[tuple[Network, ...], Any, Election]
    ]
    # key, gradient steps done, actor, elected network -> actor, after an election; `init` and `after_gradient` are
    # called for the actor too
    follow: Callable[[jax.Array, jax.Array, Network, Network], Network]
    # key, gradient steps done, network, dense gradients -> network, whenever it is due
    after_gradient: Callable[[jax.Array, jax.Array, Network, Params], Network] | None = None
    due: Due = always
    memory: Any = None  # at the start: a tree of arrays
    # What becomes of pruned weights: zero; kept as they were, and out of use while the masks say so; or out of use and
    # yet learning, by the gradients of the weights in use (straight-through).
    pruned_weights: Literal["zero", "kept", "learning"] = "zero"
    # Rate a gradient step at which an election forgets losses: 0 counts all of a period alike.
    forgetting: float = 0.0


def single_network(
    init: Callable[[jax.Array, Params], Masks],
    after_gradient: Callable[[jax.Array, jax.Array, Network, Params], Network] | None = None,
    at_target_update: Callable[[jax.Array, jax.Array, Network], Network] | None = None,
    due: Due = always,
    pruned_weights: Literal["zero", "kept", "learning"] = "zero",
) -> Sparsifier:
    """A method with K = 1, which wins each election; a hook that is left out changes nothing.

    An actor is treated as the network is.
    """
    change = at_target_update or (lambda key, step, network: network)

    def update(key: jax.Array, step: jax.Array, networks: tuple[Network, ...], memory: Any) -> Any:
        (network,) = networks
        elected = jnp.where(jnp.isfinite(network.loss), 0, -1)
        return (change(key, step, network),), memory, Election(elected, jnp.zeros(1, bool))

    return Sparsifier(
        num_networks=1,
        init=init,
        at_target_update=update,
        follow=lambda key, step, actor, elected: change(key, step, actor),
        after_gradient=after_gradient,
        due=due,
        pruned_weights=pruned_weights,
    )
