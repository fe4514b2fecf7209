"""Networks of every type with random masks, in JAX and as the arrays that a run leaves."""

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import traverse_util
from gymnasium import spaces

from suite.agents import AGENTS
from suite.deploy.network import Policy, from_flax
from suite.deploy.runner import Runner
from suite.tracking.policy import describe

Kind = tuple[str, dict[str, Any], spaces.Space, spaces.Space]  # agent, its options, observations, actions


def images(*shape: int) -> spaces.Box:
    return spaces.Box(0, 255, shape, np.uint8)


SIX = spaces.Discrete(6)
HOPPER = (spaces.Box(-np.inf, np.inf, (11,), np.float32), spaces.Box(-1, 1, (3,)))
#: Sizes that make SAME padding uneven; small: Pong's with a small screen.
KINDS: dict[str, Kind] = {
    "nature": ("dqn", {"network": "nature", "width": 24}, images(4, 37, 30), SIX),
    "small": ("dqn", {"network": "small", "width": 64}, images(4, 24, 24), SIX),
    "mlp": ("dqn", {"network": "mlp", "width": 32}, spaces.Box(-1, 1, (5,), np.float32), spaces.Discrete(3)),
    "sac": ("sac", {"actor_width": 40}, *HOPPER),
}
#: Likewise of networks whose layers do more than to read the one before.
GRAPHS: dict[str, Kind] = {
    "layer_norm": ("dqn", {"network": "small", "width": 24, "layer_norm": True}, images(4, 24, 22), SIX),
    "impala": ("dqn", {"network": "impala", "width": 24}, images(4, 13, 10), SIX),
    "sac_layer_norm": ("sac", {"actor_width": 40, "layer_norm": True}, *HOPPER),
    "sac_simba": ("sac", {"actor_width": 40, "network": "simba"}, *HOPPER),
}
ALL = KINDS | GRAPHS


class Built(NamedTuple):
    """What is the same for all networks of a type, compiled once."""

    shapes: dict[str, tuple[int, ...]]  # of the arrays of the network that acts
    card: dict[str, Any]
    act: Callable[..., jax.Array]  # params, observations [n, ...] -> greedy actions [n, ...]


class Made(NamedTuple):
    built: Built
    arrays: dict[str, np.ndarray]
    policy: Policy

    @property
    def params(self) -> Any:
        return traverse_util.unflatten_dict(self.arrays, sep="/")

    def in_jax(self, observations: np.ndarray) -> np.ndarray:
        """Greedy actions [n, ...]."""
        size = min(len(observations), 500)
        parts = np.split(observations, len(observations) // size)
        return np.concatenate([np.asarray(self.built.act(self.params, part)) for part in parts])


@cache
def build(kind: str) -> Built:
    name, options, observation_space, action_space = ALL[kind]
    if name == "dqn":
        options = {**options, "epsilon_evaluation": 0.0}
    agent, key = AGENTS[name].make(observation_space, action_space, **options), jax.random.key(0)
    online = jax.eval_shape(agent.init, key)
    actor = jax.eval_shape(agent.actor.init, key) if agent.actor else None
    flat = traverse_util.flatten_dict(actor if actor else online, sep="/")
    environment: Any = SimpleNamespace(observation_space=observation_space, action_space=action_space)
    act = jax.jit(jax.vmap(lambda params, o: agent.act(key, params, o, 0, greedy=True), in_axes=(None, 0)))
    card = describe(agent, environment)
    return Built({path: leaf.shape for path, leaf in flat.items()}, card, act)


def make(kind: str, sparsity: float, seed: int = 0) -> Made:
    """A network whose kernels keep a share 1 - sparsity of their weights, and whose biases are not zero."""
    built, rng = build(kind), np.random.default_rng(seed)
    arrays = {}
    for path, shape in built.shapes.items():
        array = rng.normal(0, 0.1, shape)
        if path.endswith("kernel"):
            array *= 10 * np.sqrt(2 / np.prod(shape[:-1])) * (rng.random(shape) >= sparsity)
        arrays[path] = np.asarray(np.abs(array) if path.endswith("variance") else array, np.float32)
    return Made(built, arrays, from_flax(arrays, built.card["network"]))


def observations(kind: str, count: int, seed: int = 0) -> np.ndarray:
    space = ALL[kind][2]
    rng = np.random.default_rng(seed)
    if space.dtype == np.uint8:
        return rng.integers(0, 256, (count, *(space.shape or ())), np.uint8)
    return rng.normal(size=(count, *(space.shape or ()))).astype(np.float32)


def outputs(policy: Policy, observation: np.ndarray) -> np.ndarray:
    return Runner(policy, ["dense"] * len(policy.layers)).outputs(observation)
