"""The activations of a network's hidden layers."""

import jax
from flax import traverse_util

from suite.agents.networks import Described
from suite.types import Array, Params


def activations(module: Described, params: Params, x: Array) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Return the outputs of a network, and the activations [B, ..., units] of each layer with a ReLU by its path.

    A layer without a flax module of its own, such as a sum, is left out.
    """
    outputs, state = module.apply({"params": params}, x, capture_intermediates=True, mutable=["intermediates"])
    captured = traverse_util.flatten_dict(state["intermediates"], sep="/")
    calls = {layer.path: f"{layer.path}/__call__" for layer in module.layers if layer.activation == "relu"}
    return outputs, {path: jax.nn.relu(captured[call][0]) for path, call in calls.items() if call in captured}
