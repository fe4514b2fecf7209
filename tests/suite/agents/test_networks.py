"""The networks against plain JAX, written anew here: layout, padding, scaling, initialisation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from suite.agents import DQNOptions
from suite.agents.dqn import dqn
from suite.sparsity.masks import kernels
from suite.types import Batch

SCREEN = spaces.Box(0, 255, (4, 84, 84), np.uint8)
ACTIONS = spaces.Discrete(6)
LAYERS = {
    "nature": [((8, 8, 4, 32), 4), ((4, 4, 32, 64), 2), ((3, 3, 64, 64), 1)],
    "small": [((5, 5, 4, 32), 5), ((5, 5, 32, 64), 5)],
}
FLAT = {"nature": 11 * 11 * 64, "small": 4 * 4 * 64}  # 7744: what SAME padding leaves of 84 x 84


def values(params, network: str, images: np.ndarray) -> jax.Array:
    """Q [B, actions] of images uint8 [B, 4, 84, 84]."""
    x = jnp.asarray(images, jnp.float32) / 255.0
    for number, (_, stride) in enumerate(LAYERS[network]):
        layer = params[f"Conv_{number}"]
        x = jax.lax.conv_general_dilated(
            x, layer["kernel"], (stride, stride), "SAME", dimension_numbers=("NCHW", "HWIO", "NCHW")
        )
        x = jnp.maximum(x + layer["bias"][None, :, None, None], 0)
    x = jnp.transpose(x, (0, 2, 3, 1)).reshape(len(images), -1)
    x = jnp.maximum(x @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"], 0)
    return x @ params["Dense_1"]["kernel"] + params["Dense_1"]["bias"]


@pytest.mark.parametrize("network", LAYERS)
def test_a_q_network_is_what_the_paper_says(network: str) -> None:
    agent = dqn(SCREEN, ACTIONS, DQNOptions(network=network, width=32))
    params = jax.jit(agent.init)(jax.random.key(0))
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: leaf + 0.01 * jnp.asarray(rng.normal(size=leaf.shape), jnp.float32), params)
    images = rng.integers(0, 256, (3, 4, 84, 84), dtype=np.uint8)
    reward, discount = np.array([1, -1, 0], np.float32), np.array([0.99, 0, 0.9], np.float32)
    batch = Batch(images, np.array([0, 5, 2], np.int32), reward, discount, images[::-1])
    q, next_q = values(params, network, images), values(params, network, images[::-1])
    expected = reward + discount * next_q.max(axis=1)
    np.testing.assert_allclose(
        jax.jit(agent.target)(jax.random.key(0), params, None, batch), expected, rtol=1e-4, atol=1e-5
    )
    loss = np.mean((np.array([q[0, 0], q[1, 5], q[2, 2]]) - 7) ** 2)
    found = jax.jit(agent.loss)(params, batch, jnp.full(3, 7.0))
    np.testing.assert_allclose(found, loss, rtol=1e-4)


@pytest.mark.parametrize("network", LAYERS)
def test_kernels_are_xavier_uniform_and_biases_zero(network: str) -> None:
    params = jax.jit(dqn(SCREEN, ACTIONS, DQNOptions(network=network, width=64)).init)(jax.random.key(1))
    found = kernels(params)
    shapes = [shape for shape, _ in LAYERS[network]] + [(FLAT[network], 64), (64, 6)]
    assert [kernel.shape for kernel in found.values()] == shapes
    for kernel in found.values():
        receptive = int(np.prod(kernel.shape[:-2]))
        bound = np.sqrt(6 / (receptive * (kernel.shape[-2] + kernel.shape[-1])))
        assert float(jnp.abs(kernel).max()) <= bound
        np.testing.assert_allclose(float(kernel.std()), bound / np.sqrt(3), rtol=0.1)
    for name, layer in params.items():
        assert not layer["bias"].any(), name
