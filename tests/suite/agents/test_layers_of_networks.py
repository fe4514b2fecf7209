"""The layers of all networks and of two nested ones: what is computed, pruned, counted, described and refused."""

import math
from types import SimpleNamespace
from typing import Any, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util
from gymnasium import spaces

from suite import layers
from suite.agents import DQNOptions, NetworkName, SACOptions
from suite.agents.dqn import dqn
from suite.agents.networks import NETWORKS, QNetwork, q_network
from suite.agents.sac import sac
from suite.deploy.network import from_flax
from suite.deploy.runner import Runner
from suite.errors import UserError
from suite.layers import LayerSpec, network_at
from suite.tracking.policy import describe
from suite.types import Agent, Batch, LearnerState
from sweeps.bench.throughput import operations, products
from sweeps.compose import compose
from sweeps.config import resolve
from tests.support.learning import learner_with, train

IMAGES, ACTIONS = spaces.Box(0, 255, (2, 6, 6), np.uint8), spaces.Discrete(3)
VECTORS = spaces.Box(-1, 1, (5,), np.float32)
KEY = jax.random.key(0)


class Block(nn.Module):
    """Two branches that are added."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        left = nn.relu(nn.Conv(6, (3, 3), name="left_0")(x))
        return nn.relu(nn.Conv(4, (3, 3), name="left_1")(left) + nn.Conv(4, (1, 1), name="right")(x))


class Residual(nn.Module):
    """6 x 6 pixels, 3 x 3 of them after the first convolution."""

    channels: int = 2

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = jnp.moveaxis(x, 1, -1).astype(jnp.float32) / 255
        x = Block(name="block")(nn.relu(nn.Conv(4, (3, 3), (2, 2), name="stem")(x)))
        return nn.Dense(3, name="head")(nn.relu(nn.Dense(5, name="body")(x.reshape(x.shape[0], -1))))

    @property
    def layers(self) -> tuple[LayerSpec, ...]:
        return (
            LayerSpec("stem", "convolution", (3, 3, self.channels, 4), "relu", stride=2, applications=9),
            LayerSpec("block/left_0", "convolution", (3, 3, 4, 6), "relu", ("stem",), applications=9),
            LayerSpec("block/left_1", "convolution", (3, 3, 6, 4), "linear", ("block/left_0",), applications=9),
            LayerSpec("block/right", "convolution", (1, 1, 4, 4), "linear", ("stem",), applications=9),
            LayerSpec("block/sum", "sum", (), "relu", ("block/left_1", "block/right")),
            LayerSpec("body", "dense", (36, 5), "relu", ("block/sum",)),
            LayerSpec("head", "dense", (5, 3), "linear", ("body",)),
        )


class Pair(nn.Module):
    width: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.relu(nn.Dense(self.width, name="b")(nn.relu(nn.Dense(self.width, name="a")(x))))


class Tower(nn.Module):
    """A chain of blocks, whose names are in another order than their use."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        return nn.Dense(3, name="Dense_0")(Pair(7, name="block_2")(Pair(6, name="block_10")(x)))

    @property
    def layers(self) -> tuple[LayerSpec, ...]:
        return (
            LayerSpec("block_10/a", "dense", (5, 6), "relu"),
            LayerSpec("block_10/b", "dense", (6, 6), "relu", ("block_10/a",)),
            LayerSpec("block_2/a", "dense", (6, 7), "relu", ("block_10/b",)),
            LayerSpec("block_2/b", "dense", (7, 7), "relu", ("block_2/a",)),
            LayerSpec("Dense_0", "dense", (7, 3), "linear", ("block_2/b",)),
        )


RESIDUAL, TOWER = QNetwork(3, lambda shape, *_: Residual(shape[0])), QNetwork(1, lambda *_: Tower())
ALL = {**NETWORKS, "residual": RESIDUAL, "tower": TOWER}


@pytest.fixture(autouse=True)
def _named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("residual", "tower"):
        monkeypatch.setitem(NETWORKS, name, ALL[name])


def space_of(name: str) -> spaces.Box:
    return IMAGES if ALL[name].axes == 3 else VECTORS


def agent_of(name: str) -> Agent:
    """With a network that the options do not name."""
    return dqn(space_of(name), ACTIONS, DQNOptions(width=8).model_copy(update={"network": name}))


