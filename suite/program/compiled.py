"""Programs that JAX has compiled, kept in a folder for the next process. No JAX."""

import contextlib
import fcntl
import os
import shutil
import tempfile
import zlib
from functools import cache
from pathlib import Path

VARIABLE = "JAX_COMPILATION_CACHE_DIR"
PREFIX = "eaudeqn-compiled-"
ZLIB = b"\x78"  # how an entry begins, unless a package for another compression is installed
TRIES = 5


_kept: list[tuple["tempfile.TemporaryDirectory[str]", int | None]] = []  # folders and their locks, while we live


@cache
def own_folder() -> Path:
    """A folder of this process, removed when it ends by itself, and otherwise when the next process asks for one. It
    is in no folder of results: what lies there is executed."""
    remove_abandoned(Path(tempfile.gettempdir()))
    for _ in range(TRIES):
        own = tempfile.TemporaryDirectory(prefix=PREFIX)
        lock = _locked(Path(own.name))
        if lock is not None:
            break  # otherwise somebody took it for abandoned, or there are no locks here
    _kept.append((own, lock))
    return Path(own.name)


def remove_abandoned(base: Path) -> None:
    """Remove such folders of processes that are gone."""
    for folder in base.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # another user's, or another process is removing it
            about = folder.lstat()
            if folder.is_symlink() or about.st_uid != os.getuid():
                continue
            lock = _locked(folder)
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def _locked(folder: Path) -> int | None:
    """A lock on a folder, which is gone with this process; None if another process has it, or has removed the folder,
    or there are no locks here."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock), folder.stat()):
            return lock
    except OSError:
        pass
    os.close(lock)
    return None


def drop_truncated() -> None:
    """Remove the entries of JAX's cache that a process was writing when it was killed, or when the disk was full: JAX
    writes no entry anew, and warns of a broken one each time."""
    place = os.environ.get(VARIABLE)
    for path in Path(place).glob("*-cache") if place else ():
        with contextlib.suppress(OSError):
            if not _is_whole(path.read_bytes()):
                path.unlink()


def _is_whole(entry: bytes) -> bool:
    """Whether the compressed data of an entry are there to their end. Of another kind, nothing can be said."""
    if entry and not entry.startswith(ZLIB):
        return True
    unpacking = zlib.decompressobj()
    try:
        unpacking.decompress(entry)
    except zlib.error:
        return False
    return unpacking.eof
