"""Lets one process at a time work in a run's folder, on this or on another host. No JAX.

The process holds a flock on lock.json, which contains its host, its process id and its start time. On one host, and on
a file system that shares flocks between hosts, the flock decides: it ends with its process. On other file systems the
file's modification time decides: the holder renews it every BEAT seconds, and a file that is STALE seconds old is free.
So the hosts' clocks must agree within a minute. A process that lost its lock, because it slept too long, exits as soon
as it notices.

Several machines and containers may have the same host name. A host is the same if it was booted at the same time
(`boot`). Without flocks, a process id is meaningful within one container only (`processes`, its pid namespace).
"""

import contextlib
import fcntl
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

from suite.errors import Busy, UserError, writing
from suite.record import schema
from suite.record.models import Holder, as_json, parsed

BEAT, STALE = 15.0, 120.0  # seconds
SETTLE = 1.0  # seconds until all processes that take over a stale lock have written to it; the last one gets it
PATIENCE, PAUSE = 1.0, 0.05  # seconds to retry, since a reader holds the lock for a moment, and between two tries
MOST = 4096  # bytes of a lock file that are read


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Lock `folder` for this process. The folder is created if necessary, and removed if it is empty at the end.

    Raises Busy if another process holds the lock, and UserError if the folder cannot be written.
    """
    path, ended = folder / schema.LOCK, threading.Event()
    since = datetime.now().astimezone().isoformat()
    ours = Holder(host=socket.gethostname(), boot=_boot(), processes=_processes(), pid=os.getpid(), since=since)
    name = json.dumps(as_json(ours)).encode()
    with writing(folder):
        lock = _claim(path, name)
    beat = threading.Thread(target=_renew, args=(path, name, ended), daemon=True)
    beat.start()
    try:
        yield
    finally:
        ended.set()
        beat.join()
        with contextlib.suppress(OSError):
            if path.read_bytes() == name:
                path.unlink()
                folder.rmdir()  # refused where something lies
        lock.close()


def holder(folder: Path) -> str | None:
    """Describe the process that works in a run's folder now; None if there is none."""
    try:
        with (folder / schema.LOCK).open("rb", buffering=0) as lock:
            return _words(_read(lock)) if _taken(lock, _flock(lock, fcntl.LOCK_SH)) else None
    except OSError:
        return None


def _claim(path: Path, name: bytes) -> IO[bytes]:
    """Lock the folder's lock file with our name in it; closing the file unlocks it. Raises Busy."""
    patience = time.monotonic() + PATIENCE
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except FileExistsError:  # no folder; or one that another process removed while mkdir looked at it
            if path.parent.exists() or time.monotonic() > patience:
                raise
        try:
            if (created := _created(path, name, patience)) is not None:
                return created
            lock = path.open("r+b", buffering=0)
            if _take_over(lock, path, name):
                return lock
            words = _words(_read(lock))
            lock.close()
            if time.monotonic() > patience:
                raise Busy(f"{path.parent}: {words} works there; try again later")
        except FileNotFoundError:  # another process is releasing it
            if path.is_symlink():  # to nothing
                raise
        time.sleep(PAUSE)


def _created(path: Path, name: bytes, patience: float) -> IO[bytes] | None:
    """Create and lock the lock file; None if there is one already, or if it is not ours by the time `patience`.

    The name comes last. An empty file counts as taken, but a file that names a process without a flock counts as free.
    """
    try:
        lock = path.open("x+b", buffering=0)
    except FileExistsError:
        return None
    while _flock(lock, fcntl.LOCK_EX) is False:  # another process reads the file, which takes a moment
        if time.monotonic() > patience:
            lock.close()
            return None
        time.sleep(PAUSE)
    try:
        lock.write(name)
    except OSError:  # the disk is full: the file must not stay, since an empty one counts as taken
        path.unlink(missing_ok=True)
        lock.close()
        raise
    return lock


def _take_over(lock: IO[bytes], path: Path, name: bytes) -> bool:
    """Put our name into an open lock file, unless another process holds it. Returns whether we hold it."""
    flocked = _flock(lock, fcntl.LOCK_EX)
    if _taken(lock, flocked) or not os.path.samestat(os.fstat(lock.fileno()), path.stat()):
        return False  # the second: removed by the process that held it
    contested = not flocked or _age(lock) >= STALE  # other hosts may take it too
    os.pwrite(lock.fileno(), name, 0)
    os.ftruncate(lock.fileno(), len(name))
    if contested:
        time.sleep(SETTLE)
    return not contested or path.read_bytes() == name


def _flock(lock: IO[bytes], operation: int) -> bool | None:
    """Return whether we got the flock; None on a file system without flocks."""
    try:
        fcntl.flock(lock, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _taken(lock: IO[bytes], flocked: bool | None) -> bool:
    """Return whether the process in the file still holds the lock. `flocked` is the result of `_flock`."""
    if flocked is False:
        return True
    if _age(lock) >= STALE:
        return False
    named = _read(lock)
    if named is None or (named.host, named.boot) != (socket.gethostname(), _boot()):
        return True  # held on another host, or being written
    if flocked:
        return False
    return named.processes != _processes() or _lives(named.pid)


def _boot() -> str | None:
    """Return an id of this machine's last start."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:  # macOS
        return None


def _processes() -> str | None:
    """Return an id of the processes that are visible from here."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # macOS
        return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # the second: larger than any process id
        return False
    except PermissionError:
        pass
    return True


def _age(lock: IO[bytes]) -> float:
    return time.time() - os.fstat(lock.fileno()).st_mtime


def _read(lock: IO[bytes]) -> Holder | None:
    """Return the process that the file names; None while the file is being written, or if it is damaged."""
    try:
        return parsed(Holder, os.pread(lock.fileno(), MOST, 0).decode(errors="replace"), lock.name)
    except UserError:
        return None


def _words(named: Holder | None) -> str:
    return f"process {named.pid} on {named.host}, since {named.since}," if named else "another process"


def _renew(path: Path, name: bytes, ended: threading.Event) -> None:
    """Renew the lock until it is released. If it is lost, end this process at once, since another one writes the record
    now."""
    while not ended.wait(BEAT):
        try:
            lost = path.read_bytes() != name
            if not lost:
                os.utime(path)
        except FileNotFoundError:
            lost = True
        except OSError:  # the file system does not answer for a moment
            lost = False
        if lost:
            print(f"error: {path}: another process has the lock now, so this one exits", file=sys.stderr, flush=True)
            os._exit(schema.RESUMABLE)
