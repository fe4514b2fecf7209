"""The cores and the memory that this process may use: of the machine, within what a container (cgroup) allows. No JAX.

Both versions of cgroups, as https://docs.kernel.org/admin-guide/cgroup-v2.html and .../cgroup-v1/ describe them. A
group's limits hold for the groups below it, so the tightest one on the way up counts.
"""

import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

PROC = Path("/proc/self")  # its files `cgroup` and `mounts` say where this process's groups are


def cores() -> list[int]:
    """Return the cores that this process may use: as many as a container's quota of time is worth, rounded down."""
    allowed = allowed_cores()
    quota = core_quota()
    return allowed if quota is None else allowed[: max(int(quota), 1)]


def allowed_cores() -> list[int]:
    """Return the cores that this process may run on, whatever its quota of time."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def processor() -> dict[str, str]:
    """Return what /proc/cpuinfo says of the first core, such as its "model name"; nothing without that file."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    fields = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in fields}


def memory() -> int:
    """Return the bytes of memory that this process and its container may use together."""
    return min(physical_memory(), memory_limit() or physical_memory())


def restrictions() -> str:
    """Describe what a container allows of this machine; empty if it allows all."""
    limits, quota = [], core_quota()
    if quota is not None and quota < len(allowed_cores()):
        limits.append(f"{quota:g} of {len(allowed_cores())} cores")
    if memory() < physical_memory():
        limits.append(f"{size(memory())} of {size(physical_memory())} of memory")
    return " and ".join(limits)


def size(count: float) -> str:
    """Format bytes in powers of 1000: 850 kB, 12 MB, 7.1 GB."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= 0.9995 * factor:  # what three digits round up to it
            return f"{count / factor:.3g} {unit}"
    return f"{count / 1e3:.0f} kB"


def peak_memory() -> int:
    """Return the most bytes of memory that this process has used at a time."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def physical_memory() -> int:
    """Return the bytes of memory of the machine, whatever a container allows."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def core_quota() -> float | None:
    """Return a container's share of time, in cores, or None if it has no quota."""
    quotas = [_ratio(*text.split()) for text in _settings("", "cpu.max")]
    for folder in _groups("cpu"):
        quotas.append(_ratio(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")))
    return min((quota for quota in quotas if quota is not None), default=None)


def memory_limit() -> int | None:
    """Return a container's limit in bytes, or None if it has no limit."""
    texts = [*_settings("", "memory.max"), *_settings("memory", "memory.limit_in_bytes")]
    limits = [int(text) for text in texts if text.isdecimal()]  # not "max"
    return min((limit for limit in limits if limit > 0), default=None)


def _ratio(quota: str = "", period: str = "") -> float | None:
    """Return the cores of a quota: "50000", "100000" -> 0.5. None for max and for a number below zero."""
    return int(quota) / int(period) if quota.isdecimal() and period.isdecimal() and int(period) else None


def _settings(controller: str, name: str) -> list[str]:
    """Read a file of this process's group of a controller, and of the groups above it."""
    return [text for folder in _groups(controller) if (text := _read(folder / name))]


def _groups(controller: str) -> Iterator[Path]:
    """Yield the visible folders of this process's group and of the groups above it. The groups of version 2 have the
    controller "". A path from outside the container may not exist here; the container's own group is then the top of
    what is mounted."""
    tops = _mounts(controller)
    for line in _read(PROC / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            inside = PurePosixPath(path.lstrip("/"))
            yield from (top / group for top in tops for group in (inside, *inside.parents))
            return


def _mounts(controller: str) -> list[Path]:
    """List the folders where a controller's groups are mounted."""
    folders = []
    for line in _read(PROC / "mounts").splitlines():
        _, place, kind, options, *_ = line.split(" ")
        if kind == ("cgroup" if controller else "cgroup2") and controller in ("", *options.split(",")):
            folders.append(Path(place))
    return folders


def _read(path: Path) -> str:
    """Read a small file; empty if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()  # folders may have names of any bytes
    except OSError:
        return ""
