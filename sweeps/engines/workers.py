"""Worker processes: started on cores of their own, ended without leaving anything behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from suite.program.limits import cores
from sweeps.engines.gpus import VISIBLE

Process = subprocess.Popen[bytes]

ROOT = Path(__file__).resolve().parents[2]  # where `python -m sweeps.run` finds this project's packages
SUPERVISOR = Path(__file__).with_name("supervisor.py")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
MEMORY = "XLA_CLIENT_MEM_FRACTION"
OLD_MEMORY = "XLA_PYTHON_CLIENT_MEM_FRACTION"  # JAX refuses to start when both names are there
NO_GPU: Mapping[str, str] = {}
GPU_MEMORY = 0.9  # of a GPU's memory, for all that share it
GRACE = 60.0  # seconds between asking a worker to end, for which it writes a checkpoint, and killing it


def share(slot: int, jobs: int) -> list[int]:
    """Return the cores of worker `slot` of `jobs`: a single worker gets all, otherwise workers divide them evenly.

    With more workers than cores, workers take turns over the cores and have one each.
    """
    available = cores()
    if jobs == 1:
        return available
    return available[slot::jobs] or [available[slot % len(available)]]


def accelerator(slot: int, jobs: int) -> dict[str, str]:
    """Return the variables that give JAX the GPU of worker `slot` of `jobs`, and the fraction of its memory to reserve.

    Workers take turns over the GPUs that CUDA_VISIBLE_DEVICES names, and share one if it names none. Without GPUs the
    variables have no effect.
    """
    if jobs == 1:
        return {}  # JAX's own choice, three quarters of the first
    gpus = [name for name in os.environ.get(VISIBLE, "").split(",") if name]
    sharers = len(range(slot % len(gpus), jobs, len(gpus))) if gpus else jobs
    chosen = os.environ.get(MEMORY) or os.environ.get(OLD_MEMORY)
    memory = {} if chosen else {MEMORY: f"{GPU_MEMORY / sharers:.3f}"}
    return memory | ({VISIBLE: gpus[slot % len(gpus)]} if gpus else {})


def start(
    command: Sequence[str], on: Sequence[int], output: int | IO[bytes], gpu: Mapping[str, str] = NO_GPU
) -> Process:
    """Start a command in a process group of its own (Ctrl-C reaches only us) on the given cores and `accelerator`."""
    supervisor = [sys.executable, "-I", "-S", str(SUPERVISOR), str(os.getpid()), ",".join(map(str, on))]
    return subprocess.Popen(
        [*supervisor, *command],
        cwd=ROOT,
        env=_environment(len(on), gpu),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        process_group=0,
    )


def stop(processes: Sequence[Process], hurry: Callable[[], bool], grace: float = GRACE) -> None:
    """Ask all to end (SIGTERM); kill those that still run after `grace` seconds, or once `hurry()` holds.

    Only the worker itself gets the signal, so that its own helpers (W&B's service) can serve it to its end; the rest
    of its group is killed then.
    """
    for process in processes:
        process.terminate()  # does nothing if it has ended
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline and not hurry() and any(p.poll() is None for p in processes):
        time.sleep(0.05)
    for process in processes:
        kill_group(process)
        process.wait()


def kill_group(process: Process) -> None:
    """Send SIGKILL to the process group of a worker, if any process of it is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nothing left (the second: macOS)
        os.killpg(process.pid, signal.SIGKILL)


def _environment(threads: int, gpu: Mapping[str, str]) -> Mapping[str, str]:
    """Return our variables, with one thread per core of the worker unless the user chose another number."""
    widths = dict.fromkeys(THREADS, str(threads))
    return {**widths, "PYTHONUNBUFFERED": "1", **os.environ, **gpu}
