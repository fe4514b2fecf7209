"""The benchmark runs and fills its table; what it measures is for people, and no time is asserted."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from sweeps.bench import Case, dqn, operations, report


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


def test_operations_by_hand() -> None:
    x, w = jnp.ones((3, 4)), jnp.ones((4, 5))
    assert operations(jax.make_jaxpr(jnp.matmul)(x, w).jaxpr) == 2 * 3 * 4 * 5
    images, kernel = jnp.ones((2, 8, 8, 3)), jnp.ones((4, 4, 3, 6))

    def convolve(images, kernel):
        return jax.lax.conv_general_dilated(images, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    forward = 2 * (2 * 4 * 4 * 6) * (4 * 4 * 3)
    assert operations(jax.make_jaxpr(convolve)(images, kernel).jaxpr) == forward
    both = jax.jit(jax.grad(lambda *inputs: jnp.sum(convolve(*inputs) ** 2), argnums=(0, 1)))
    assert (
        operations(jax.make_jaxpr(both)(images, kernel).jaxpr) == 3 * forward
    )  # forward, and a gradient for each input
