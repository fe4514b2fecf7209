"""Part (a): the card, its driver, and the versions that numbers depend on."""

from collections.abc import Iterator
from pathlib import Path

import jax

from suite.program.limits import cores, memory, size
from suite.tracking.provenance import versions
from sweeps.engines import gpus
from sweeps.gpu import runs
from sweeps.gpu.sizes import Measured, Row, Size


def measure(amounts: Size, scratch: Path, measured: Measured) -> Iterator[Row]:
    """Yield a row for each fact, with the keys "what" and "value"."""
    runs.begin()
    device = jax.devices()[0]
    facts = {
        "card": device.device_kind,
        "cards": jax.device_count(),
        "backend": jax.default_backend(),
        "platform version": " ".join(str(device.client.platform_version).split()),
        "driver": first("driver_version"),
        "card memory": first("memory.total"),
        "cores": len(cores()),
        "memory": size(memory()),
        **versions(),
    }
    yield from ({"what": what, "value": value} for what, value in facts.items())


def first(field: str) -> str | None:
    """Return a field of the first GPU from nvidia-smi; None without a GPU."""
    return next((row[0] for row in gpus.query(field)), None)
