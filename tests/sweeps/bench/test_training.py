"""The benchmark runs and fills its table; what it measures is for people, and no time is asserted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sweeps.bench.throughput import Case, alone, dqn, operations, products, report


def test_every_cell_of_the_table_is_a_measurement(tmp_path: Path) -> None:
    sac = Case("SAC", "mujoco/InvertedPendulum", {"agent.critic_width": 32, "agent.actor_width": 32})
    table = report(1, tmp_path, [dqn("small", 16), sac])
    columns = {str(column.header): list(column.cells) for column in table.columns}
    assert columns["K"] == ["1", "1", "5"] * 2
    for name, cells in columns.items():
        assert len(cells) == 6, name
        if name not in ("case", "method", "not learning"):
            numbers = [float(str(cell).split()[0]) for cell in cells if cell != "-"]
            assert np.isfinite(numbers).all() and min(numbers) >= 0, name
    assert float(columns["GFLOP"][2]) > 3 * float(columns["GFLOP"][0])
    assert "peak" in str(table.caption)


def counted(function: Callable[..., Any], *inputs: jax.Array) -> float:
    return sum(map(operations, products(jax.make_jaxpr(function)(*inputs).jaxpr)))


def convolve(images: jax.Array, kernel: jax.Array) -> jax.Array:
    return jax.lax.conv_general_dilated(images, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def test_operations_by_hand() -> None:
    x, w = jnp.ones((3, 4)), jnp.ones((4, 5))
    assert counted(jnp.matmul, x, w) == 2 * 3 * 4 * 5
    images, kernel = jnp.ones((2, 8, 8, 3)), jnp.ones((4, 4, 3, 6))
    forward = 2 * (2 * 4 * 4 * 6) * (4 * 4 * 3)
    assert counted(convolve, images, kernel) == forward
    both = jax.jit(jax.grad(lambda *inputs: jnp.sum(convolve(*inputs) ** 2), argnums=(0, 1)))
    assert counted(both, images, kernel) == 3 * forward  # forward, and a gradient for each input


def test_products_alone_are_those_of_the_function() -> None:
    """As many, of the same shapes; none is left out by the compiler for being the same as another."""
    function = jax.jit(lambda images, kernel: (convolve(images, kernel), convolve(images, kernel + 1)))
    equations = products(jax.make_jaxpr(function)(jnp.ones((2, 8, 8, 3)), jnp.ones((4, 4, 3, 6))).jaxpr)
    first, second = alone(equations)()
    assert first.shape == second.shape == (2, 4, 4, 6)
    assert not np.allclose(first, second)
