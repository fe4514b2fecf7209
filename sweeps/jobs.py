"""How many runs of a sweep this machine runs at a time, and how they share its GPUs."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from suite.program import limits
from suite.program.terminal import counted
from sweeps.engines import gpus
from sweeps.gpu.best import best_number

PER_GPU = 4  # runs on a GPU that `make gpu-check` has not measured


@contextlib.contextmanager
def on_gpus(jobs: int | None) -> Iterator[int | None]:
    """Share the GPUs among the runs that start inside, say so in one line, and yield how many run at a time.

    That is `jobs` if the user gave a number. Otherwise it is, summed over the GPUs, the number that `make gpu-check`
    found best on such a GPU, or PER_GPU; and None without GPUs. Workers take turns over the GPUs that the environment
    variable CUDA_VISIBLE_DEVICES names.
    """
    found = gpus.visible() if gpus.wanted() else []
    if found and not gpus.usable_by_jax():
        print(f"note: JAX does not use the {_words(found)} here; make setup-cuda installs what it needs", flush=True)
        found = []
    if not found:
        yield jobs
        return
    with contextlib.ExitStack() as stack:
        mps = _start_mps(stack) if jobs is None or jobs > len(found) else {}
        chosen = mps | {gpus.VISIBLE: ",".join(gpu.id for gpu in found)}
        stack.enter_context(variables(chosen))
        number = jobs or sum(best_number(gpu.model, bool(mps)) or PER_GPU for gpu in found)
        amount = counted(number, "run") + " at a time" + ", side by side with MPS" * bool(mps)
        print(f"{_words(found)}: up to {amount}; JOBS=n (--jobs) sets another number")
        yield number


@contextlib.contextmanager
def variables(given: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables until the context ends."""
    before = dict(os.environ)
    os.environ.update(given)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _words(found: Sequence[gpus.Gpu]) -> str:
    models = sorted({gpu.model for gpu in found if gpu.model})
    return counted(len(found), "GPU") + f" ({', '.join(models)})" * bool(models)


def _start_mps(stack: contextlib.ExitStack) -> dict[str, str]:
    """Start MPS until the stack ends; return the variables by which runs find it, or none if there is no MPS.

    Runs find an MPS of the user's own by themselves.
    """
    if gpus.PIPE in os.environ:
        return {gpus.PIPE: os.environ[gpus.PIPE]}
    if not gpus.has_mps():
        return {}
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="eaudeqn-mps-", ignore_cleanup_errors=True)))
    try:
        return stack.enter_context(gpus.mps(folder))
    except (OSError, subprocess.SubprocessError):  # not permitted here, as in some containers
        return {}


def fitting(size: int, most: int | None) -> int:
    """Return the number of workers of `size` bytes that fit the memory: at most `most`, or one per core if None."""
    return max(min(most or len(limits.cores()), limits.memory() // size), 1)
