"""The compile cache: programs that JAX compiled, kept in a private folder of this user for the next process.

The folder is JAX_COMPILATION_CACHE_DIR, or eaudeqn in the user's cache directory ($XDG_CACHE_HOME or ~/.cache);
JAX_ENABLE_COMPILATION_CACHE=false does without. What lies there is executed, so a folder that others can write to is
refused. JAX's own file cache writes entries in place, and bounds its size only with a package that is no dependency of
ours, so a small one takes its place.
"""

import contextlib
import hashlib
import os
import platform
import stat
import sys
import tempfile
import zlib
from importlib import metadata
from pathlib import Path

import jax
from jax._src import compilation_cache
from jax._src.compilation_cache_interface import CacheInterface

from suite.program import limits

VARIABLE = "JAX_COMPILATION_CACHE_DIR"
MIN_SECONDS = "jax_persistent_cache_min_compile_time_secs"
MOST_BYTES = 2**30  # at the start of a process; a run adds a few MB
SUFFIX = "-cache"  # of an entry's file
ZLIB = b"\x78"  # how an entry begins, unless a package for another compression is installed
#: Of limits.processor(): what machine code depends on.
PROCESSOR = ("vendor_id", "cpu family", "model", "model name", "flags", "CPU implementer", "CPU part", "Features")
WIDTHS = ("NPROC", "PJRT_NPROC")  # variables by which XLA takes another number of cores
OTHERS = stat.S_IWGRP | stat.S_IWOTH


def use() -> None:
    """Keep what this process compiles, and take what earlier ones did. Call it once the device is chosen, before
    anything is computed. Without a private folder, print one line and use no cache."""
    if not jax.config.values["jax_enable_compilation_cache"]:
        return
    jax.config.update("jax_compilation_cache_dir", None)
    try:
        folder = private_folder()
        (folder / _key()).mkdir(mode=0o700, exist_ok=True)
    except (OSError, RuntimeError) as error:  # the second: there is no home folder
        other = f"{VARIABLE} can name another folder"
        print(f"no compile cache, so each start compiles again: {error}; {other}", file=sys.stderr, flush=True)
        return
    shrink(folder)
    if MIN_SECONDS.upper() not in os.environ:
        jax.config.update(MIN_SECONDS, 0.0)  # to load a program takes a tenth of what the smallest takes to compile
    jax.config.update("jax_compilation_cache_dir", str(folder / _key()))
    compilation_cache.get_file_cache = lambda path: (FileCache(Path(path)), path)


def private_folder() -> Path:
    """Return the folder of all entries, made with mode 0700. Raises OSError if it cannot be made or others can write to
    it, and RuntimeError if there is no home folder."""
    named = os.environ.get(VARIABLE)
    folder = (
        Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser(), "eaudeqn")
    )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = folder.resolve()
    about = folder.stat()
    if about.st_uid != os.getuid() or about.st_mode & OTHERS:
        raise PermissionError(f"{folder} belongs to others or can be written by them, and its files are executed")
    for parent in folder.parents:
        mode = parent.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise PermissionError(f"{folder} can be replaced by others, who can write to {parent}")
    return folder


def _key() -> str:
    """Return the name of the subfolder for these versions, this device and this number of cores, on which XLA's code
    depends.

    JAX's own keys within it hold the program, its options and XLA_FLAGS.
    """
    device, processor = jax.devices()[0], limits.processor()
    facts = [
        jax.__version__,
        metadata.version("jaxlib"),
        device.client.platform_version,
        device.device_kind,
        platform.machine(),
        *(processor.get(field) for field in PROCESSOR),
        str(len(limits.allowed_cores())),
        *(os.environ.get(name, "") for name in WIDTHS),
    ]
    return f"jax-{jax.__version__}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}"


def shrink(folder: Path, most: int = MOST_BYTES) -> None:
    """Remove the entries that were not used for longest until the rest has at most `most` bytes.

    Other files, which the user may have in that folder, stay.
    """
    entries = []
    for path in folder.glob(f"jax-*/*{SUFFIX}"):
        with contextlib.suppress(OSError):  # another process has removed it
            about = path.lstat()
            if stat.S_ISREG(about.st_mode):
                entries.append((about.st_mtime, about.st_size, path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= most:
            return
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size


class FileCache(CacheInterface):
    """What JAX asks of a cache: bytes by key. An entry is there in full or not at all, also after a crash."""

    def __init__(self, folder: Path) -> None:
        self._path = folder  # JAX names it in its log

    def get(self, key: str) -> bytes | None:
        """Return the entry, or None if there is none. A damaged one is removed, so that JAX compiles it
        again."""
        path = self._path / f"{key}{SUFFIX}"
        try:
            entry = path.read_bytes()
            if not is_whole(entry):
                path.unlink()
                return None
            os.utime(path)  # `shrink` goes by this time
        except OSError:  # not there, or another process has removed it
            return None
        return entry

    def put(self, key: str, value: bytes) -> None:
        """Store an entry, unless the disk refuses it."""
        with contextlib.suppress(OSError):
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=self._path, suffix=SUFFIX)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(value)
                Path(temporary).replace(self._path / f"{key}{SUFFIX}")
            except OSError:
                Path(temporary).unlink(missing_ok=True)
                raise


def is_whole(entry: bytes) -> bool:
    """Return whether the compressed data of an entry are complete and have their checksum; True for a compression other
    than zlib."""
    if entry and not entry.startswith(ZLIB):
        return True
    unpacking = zlib.decompressobj()
    try:
        unpacking.decompress(entry)
    except zlib.error:
        return False
    return unpacking.eof
