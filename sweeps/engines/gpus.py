"""The NVIDIA GPUs of this machine, which several runs share. No JAX.

MPS, NVIDIA's Multi-Process Service, lets the runs on one GPU compute side by side, and not in turn. See its manual,
nvidia-cuda-mps-control(1).
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

VISIBLE = "CUDA_VISIBLE_DEVICES"
PIPE, LOG = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"
CONTROL = "nvidia-cuda-mps-control"  # the program that starts and ends MPS
PLUGINS = ("jax_cuda12_plugin", "jax_cuda13_plugin")  # packages by which JAX uses GPUs
PROBE = "import jax; jax.devices('cuda')"  # fails if JAX finds no GPU
PATIENCE = 60.0  # seconds for each of these programs


class Gpu(NamedTuple):
    """A GPU that runs may use."""

    id: str  # as CUDA_VISIBLE_DEVICES names it
    model: str  # "NVIDIA H200"; empty if it is not known


def query(*fields: str) -> list[list[str]]:
    """Return these fields of each GPU, as nvidia-smi prints them; nothing without an NVIDIA GPU.

    Warnings that nvidia-smi prints between the GPUs are left out.
    """
    command = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"]
    try:
        said = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=PATIENCE, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [[value.strip() for value in line.split(",")] for line in said.stdout.splitlines() if line.strip()]
    return [row for row in rows if len(row) == len(fields)]


def visible() -> list[Gpu]:
    """List the GPUs that CUDA_VISIBLE_DEVICES names; all if it is not set."""
    models: dict[str, str] = {}
    listed = query("index", "uuid", "name")
    for index, uuid, model in listed:
        models |= {index: model, uuid: model}
    chosen = os.environ.get(VISIBLE)
    if chosen is None:  # by UUID, since CUDA may count in another order than nvidia-smi
        return [Gpu(uuid, model) for _, uuid, model in listed]
    # CUDA ignores an invalid entry and what follows it; -1 is the usual way to hide all GPUs.
    named = takewhile(lambda name: name and not name.startswith("-"), chosen.split(","))
    return [Gpu(name, models.get(name, "")) for name in named if listed]


def usable_by_jax() -> bool:
    """Return whether JAX has its plugin for NVIDIA GPUs."""
    return any(find_spec(name) for name in PLUGINS)


def wanted() -> bool:
    """Return whether JAX_PLATFORMS allows GPUs."""
    platforms = os.environ.get("JAX_PLATFORMS", "")
    return not platforms or any(name in platforms.split(",") for name in ("cuda", "gpu"))


def has_mps() -> bool:
    """Return whether the program that starts MPS is installed; starting it may still fail."""
    return shutil.which(CONTROL) is not None


@contextlib.contextmanager
def mps(folder: Path) -> Iterator[dict[str, str]]:
    """Run an MPS of our own, with its files in a folder; yield the variables that processes need to find it.

    Raises OSError or subprocess.SubprocessError if it does not start, as in some containers, or if JAX finds no
    GPU by it.
    """
    variables = {PIPE: str(folder / "pipe"), LOG: str(folder / "log")}
    for place in variables.values():
        Path(place).mkdir(parents=True)
    # With CUDA_VISIBLE_DEVICES, the server would number the GPUs again, and the runs would name others.
    environment = {name: value for name, value in os.environ.items() if name != VISIBLE} | variables
    _call([CONTROL, "-d"], environment)
    try:
        _call([sys.executable, "-c", PROBE], environment)
        yield variables
    finally:
        with contextlib.suppress(subprocess.SubprocessError):
            _call([CONTROL], environment, "quit\n")


def _call(command: Sequence[str], environment: Mapping[str, str], text: str = "") -> None:
    """Run a program without its output. Raises OSError or subprocess.SubprocessError if it does not end well."""
    silent = subprocess.DEVNULL
    subprocess.run(
        command,
        env=environment,
        input=text,
        encoding="utf-8",
        stdout=silent,
        stderr=silent,
        timeout=PATIENCE,
        check=True,
    )
