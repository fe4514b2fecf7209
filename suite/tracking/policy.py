"""The policy that a run hands out: the elected network as safetensors, with a JSON card that says what it is.

The card says enough to act, and to count costs, without JAX; suite.deploy.network.from_flax reads it.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from flax import traverse_util
from gymnasium import spaces

from suite.agents.networks import CONVOLUTIONS
from suite.record import files, schema
from suite.sparsity.masks import kernels, layer_sparsity, sparsity
from suite.types import LearnerState, Network, Params


def save_policy(
    folder: Path, network: Network, state: LearnerState, environment: gymnasium.Env, card: Mapping[str, Any]
) -> None:
    """Write policy.safetensors (arrays by path, such as "Conv_0/kernel") and policy.json, each atomically.

    `network` is what acts, its pruned weights zero, and `state` where it comes from; `card` is the run's config, with
    the agent's options.
    """
    arrays = {path: np.asarray(leaf) for path, leaf in traverse_util.flatten_dict(network.params, sep="/").items()}
    files.write(folder / schema.POLICY, files.safetensors(arrays))
    actor = state.actor.params if state.actor else None
    contents = {
        **card,
        **describe(state.online[0].params, actor, card["options"]["agent"], environment),
        "sparsity": sparsity(network.masks),
        "layer_sparsity": layer_sparsity(network.params, network.masks),
        "arrays": {path: {"shape": array.shape, "dtype": str(array.dtype)} for path, array in arrays.items()},
    }
    schema.write_json(folder / schema.POLICY_CARD, contents)


def describe(
    online: Params, actor: Params | None, options: Mapping[str, Any], environment: gymnasium.Env
) -> dict[str, Any]:
    """What a card says of the networks; of the parameters, shapes are enough. `options` are the agent's.

    network: the network that acts, layer by layer, with its input, and what its outputs mean. multiply_adds: those of
    each kernel for one observation, of the online network and of the actor (null if there is none).
    """
    space, action_space = environment.observation_space, environment.action_space
    strides = [stride for _, _, stride in CONVOLUTIONS.get(options.get("network", "mlp"), ())]
    shape = tuple(space.shape or ())
    discrete = isinstance(action_space, spaces.Discrete)
    size = action_space.n if isinstance(action_space, spaces.Discrete) else math.prod(action_space.shape or ())
    acting = kernels(actor if actor is not None else online)
    paths = sorted((path.removesuffix("/kernel") for path in acting), key=_order)
    network = {
        "observation": {"shape": shape, "dtype": str(space.dtype), "divided_by": 255 if strides else 1},
        "layers": [
            {
                "path": path,
                "kind": "convolution" if number < len(strides) else "dense",
                "stride": strides[number] if number < len(strides) else 1,
                "padding": "SAME",
                "relu": number + 1 < len(paths),
            }
            for number, path in enumerate(paths)
        ],
        "action": {
            "kind": "argmax" if discrete else "tanh",  # of all outputs; of the first half of them
            "size": int(size),
        },
    }
    return {
        "network": network,
        "multiply_adds": {
            "online": multiply_adds(online, strides, shape),
            "actor": None if actor is None else multiply_adds(actor, strides, shape),
        },
    }


def multiply_adds(params: Params, strides: list[int], shape: tuple[int, ...]) -> dict[str, int]:
    """The multiply-adds of each kernel for one observation of this shape, padding included, as is usual."""
    counts = {}
    sides = shape[1:] if strides else ()
    for path, kernel in sorted(kernels(params).items(), key=lambda item: _order(item[0].removesuffix("/kernel"))):
        if kernel.ndim == 4:
            sides = tuple(-(-side // strides[_order(path.removesuffix("/kernel"))[2]]) for side in sides)
        counts[path] = math.prod(kernel.shape) * (math.prod(sides) if kernel.ndim == 4 else 1)
    return counts


def _order(path: str) -> tuple[str, str, int]:
    """Sorts "Conv_0", "Conv_1", "Dense_0" as they are applied, network by network."""
    parent, _, name = path.rpartition("/")
    kind, _, number = name.rpartition("_")
    return parent, kind, int(number)
