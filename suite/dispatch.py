"""The choice of the compiled program that takes the next gradient steps."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from suite.types import Batch, Frames, LearnerState, Sparsifier

PAGE = 4_096  # gradient steps whose hooks are computed together

Update = Callable[[LearnerState, Batch | Frames], LearnerState]


IsDue = Callable[[int], bool]  # gradient steps done -> whether the method's hook is due


def when_due(is_due: IsDue | None, gradient_step: Update, with_hook: Update) -> Callable[..., LearnerState]:
    """Return a function that runs one of two programs, `with_hook` if the hook is due: in a single program, a branch
    that rarely changes a network would copy it at every gradient step."""

    def update(state: LearnerState, batch: Batch | Frames, done: int | None = None) -> LearnerState:
        if is_due and is_due(int(state.step if done is None else done) + 1):
            return with_hook(state, batch)
        return gradient_step(state, batch)

    return update


def due_steps(sparsifier: Sparsifier) -> IsDue | None:
    """Return a function that tells when the method's hook is due, by pages of gradient steps; None without a hook."""
    if sparsifier.after_gradient is None:
        return None
    pages = jax.jit(jax.vmap(sparsifier.due))

    @lru_cache(maxsize=1)
    def page(number: int) -> np.ndarray:
        return np.asarray(pages(jnp.arange(PAGE) + number * PAGE))

    return lambda step: bool(page(step // PAGE)[step % PAGE])


def uninterrupted(period: int, is_due: IsDue | None) -> Callable[[int, int], int]:
    """Return a function: gradient steps done, most -> how many of the next ones, at most `most`, one program may take.

    Neither a hook nor a target update interrupts them. The number is a power of two, so that few programs are compiled.
    """

    def number(done: int, most: int) -> int:
        most = min(most, period - done % period)
        free = next((n for n in range(most) if is_due and is_due(done + n + 1)), most)
        return 1 << max(free.bit_length() - 1, 0)

    return number


def in_turn(gradient_step: Update) -> Callable[[LearnerState, Sequence[Batch | Frames]], LearnerState]:
    """Return a function that takes several gradient steps in one program, compiled for each number of them."""

    def steps(state: LearnerState, batches: Sequence[Batch | Frames]) -> LearnerState:
        stacked = jax.tree.map(lambda *parts: jnp.stack(parts), *batches)
        return jax.lax.scan(lambda state, batch: (gradient_step(state, batch), None), state, stacked)[0]

    return jax.jit(steps, donate_argnums=0)
