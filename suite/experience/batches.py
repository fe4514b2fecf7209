"""The batches of a run's gradient steps, drawn one ahead where that saves time."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import jax
import numpy as np

from suite.types import Batch, Frames

Sample = Callable[[np.random.Generator], Batch | Frames]


class Batches:
    """The batches in order, each a function of the seed, its gradient step and the transitions of the experience.

    With `ahead`, a thread draws the next batch and copies it to the device: on a GPU, dispatching a gradient step takes
    the host about as long as drawing its batch.
    """

    def __init__(self, sample: Sample, seed: int, ahead: bool) -> None:
        self.sample, self.seed = sample, seed
        self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") if ahead else None
        self.next: tuple[int, Future[Batch | Frames]] | None = None  # gradient steps before it, and the batch

    def prepare(self, step: int, known: int) -> None:
        """Begin to draw the batch after `step` gradient steps, unless it is not among the first `known` batches.

        Until `get` returns it, the experience must not change.
        """
        if self.thread and step < known and not self.next:
            self.next = step, self.thread.submit(self._draw, step)

    def get(self, step: int, known: int) -> Batch | Frames:
        """Return the batch after `step` gradient steps, and begin to draw the one that follows."""
        if not self.thread:
            return self.sample(batch_rng(self.seed, step))
        self.prepare(step, step + 1)
        drawn, self.next = self.next, None
        assert drawn and drawn[0] == step, "batches are drawn in the order of gradient steps"
        batch = drawn[1].result()
        self.prepare(step + 1, known)
        return batch

    def _draw(self, step: int) -> Batch | Frames:
        batch: Batch | Frames = jax.device_put(self.sample(batch_rng(self.seed, step)))
        return batch


def batch_rng(seed: int, gradient_step: int) -> np.random.Generator:
    """Return the generator of one batch. The clock is the counter's highest word, so batches share no draws."""
    return np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 0, gradient_step]))
