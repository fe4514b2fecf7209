"""Part (a): the card, its driver, and the versions that numbers depend on."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import jax

from suite.program.limits import cores, memory, size
from suite.tracking.provenance import versions
from sweeps.gpu import runs
from sweeps.gpu.sizes import Measured, Row, Size


def measure(amounts: Size, scratch: Path, measured: Measured) -> Iterator[Row]:
    runs.begin()
    device = jax.devices()[0]
    facts = {
        "card": device.device_kind,
        "cards": jax.device_count(),
        "backend": jax.default_backend(),
        "platform version": " ".join(str(device.client.platform_version).split()),
        "driver": query("driver_version"),
        "card memory": query("memory.total"),
        "cores": len(cores()),
        "memory": size(memory()),
        **versions(),
    }
    yield from ({"what": what, "value": value} for what, value in facts.items())


def query(what: str) -> str | None:
    """What nvidia-smi says of the first card; None where there is none."""
    try:
        asked = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader"]
        said = subprocess.run(
            asked, capture_output=True, encoding="utf-8", errors="replace", timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return said.splitlines()[0].strip() if said.strip() else None