def environment_of(name: str) -> Any:
    return SimpleNamespace(observation_space=space_of(name), action_space=ACTIONS)


def test_an_option_names_the_networks() -> None:
    assert get_args(NetworkName) == tuple(ALL)[:-2]


@pytest.mark.parametrize("name", ALL)
def test_the_list_has_the_layers_that_are_applied_in_that_order(name: str) -> None:
    space, applied = space_of(name), []
    module = q_network(name, space.shape, 8, 3)

    def note(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        outputs = call(*args, **kwargs)
        if isinstance(context.module, nn.Conv | nn.Dense):
            applied.append(("/".join(context.module.path), math.prod(outputs.shape[1:-1])))
        return outputs

    with nn.intercept_methods(note):
        params = jax.eval_shape(module.init, KEY, jnp.zeros((1, *space.shape), space.dtype))["params"]
    assert applied == [(layer.path, layer.applications) for layer in module.layers if layer.has_kernel]
    arrays = {path: leaf.shape for path, leaf in traverse_util.flatten_dict(params, sep="/").items()}
    layers.check((network_at("", module.layers),), arrays)


@pytest.mark.parametrize("name", ALL)
def test_the_described_policy_acts_as_the_network(name: str) -> None:
    space, agent = space_of(name), agent_of(name)
    params = jax.tree.map(lambda leaf: leaf + 0.05 * (leaf.ndim == 1), agent.init(KEY))
    arrays = {path: np.asarray(leaf) for path, leaf in traverse_util.flatten_dict(params, sep="/").items()}
    runner = Runner(from_flax(arrays, describe(agent, environment_of(name))["network"]), None)
    module = q_network(name, space.shape, 8, 3)
    rng = np.random.default_rng(0)
    for _ in range(3):
        drawn = rng.integers(0, 256, space.shape) if space.dtype == np.uint8 else rng.normal(size=space.shape)
        observation = drawn.astype(space.dtype)
        expected = np.asarray(module.apply({"params": params}, observation[None]))[0]
        np.testing.assert_allclose(runner.outputs(observation), expected, rtol=1e-4, atol=1e-5)


# A residual block ----------------------------------------------------------------------------------------------------

#: Weights: 72, 216, 216, 16, 180 and 15, in all 715.
PATHS = ("stem", "block/left_0", "block/left_1", "block/right", "body", "head")
SIZES = (72, 216, 216, 16, 180, 15)


def trained(method: str, **pruning: Any) -> LearnerState:
    """Ten gradient steps, the last of which prunes to a sparsity of 0.75."""
    agent, rng = agent_of("residual"), np.random.default_rng(0)
    options = {"final_sparsity": 0.75, "start": 0.2, "end": 1.0, "period": 2}
    learner, batches = learner_with(agent, method, 10, 5, pruning, **options), []
    for _ in range(10):
        observations = rng.integers(0, 256, (2, 4, 2, 6, 6), dtype=np.uint8)
        actions, rewards = rng.integers(3, size=4).astype(np.int32), rng.normal(size=4).astype(np.float32)
        batches.append(Batch(observations[0], actions, rewards, np.full(4, 0.9, np.float32), observations[1]))
    state, _, _ = train(learner, batches)
    kept = jax.tree.map(lambda level: float(level), learner.measure(state)["layer_sparsity"])
    assert set(kept) == {f"{path}/kernel" for path in PATHS}
    return state


def kept_by(state: LearnerState) -> list[int]:
    masks, params = state.online[0].masks, traverse_util.flatten_dict(state.online[0].params, sep="/")
    for path, mask in masks.items():
        assert np.isfinite(params[path]).all() and not np.asarray(params[path])[~np.asarray(mask)].any()
    return [int(masks[f"{path}/kernel"].sum()) for path in PATHS]


def test_erk_is_solved_for_both_branches_at_once() -> None:
    """By hand: 179 of 715 weights stay. The sums of the shapes are 12, 16, 16, 10, 41 and 8, in all 103, so that e =
    179 / 103 would keep 17.4 of the 16 weights of block/right. It is dense, and e = 163 / 93 = 1.7527 keeps 21.03,
    28.04, 28.04, 71.86 and 14.02 of the others."""
    assert kept_by(trained("gmp", distribution="erk")) == [21, 28, 28, 16, 72, 14]


def test_uniform_is_a_quarter_of_each_layer() -> None:
    assert kept_by(trained("gmp", distribution="uniform")) == [18, 54, 54, 4, 45, 4]


def test_global_is_one_ranking_of_all_layers() -> None:
    state = trained("gmp", distribution="global")
    kept = kept_by(state)
    assert sum(kept) == 179 and min(kept) >= 1
    assert kept not in ([21, 28, 28, 16, 72, 14], [18, 54, 54, 4, 45, 4])


def test_multiply_adds_of_the_block_by_hand() -> None:
    """Nine positions of each convolution; the same as the products of the compiled network."""
    agent = agent_of("residual")
    counts = layers.multiply_adds(agent.networks)
    by_hand = dict(zip(PATHS, (648, 1944, 1944, 144, 180, 15), strict=True))
    assert counts == {f"{path}/kernel": count for path, count in by_hand.items()}
    assert [
        layer.multiply_adds // layer.applications for layer in agent.networks[0].layers if layer.has_kernel
    ] == list(SIZES)
    params = jax.eval_shape(agent.init, KEY)
    images = jnp.zeros((1, 2, 6, 6), jnp.uint8)
    network = jax.make_jaxpr(lambda p, x: Residual().apply({"params": p}, x))(params, images)
    assert sum(map(operations, products(network.jaxpr))) == 2 * sum(counts.values())


@pytest.mark.parametrize(
    "layer, change, words",
    [
        ("stem", {"padding": "VALID"}, "stem has padding VALID"),
        ("block/sum", {"kind": "max_pool", "shape": (2, 3)}, r"block/sum has a window of shape \(2, 3\)"),
        ("head", {"kind": "layer_norm", "shape": (5,)}, "head, the last one, is a layer_norm"),
    ],
)
def test_what_no_export_holds_is_refused_before_training(
    layer: str, change: dict, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Other(Residual):
        @property
        def layers(self) -> tuple[LayerSpec, ...]:
            return tuple(each._replace(**change) if each.path == layer else each for each in super().layers)

    monkeypatch.setattr(layers, "check", lambda networks, arrays: None)  # which knows nothing of exports
    monkeypatch.setitem(NETWORKS, "small", QNetwork(3, lambda shape, *_: Other(shape[0])))
    options = {"agent.network": "small", "environment.screen_size": 6, "replay.capacity": 100}
    with pytest.raises(UserError, match=words):
        compose(resolve({"task": "atari/Pong", "method": "dense", "seed": 0, **options}))


@pytest.mark.parametrize(
    "task, method, options, words",
    [
        ("mujoco/Ant", "gmp", {"pruning.dense_layers": "first"}, r"final_sparsity=0\.9: .*0\.694"),  # of the critics
        (
            "mujoco/Ant",
            "gmp:final_sparsity=0.5",
            {"pruning.dense_layers": "first", "pruning.structure": "2:4"},
            "0.347",
        ),
        ("mujoco/Ant", "rigl", {"pruning.dense_layers": "first"}, r"sparsity=0\.9: .*0\.694"),
        ("classic/CartPole", "eaudeqn", {"pruning.dense_layers": "both", "agent.network": "mlp"}, "Dense_0/kernel"),
    ],
)
def test_a_sparsity_that_dense_layers_leave_out_of_reach_is_refused_before_training(
    task: str, method: str, options: dict, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        compose(resolve({"task": task, "method": method, "seed": 0, "replay.capacity": 300, **options}))


def test_a_network_of_its_own_has_norms_of_its_own() -> None:
    with pytest.raises(UserError, match=r"agent\.layer_norm: the network tower"):
        q_network("tower", (5,), 8, 3, layer_norm=True)


@pytest.mark.parametrize("part", ["online", "actor"])
def test_a_list_that_the_network_contradicts_is_refused_before_training(part: str) -> None:
    agent = sac(VECTORS, spaces.Box(-1, 1, (2,)), SACOptions(critic_width=4, actor_width=4))
    assert agent.actor
    actor = agent.actor if part == "online" else agent.actor._replace(networks=shortened(agent.actor.networks))
    agent = agent._replace(actor=actor, networks=agent.networks if part == "actor" else shortened(agent.networks))
    with pytest.raises(UserError, match="Dense_2/bias"):
        describe(agent, environment_of("tower"))


def shortened(networks: layers.Networks) -> layers.Networks:
    """Without the last layer of the last network."""
    *others, last = networks
    return (*others, last._replace(layers=last.layers[:-1]))
