"""Versions, device, commit and JAX settings: what a run's numbers depend on besides its options."""

import functools
import hashlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

from suite import device
from suite.program import limits, numerics
from suite.tasks import FAMILIES

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    *("jax", "jaxlib", "flax", "optax", "numpy", "gymnasium"),
    *dict.fromkeys(package for family in FAMILIES.values() for package in family.packages),
    "wandb",
)


@functools.cache
def versions() -> dict[str, str | None]:
    """Return the versions that can change a result, with the device, the processor, the number of cores and the
    project's commit. None for a package that is not installed. `settings` is present only if the environment changes
    numbers."""
    settings = numerics.settings()
    return {
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
        "device": device.kind(),
        "processor": _processor(),
        "cores": str(len(limits.allowed_cores())),
        "project": commit(),
        "lock": _lock(),
        **({"settings": settings} if settings else {}),
    }


def _processor() -> str:
    """Return the model of the processor, such as AMD EPYC 25.17. XLA takes instructions, and so the order of sums, by
    it and by the number of cores."""
    known = limits.processor()
    name = known.get("model name", platform.machine())
    numbers = [known[field] for field in ("cpu family", "model", "CPU part") if field in known]
    return f"{name} {'.'.join(numbers)}".strip()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _lock() -> str | None:
    """Return a digest of the checkout's locked packages; None if the suite was installed without a checkout."""
    lock = ROOT / "requirements.lock"
    return hashlib.sha256(lock.read_bytes()).hexdigest()[:12] if lock.exists() else None


def commit(root: Path = ROOT) -> str:
    """Return the commit of the checkout in `root`, with "+dirty" if files differ from it; "unknown" if `root` is not
    the root of a checkout. Variables such as GIT_DIR, which name another repository, are ignored."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def git(*words: str) -> str:
        command = ["git", "-C", str(root), *words]
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", check=True, env=environment
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != root.resolve():
            return "unknown"
        return git("rev-parse", "HEAD") + ("+dirty" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
