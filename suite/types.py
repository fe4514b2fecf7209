"""The core types: batch, network, learner state, agent, pruner and sparsifier.

Shapes: B is the batch size, K the number of online networks, `params` a nested dict of arrays as flax makes it.
"""

from collections.abc import Callable, Iterator
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
    """B transitions."""

    observation: Array  # [B, ...]
    action: Array  # int32 [B], or float32 [B, A]
    reward: Array  # float32 [B]: the discounted sum of the n steps' rewards, clipped
    discount: Array  # float32 [B]: gamma^n, 0 after a terminal
    next_observation: Array  # [B, ...]


class Frames(NamedTuple):
    """B transitions before frame stacking: a frame that both stacks contain is stored once."""

    frames: Array  # [B, stack + n, ...]: the observation's frames, and those of the n steps after it
    next_frames: Array | None  # int32 [B, stack]: indices of the next observation's frames; None: the last ones
    action: Array  # this and the fields below as in Batch
    reward: Array
    discount: Array


def stack_frames(batch: Batch | Frames) -> Batch:
    """Stack the frames of a batch; in a compiled function, this happens on the device.

    >>> frames = Frames(np.array([[1, 2, 3]]), None, np.zeros(1), np.zeros(1), np.zeros(1))
    >>> stack_frames(frames).observation, stack_frames(frames).next_observation
    (array([[1, 2]]), array([[2, 3]]))
    """
    if isinstance(batch, Batch):
        return batch
    frames, rows = batch.frames, batch.next_frames
    if rows is None:
        return Batch(frames[:, :-1], batch.action, batch.reward, batch.discount, frames[:, 1:])
    following = frames[np.arange(len(frames))[:, None], rows]
    return Batch(frames[:, : rows.shape[1]], batch.action, batch.reward, batch.discount, following)


class Network(NamedTuple):
    """One online network (for SAC: a pair of critics), or an actor."""

    params: Params
    opt_state: optax.OptState
    masks: Masks  # empty for a method that never prunes
    loss: jax.Array  # float32 []: cumulated since the last target update


@jax.tree_util.register_pytree_node_class
class Stacked:
    """K trees as one, whose leaves have a leading axis K for `vmap`; read like a tuple of the K trees."""

    def __init__(self, tree: Any) -> None:
        self.tree = tree

    @classmethod
    def of(cls, trees: tuple[Any, ...]) -> "Stacked":
        """Stack K trees of one structure; a leaf becomes [K, ...]."""
        return cls(jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees))

    def __len__(self) -> int:
        return int(jax.tree.leaves(self.tree)[0].shape[0])

    def __getitem__(self, index: int | jax.Array) -> Any:
        return jax.tree.map(lambda leaf: leaf[index], self.tree)

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(len(self)))

    def tree_flatten(self) -> tuple[tuple[Any], None]:
        """Return the tree as the only child, and no static data: JAX transforms it leaf by leaf."""
        return (self.tree,), None

    @classmethod
    def tree_unflatten(cls, _: None, children: tuple[Any]) -> "Stacked":
        """Undo `tree_flatten`; within JAX, leaves may be other objects than arrays."""
        return cls(*children)


class LearnerState(NamedTuple):
    """Everything that learning changes. All networks share the clock `step`, which counts gradient steps."""

    online: tuple[Network, ...] | Stacked  # K networks; after a target update [0] is the elected one
    target: Params
    actor: Network | None
    key: jax.Array  # constant: each draw folds in its stream and the clock
    step: jax.Array  # int32 []
    memory: Any  # state of the method between target updates: a tree of arrays, None for most methods
    target_actor: Params | None = None  # of an agent whose actor has one


#: params, batch -> outputs [B, ...], and the activations of hidden layers by the layers' paths, [B, ..., units]
Inspection = Callable[[Params, Batch], tuple[jax.Array, dict[str, jax.Array]]]


