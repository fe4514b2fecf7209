"""What networks compute on a batch, as compiled functions."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from suite.gradient_step import masked
from suite.sparsity.masks import kernels
from suite.types import Actor, Agent, Array, Batch, LearnerState, Network, Params


class Inspected(NamedTuple):
    """A network on a batch."""

    units: dict[str, Array]  # of each hidden layer: mean absolute activation of its units [U]
    features: dict[str, Array]  # of each network of an agent: activations of its last hidden layer [B, F]
    outputs: Array  # [B, ...]
    weight_norm: Array  # [], of all kernels, pruned weights zero
    gradient_norm: Array  # [], of the loss's gradient at the weights of kernels that are kept


Inspect = Callable[[LearnerState, Batch], dict[str, Inspected]]


def make_inspect(
    agent: Agent,
    target_values: Callable[[LearnerState, Batch], jax.Array],
    effective: Callable[[Network], Params],
) -> Inspect:
    """Inspect each online network, "0" the elected one, and the "actor"; each is compiled when it is first used.

    `effective` gives the parameters that a network computes with.
    """

    def inspected(part: Agent | Actor, network: Network, loss: Callable[..., jax.Array], batch: Batch) -> Inspected:
        params = effective(network)
        outputs, hidden = part.inspect(params, batch) if part.inspect else (jnp.zeros(0), {})
        last = {spec.path: [layer.path for layer in spec.layers if layer.path in hidden] for spec in part.networks}
        return Inspected(
            units={path: jnp.abs(h).reshape(-1, h.shape[-1]).mean(axis=0) for path, h in hidden.items()},
            features={name: hidden[paths[-1]].reshape(len(batch.reward), -1) for name, paths in last.items() if paths},
            outputs=outputs,
            weight_norm=optax.global_norm(kernels(params)),
            gradient_norm=optax.global_norm(kernels(masked(network._replace(params=jax.grad(loss)(params))).params)),
        )

    @jax.jit
    def online(network: Network, batch: Batch, y: jax.Array) -> Inspected:
        return inspected(agent, network, lambda params: agent.loss(params, batch, y), batch)

    @jax.jit
    def acting(network: Network, elected: Network, key: jax.Array, batch: Batch) -> Inspected:
        actor: Any = agent.actor
        return inspected(actor, network, lambda params: actor.loss(key, params, effective(elected), batch), batch)

    targets = jax.jit(target_values)

    def inspect(state: LearnerState, batch: Batch) -> dict[str, Inspected]:
        y = targets(state, batch)
        found = {str(k): online(network, batch, y) for k, network in enumerate(state.online)}
        if state.actor:
            found["actor"] = acting(state.actor, state.online[0], state.key, batch)
        host: dict[str, Inspected] = jax.device_get(found)
        return host

    return inspect
