"""Q-networks for images, stacked as gymnasium stacks them, and for vectors; the MLPs of actors and critics."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp


class QNetwork(nn.Module):
    """Convolutions, one hidden dense layer, one value an action; SAME padding, Xavier-uniform kernels, zero biases.

    Images uint8 [B, stack, height, width] or vectors float32 [B, d] -> float32 [B, actions].
    """

    convolutions: Sequence[tuple[int, int, int]]  # (features, kernel size, stride)
    width: int
    num_actions: int

    @nn.compact
    def __call__(self, observation: jax.Array) -> jax.Array:
        initialise = nn.initializers.xavier_uniform()
        x = observation
        if self.convolutions:
            x = jnp.moveaxis(x, 1, -1).astype(jnp.float32) / 255
        for features, size, stride in self.convolutions:
            x = nn.relu(nn.Conv(features, (size, size), (stride, stride), kernel_init=initialise)(x))
        x = x.reshape(x.shape[0], -1)
        x = nn.relu(nn.Dense(self.width, kernel_init=initialise)(x))
        return nn.Dense(self.num_actions, kernel_init=initialise)(x)


#: The convolutions of each named network. `nature`: Mnih et al. 2015; `small`: the data-efficient network of van
#: Hasselt et al. 2019, an eighth of the operations, for laptops; `mlp`: none, for vector observations.
CONVOLUTIONS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "nature": ((32, 8, 4), (64, 4, 2), (64, 3, 1)),
    "small": ((32, 5, 5), (64, 5, 5)),
    "mlp": (),
}


class MLP(nn.Module):
    """Hidden dense layers with ReLU, and a linear one: float32 [..., d] -> float32 [..., outputs]; Xavier-uniform."""

    hidden: Sequence[int]
    outputs: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        initialise = nn.initializers.xavier_uniform()
        for width in self.hidden:
            x = nn.relu(nn.Dense(width, kernel_init=initialise)(x))
        return nn.Dense(self.outputs, kernel_init=initialise)(x)
