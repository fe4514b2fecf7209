"""Streams of randomness: each draw folds its stream and a clock into the run's key."""

import jax

from suite.types import Array

INIT, AFTER_GRADIENT, AT_TARGET_UPDATE, ACT, ACT_GREEDILY, CHOOSE, TARGET, IMPROVE, ACTOR_INIT, FOLLOW = range(10)


def draw(key: jax.Array, stream: int, clock: Array | int) -> jax.Array:
    """Return the key of one draw."""
    return jax.random.fold_in(jax.random.fold_in(key, stream), clock)
