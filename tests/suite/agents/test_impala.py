"""The residual network of IMPALA, against plain JAX and by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from suite import layers
from suite.agents import networks
from suite.agents.networks import q_network
from suite.sparsity.distributions import erk_counts

STAGES = ("stage_0", "stage_1")  # where it is computed, for the sake of time


def convolve(x: jax.Array, layer: dict) -> jax.Array:
    y = jax.lax.conv_general_dilated(x, layer["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return y + layer["bias"]


def values(params: dict, images: np.ndarray) -> jax.Array:
    """Q [B, actions] of images uint8 [B, stack, height, width]."""
    x = jnp.moveaxis(jnp.asarray(images, jnp.float32), 1, -1) / 255
    for stage in STAGES:
        x = convolve(x, params[f"{stage}_conv"])
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")
        for block in range(2):
            first = convolve(jnp.maximum(x, 0), params[f"{stage}_block_{block}_conv_0"])
            x = x + convolve(jnp.maximum(first, 0), params[f"{stage}_block_{block}_conv_1"])
    x = jnp.maximum(x, 0).reshape(len(images), -1)
    x = jnp.maximum(x @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"], 0)
    return x @ params["Dense_1"]["kernel"] + params["Dense_1"]["bias"]


def test_it_is_what_the_paper_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(networks, "IMPALA_CHANNELS", (3, 4))
    network = q_network("impala", (4, 13, 10), 24, 6)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 4, 13, 10), dtype=np.uint8)
    params = jax.jit(network.init)(jax.random.key(0), images)["params"]
    params = jax.tree.map(lambda leaf: leaf + 0.01 * jnp.asarray(rng.normal(size=leaf.shape), jnp.float32), params)
    found = jax.jit(network.apply)({"params": params}, images)
    np.testing.assert_allclose(found, jax.jit(values)(params, images), rtol=1e-4, atol=1e-5)


def test_sizes_by_hand_on_the_screen_of_atari() -> None:
    """Twice the channels: 32, 64 and 64. 84 x 84 pixels become 42 x 42, 21 x 21 and 11 x 11, each after the first
    convolution of a stage."""
    network = q_network("impala", (4, 84, 84), 512, 6, scale=2)
    found = {layer.path: layer for layer in network.layers if layer.has_kernel}
    assert len(found) == 17
    assert found["stage_0_conv"].shape == (3, 3, 4, 32) and found["stage_0_conv"].applications == 84 * 84
    assert found["stage_1_conv"].shape == (3, 3, 32, 64) and found["stage_1_conv"].applications == 42 * 42
    assert found["stage_1_block_1_conv_1"].shape == (3, 3, 64, 64)
    assert found["stage_1_block_1_conv_1"].applications == 21 * 21
    assert found["Dense_0"].shape == (11 * 11 * 64, 512)
    first = 84 * 84 * 9 * 4 * 32 + 42 * 42 * 4 * 9 * 32 * 32
    second = 42 * 42 * 9 * 32 * 64 + 21 * 21 * 4 * 9 * 64 * 64
    third = 21 * 21 * 9 * 64 * 64 + 11 * 11 * 4 * 9 * 64 * 64
    total = first + second + third + 11 * 11 * 64 * 512 + 512 * 6
    assert sum(layers.multiply_adds((layers.network_at("", network.layers),)).values()) == total


def test_erk_by_hand() -> None:
    """Images 1 x 4 x 4 leave one position of 32 channels. 4860 of 97,192 weights stay. The sums of the shapes are 23 of
    the first convolution, 38 of each in stage 0's blocks, 54, 70 of each in the blocks of the other stages and of the
    last stage's first, 40 and 11, in all 910. The last layer would keep 58.7 of its 24 weights, so it is dense, and e =
    4836 / 899 = 5.3793 keeps 123.72, 204.41, 290.48, 376.55 and 215.17 of the others."""
    network = layers.network_at("", q_network("impala", (1, 4, 4), 8, 3).layers)
    shapes = {layer.kernel: layer.shape for layer in network.layers if layer.has_kernel}
    assert list(shapes) == network.kernels
    kept = [int(count) for count in erk_counts(0.95, shapes).values()]
    assert kept == [124, *[204] * 4, 290, *[377] * 7, 376, 376, 215, 24]
