"""SimBa, against plain JAX and by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from suite import layers
from suite.agents import SACOptions
from suite.agents.networks import simba, with_statistics
from suite.agents.sac import sac
from suite.errors import UserError
from suite.sparsity.distributions import erk_counts

VECTORS, ACTIONS = spaces.Box(-1, 1, (5,), np.float32), spaces.Box(-1, 1, (2,), np.float32)


def norm(x: jax.Array, layer: dict) -> jax.Array:
    return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-6) * layer["scale"] + layer["bias"]


def dense(x: jax.Array, layer: dict) -> jax.Array:
    return x @ layer["kernel"] + layer["bias"]


def outputs(params: dict, x: np.ndarray) -> jax.Array:
    statistics = params["Standardize_0"]
    y = dense((x - statistics["mean"]) / jnp.sqrt(statistics["variance"] + 1e-8), params["Dense_0"])
    for block in range(2):
        inner = dense(norm(y, params[f"block_{block}_norm"]), params[f"block_{block}_dense_0"])
        y = y + dense(jnp.maximum(inner, 0), params[f"block_{block}_dense_1"])
    return dense(norm(y, params["LayerNorm_0"]), params["Dense_1"])


def test_it_is_what_the_paper_says() -> None:
    network, rng = simba(5, 8, 2, 3), np.random.default_rng(0)
    x = rng.normal(1, 2, (6, 5)).astype(np.float32)
    params = jax.jit(network.init)(jax.random.key(0), x)["params"]
    orthogonal = params["Dense_0"]["kernel"]
    np.testing.assert_allclose(orthogonal @ orthogonal.T, np.eye(5), atol=1e-5)
    params = jax.tree.map(lambda leaf: leaf + 0.1 * jnp.asarray(rng.random(leaf.shape), jnp.float32), params)
    np.testing.assert_allclose(jax.jit(network.apply)({"params": params}, x), outputs(params, x), rtol=1e-4, atol=1e-5)


def test_statistics_are_those_of_all_batches_together() -> None:
    network, rng = simba(5, 4, 1, 1), np.random.default_rng(0)
    params = jax.jit(network.init)(jax.random.key(0), jnp.zeros(5))["params"]
    observe, seen = jax.jit(lambda params, x: with_statistics(network, params, x)), []
    for mean in (100.0, -3.0, 0.5):
        seen.append(rng.normal(mean, 2, (16, 3)).astype(np.float32))
        params = observe(params, seen[-1])
    found, expected = params["Standardize_0"], np.concatenate(seen)
    np.testing.assert_allclose(found["mean"], [*expected.mean(axis=0), 0, 0], rtol=1e-5)
    np.testing.assert_allclose(found["variance"], [*expected.var(axis=0), 1, 1], rtol=1e-4)


def test_no_gradient_reaches_the_statistics() -> None:
    network = simba(3, 4, 1, 1)
    params = jax.jit(network.init)(jax.random.key(0), jnp.zeros(3))["params"]
    gradients = jax.jit(jax.grad(lambda params: jnp.sum(network.apply({"params": params}, jnp.ones((2, 3))))))(params)
    assert not any(leaf.any() for leaf in jax.tree.leaves(gradients["Standardize_0"]))
    assert gradients["Dense_1"]["kernel"].any()


def agent_of(**options: Any) -> Any:
    return sac(VECTORS, ACTIONS, SACOptions(network="simba", critic_width=8, actor_width=4, **options))


def test_operations_by_hand() -> None:
    """A critic: 7 x 8 + 2 (8 x 32 + 32 x 8) + 8; the actor: 5 x 4 + 4 x 16 + 16 x 4 + 4 x 4. Norms are free, and the
    backward pass ends at the first dense layer, which reads standardized inputs."""
    agent = agent_of()
    counts = layers.multiply_adds(agent.all_networks)
    totals = {name: sum(n for path, n in counts.items() if path.startswith(name)) for name in ("critic_1", "policy")}
    assert totals == {"critic_1": 56 + 1024 + 8, "policy": 20 + 64 + 64 + 16}
    first = [f"{name}/Dense_0/kernel" for name in ("critic_0", "critic_1", "policy")]
    assert layers.first_layers(agent.all_networks) == first


def test_erk_by_hand() -> None:
    """An actor of 164 weights, of which 66 stay at 0.6. The sums of the shapes are 9, 20, 20 and 8, in all 57, so e
    = 66 / 57 = 1.1579 keeps 10.4 of 20, 23.2 of 64, 23.2 of 64 and 9.3 of 16: 10, 23, 23 and 9, and one more where most
    is missing, in the first layer."""
    (network,) = agent_of().actor.networks
    shapes = {layer.kernel: layer.shape for layer in network.layers if layer.has_kernel}
    assert [int(count) for count in erk_counts(0.6, shapes).values()] == [11, 23, 23, 9]


def test_simba_has_norms_of_its_own() -> None:
    with pytest.raises(UserError, match="simba has layer norms"):
        agent_of(layer_norm=True)
