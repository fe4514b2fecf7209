"""A method's hook, called when the method says that it is due."""

from collections.abc import Callable

import jax

from suite.types import Network, Params, Sparsifier


def after_gradient(method: Sparsifier) -> Callable[[jax.Array, jax.Array, Network, Params], Network]:
    """Compiled. A method without a hook changes nothing."""
    hook = method.after_gradient or (lambda key, step, network, gradients: network)

    @jax.jit
    def when_due(key: jax.Array, step: jax.Array, network: Network, gradients: Params) -> Network:
        return jax.lax.cond(method.due(step), lambda: hook(key, step, network, gradients), lambda: network)

    return when_due
