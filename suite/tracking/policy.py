"""The policy that a run hands out: the elected network as safetensors, with a JSON card that says what it is.

The card says enough to act, and to count costs, without JAX; suite.deploy.network.from_flax reads it.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import jax
import numpy as np
from flax import traverse_util
from gymnasium import spaces

from suite import layers
from suite.errors import UserError
from suite.layers import LayerSpec, Networks
from suite.record import files, schema
from suite.sparsity.masks import layer_sparsity, sparsity
from suite.types import Agent, Network, Params


def save_policy(folder: Path, network: Network, description: Mapping[str, Any], card: Mapping[str, Any]) -> None:
    """Write policy.safetensors (arrays by path, such as "Conv_0/kernel") and policy.json, each atomically.

    `network` is what acts, its pruned weights zero; `description` is what `describe` says of its agent; `card` is the
    run's config, with the agent's options.
    """
    arrays = {path: np.asarray(leaf) for path, leaf in traverse_util.flatten_dict(network.params, sep="/").items()}
    files.write(folder / schema.POLICY, files.safetensors(arrays))
    contents = {
        **card,
        **description,
        "sparsity": sparsity(network.masks),
        "layer_sparsity": layer_sparsity(network.params, network.masks),
        "arrays": {path: {"shape": array.shape, "dtype": str(array.dtype)} for path, array in arrays.items()},
    }
    schema.write_json(folder / schema.POLICY_CARD, contents)


def describe(agent: Agent, environment: gymnasium.Env) -> dict[str, Any]:
    """Describe an agent's networks for a policy's card, from the lists of their layers.

    network: the network that acts, layer by layer, with its input, and what its outputs mean. multiply_adds: those of
    each kernel for one observation, of the online network, of the actor, and of the critics through which the actor
    learns (null if there is no actor). first_layers: the kernels of all networks that read their network's input.

    Raises UserError for networks whose list of layers is not what they are, or whose policy no export could hold.
    """
    layers.check(agent.networks, _shapes(agent.init))
    if agent.actor:
        layers.check(agent.actor.networks, _shapes(agent.actor.init))
    acting = _exportable(agent.actor.networks if agent.actor else agent.networks)
    space, action_space = environment.observation_space, environment.action_space
    if isinstance(action_space, spaces.Discrete):
        action = {"kind": "argmax", "size": int(action_space.n)}  # of all outputs
    else:
        action = {"kind": "tanh", "size": math.prod(action_space.shape or ())}  # of the first outputs, as many
    return {
        "network": {
            "observation": {
                "shape": list(space.shape or ()),
                "dtype": str(space.dtype),
                "divided_by": 255 if acting[0].kind == "convolution" else 1,  # suite.agents.networks.Described
            },
            "layers": list(map(_entry, acting)),
            "action": action,
        },
        "multiply_adds": {
            "online": layers.multiply_adds(agent.networks),
            "actor": layers.multiply_adds(agent.actor.networks) if agent.actor else None,
            "through": layers.multiply_adds(agent.actor.critics or agent.networks) if agent.actor else None,
        },
        "first_layers": layers.first_layers(agent.all_networks),
    }


def _shapes(init: Callable[[jax.Array], Params]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of parameters by path; nothing is computed."""
    params = jax.eval_shape(init, jax.random.key(0))
    return {path: leaf.shape for path, leaf in traverse_util.flatten_dict(params, sep="/").items()}


def _entry(layer: LayerSpec) -> dict[str, Any]:
    """Return what a card says of a layer."""
    return {
        "path": layer.path,
        "kind": layer.kind,
        "stride": layer.stride,
        "padding": layer.padding,
        "relu": layer.activation == "relu",
        "predecessors": list(layer.predecessors),
        "window": layer.shape[0] if layer.kind == "max_pool" else 0,
    }


def _exportable(networks: Networks) -> tuple[LayerSpec, ...]:
    """Return the layers of the one network that acts. Raises UserError for what the exported formats do not hold."""
    if len(networks) != 1:
        raise UserError(f"a policy is one network, not {len(networks)}")
    acting = networks[0].layers
    for layer in acting:
        if layer.padding != "SAME":
            raise UserError(f"layer {layer.path} has padding {layer.padding}: exported policies have SAME")
        if layer.kind == "max_pool" and layer.shape[0] != layer.shape[1]:
            raise UserError(f"layer {layer.path} has a window of shape {layer.shape}: exported policies have squares")
    if acting[-1].kind != "dense":
        raise UserError(f"layer {acting[-1].path}, the last one, is a {acting[-1].kind}: should be dense")
    return acting
