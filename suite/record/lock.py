"""One process at a time in a run's folder, whichever engine started it, on this or on another host. No JAX.

Who works there holds a flock on lock.json, which names its host, its process id and when it began. On one host, and on
a file system that carries flocks from host to host, the flock tells: it is gone with its process, however that ended.
Elsewhere the file's time tells: its holder renews it every BEAT seconds, and a file STALE seconds old is free, so the
hosts' clocks must agree within a minute. Whoever slept so long that another is there ends as soon as it notices.

Several machines and containers may have the same host name. A host is the same one if it was booted at the same time
(`boot`). Where there are no flocks, a process id tells within one container only (`processes`, its pid namespace).
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
from typing import IO, Any

from suite.errors import Busy, writing
from suite.record import schema

BEAT, STALE = 15.0, 120.0  # seconds
SETTLE = 1.0  # seconds until all who take over a stale lock at once have written their names: the last one has it
PATIENCE, PAUSE = 1.0, 0.05  # seconds for a lock that is only being looked at, and between two tries
MOST = 4096  # bytes of a lock file that are read


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Be the one process that works in `folder`, which is made, and removed again if nothing comes to lie in it.

    Raises Busy when another process is, and UserError when the folder cannot be written.
    """
    path, ended = folder / schema.LOCK, threading.Event()
    since = datetime.now().astimezone().isoformat()
    name = json.dumps({**_host(), **_container(), "pid": os.getpid(), "since": since}).encode()
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
    """Who works in a run's folder now, in words; None if nobody does."""
    try:
        with (folder / schema.LOCK).open("rb", buffering=0) as lock:
            return _words(_read(lock)) if _taken(lock, _flock(lock, fcntl.LOCK_SH)) else None
    except OSError:
        return None


def _claim(path: Path, name: bytes) -> IO[bytes]:
    """The lock's file with our name in it; it is ours until it is closed."""
    patience = time.monotonic() + PATIENCE
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # whoever had it gives it up in this moment
            with contextlib.suppress(FileExistsError), path.open("xb", buffering=0) as new:
                new.write(name)
            lock = path.open("r+b", buffering=0)
            if _enter(lock, path, name):
                return lock
            words = _words(_read(lock))
            lock.close()
            if time.monotonic() > patience:
                raise Busy(f"{path.parent}: {words} works there; try again later")
        time.sleep(PAUSE)


def _enter(lock: IO[bytes], path: Path, name: bytes) -> bool:
    """Put our name into an open lock file, unless another process has it; -> whether it is ours."""
    flocked = _flock(lock, fcntl.LOCK_EX)
    mine = os.pread(lock.fileno(), MOST, 0) == name  # we have made the file
    if flocked is False or not (mine or not _taken(lock, flocked)):
        return False
    if not os.path.samestat(os.fstat(lock.fileno()), path.stat()):
        return False  # removed by whoever had it
    if mine:
        return True
    contested = not flocked or _age(lock) >= STALE  # other hosts may take it, too
    os.pwrite(lock.fileno(), name, 0)
    os.ftruncate(lock.fileno(), len(name))
    if contested:
        time.sleep(SETTLE)
    return not contested or path.read_bytes() == name


def _flock(lock: IO[bytes], operation: int) -> bool | None:
    """Whether we have got the flock; None where there are no flocks."""
    try:
        fcntl.flock(lock, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _taken(lock: IO[bytes], flocked: bool | None) -> bool:
    """Whether the process that is named in the file works there; `flocked` is what `_flock` said."""
    if flocked is False:
        return True
    if _age(lock) >= STALE:
        return False
    named = _read(lock)
    if not _host().items() <= named.items():  # a file without a name is being written
        return True
    if flocked:
        return False
    return not _container().items() <= named.items() or _lives(named.get("pid"))


def _host() -> dict[str, str | None]:
    """Which machine this is, and since which start of it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:  # macOS
        boot = None
    return {"host": socket.gethostname(), "boot": boot}


def _container() -> dict[str, str | None]:
    """Which processes can be seen from here."""
    try:
        return {"processes": str(Path("/proc/self/ns/pid").readlink())}
    except OSError:  # macOS
        return {"processes": None}


def _lives(pid: Any) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, TypeError, ValueError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _age(lock: IO[bytes]) -> float:
    return time.time() - os.fstat(lock.fileno()).st_mtime


def _read(lock: IO[bytes]) -> dict[str, Any]:
    try:
        named = json.loads(os.pread(lock.fileno(), MOST, 0))
    except ValueError:
        named = None
    return named if isinstance(named, dict) else {}


def _words(named: dict[str, Any]) -> str:
    return f"process {named.get('pid', '?')} on {named.get('host', '?')}, since {named.get('since', '?')},"


def _renew(path: Path, name: bytes, ended: threading.Event) -> None:
    """Keep the lock from looking stale, until it is given up. If it is no longer ours, end this process at once: every
    further word would spoil the record that another one is writing."""
    while not ended.wait(BEAT):
        try:
            lost = path.read_bytes() != name
            if not lost:
                os.utime(path)
        except FileNotFoundError:
            lost = True
        except OSError:  # the file system is away for a moment
            lost = False
        if lost:
            print(f"error: {path}: another process has the lock now, so this one ends", file=sys.stderr, flush=True)
            os._exit(schema.RESUMABLE)