class Actor(NamedTuple):
    """The policy of an actor-critic agent, as pure functions."""

    init: Callable[[jax.Array], Params]  # key -> params
    loss: Callable[[jax.Array, Params, Params, Batch], jax.Array]  # key, params, elected network's, batch -> float32 []
    optimizer: optax.GradientTransformation
    networks: Networks  # the layers in its params
    period: int = 1  # gradient steps between its updates, with which the targets follow (delayed policy updates)
    has_target: bool = False  # whether a target actor chooses the actions of the critics' targets
    critics: Networks | None = None  # those of the elected network that its loss needs; None: all
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
    networks: Networks  # the layers in its params: of a Q-network, or of twin critics
    actor: Actor | None = None
    inspect: Inspection | None = None  # for diagnostics; of a Q-network, the outputs are the values of the actions
    # params, batch, y -> params with what no gradient learns, such as running statistics, after each gradient step
    observe: Callable[..., Params] | None = None

    @property
    def all_networks(self) -> Networks:
        """The agent's and the actor's networks, all of which may be pruned."""
        return self.networks + (self.actor.networks if self.actor else ())


class Election(NamedTuple):
    """The result of a target update."""

    elected: jax.Array  # int32 []: index before the update, -1 if no network has a finite loss
    reset: jax.Array  # bool [K]: whether the optimizer was reset, in the order after the update


def select(index: jax.Array, trees: tuple[Any, ...]) -> Any:
    """Return the tree at a traced index, int32 []; the first tree for -1."""
    return jax.tree.map(lambda *leaves: jax.lax.select_n(jnp.maximum(index, 0), *leaves), *trees)


def all_finite(tree: Any) -> jax.Array:
    """Return whether all numbers of a tree are finite: bool []."""
    return jnp.array([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()


Level = jax.Array | float  # the sparsity of a network, over all its kernels


class Pruner(NamedTuple):
    """The options `pruning.*` of a run as pure functions, for every method (suite.sparsity.pruner)."""

    # key, params, masks, sparsity, gradients or None, and for a schedule its final sparsity -> masks nested in `masks`
    prune: Callable[..., Masks]
    # key, params, sparsity -> random masks, for a network that is sparse from the start
    scatter: Callable[[jax.Array, Params, Level], Masks]
    # key, kernels by path, masks, gradients by path -> scores >= 0 of the kernels' shapes; the lowest are pruned first
    score: Callable[..., dict[str, jax.Array]]
    needs_gradients: bool  # whether `score` uses gradients
    structure: str  # "unstructured", or the structure of the masks of `prune` and `scatter`
    limit: float  # the largest sparsity of every network, by the structure and the layers that stay dense


class Training(NamedTuple):
    """What a method knows about its run."""

    gradient_steps: int  # the horizon H
    target_update_period: int  # T, in gradient steps
    optimizer: optax.GradientTransformation
    pruner: Pruner


Due = Callable[[jax.Array], jax.Array]  # gradient steps done -> bool []: whether a hook is due


def always(step: jax.Array) -> jax.Array:
    """Return True, bool []: the hook is due at every gradient step."""
    due: jax.Array = jnp.bool_(True)
    return due


class Sparsifier(NamedTuple):
    """A method: how it updates masks after a gradient step and at a target update.

    The learner applies the masks after each hook, so a method changes masks only.
    """

    num_networks: int
    init: Callable[[jax.Array, Params], Masks]  # key, params -> masks
    # key, gradient steps done, K networks, memory -> K networks, memory, election
    at_target_update: Callable[
        [jax.Array, jax.Array, tuple[Network, ...], Any], tuple[tuple[Network, ...], Any, Election]
    ]
    # key, gradient steps done, actor, elected network -> actor, after an election; `init` and `after_gradient` apply to
    # the actor too
    follow: Callable[[jax.Array, jax.Array, Network, Network], Network]
    # key, gradient steps done, network, dense gradients -> network, at the gradient steps that `due` selects
    after_gradient: Callable[[jax.Array, jax.Array, Network, Params], Network] | None = None
    due: Due = always
    memory: Any = None  # initial state: a tree of arrays
    # What pruned weights do. zero: they are zero. kept: they keep their values, unused while they are pruned. learning:
    # they are unused, and learn by the gradients of the weights in use (straight-through).
    pruned_weights: Literal["zero", "kept", "learning"] = "zero"
    forgetting: float = 0.0  # rate per gradient step at which elections forget losses; 0 weighs all of a period equally


def single_network(
    init: Callable[[jax.Array, Params], Masks],
    after_gradient: Callable[[jax.Array, jax.Array, Network, Params], Network] | None = None,
    at_target_update: Callable[[jax.Array, jax.Array, Network], Network] | None = None,
    due: Due = always,
    pruned_weights: Literal["zero", "kept", "learning"] = "zero",
) -> Sparsifier:
    """Make a method with one network (K = 1). A missing hook changes nothing; hooks apply to an actor too."""
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
