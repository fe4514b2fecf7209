"""Machines and containers with the same host name: a process that cannot be seen is not taken for dead."""

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from suite.errors import Busy
from suite.record import lock, schema


@pytest.fixture
def no_flocks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_):
        raise OSError(errno.ENOSYS, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)


@pytest.fixture
def dead() -> int:
    """The id of a process that is not there."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def leave(folder: Path, age: float = 0.0, **named: object) -> None:
    """A lock of a process on a host of our name."""
    mine = {"host": socket.gethostname(), "boot": lock._boot(), "processes": lock._processes(), "since": "today"}
    (folder / schema.LOCK).write_text(json.dumps(mine | named))
    os.utime(folder / schema.LOCK, (time.time() - age, time.time() - age))


@pytest.mark.parametrize("there", [{"processes": "pid:[1]"}, {"boot": "other"}, {"boot": "other", "processes": None}])
def test_without_flocks_a_process_elsewhere_keeps_its_lock(no_flocks, dead, tmp_path, there) -> None:
    leave(tmp_path, pid=dead, **there)
    assert str(dead) in (lock.holder(tmp_path) or "")
    with pytest.raises(Busy, match=str(dead)), lock.hold(tmp_path):
        pytest.fail("held by two")
    leave(tmp_path, age=2 * lock.STALE, pid=dead, **there)
    assert lock.holder(tmp_path) is None  # its heartbeat has ended


def test_a_lock_that_tells_no_container_is_not_taken_by_its_process_id(no_flocks, dead, tmp_path) -> None:
    (tmp_path / schema.LOCK).write_text(json.dumps({"host": socket.gethostname(), "pid": dead}))
    assert lock.holder(tmp_path)


def test_a_dead_process_of_this_container_frees_its_lock(no_flocks, dead, tmp_path) -> None:
    leave(tmp_path, pid=dead)
    assert lock.holder(tmp_path) is None
    with lock.hold(tmp_path):
        named = json.loads((tmp_path / schema.LOCK).read_text())
    assert named["pid"] == os.getpid() and {"boot", "processes"} <= named.keys()


def test_a_flock_tells_between_containers_of_one_machine(dead, tmp_path) -> None:
    leave(tmp_path, pid=dead, processes="pid:[1]")
    assert lock.holder(tmp_path) is None


def test_a_flock_that_stays_on_one_machine_does_not_free_the_lock_of_another(dead, tmp_path) -> None:
    """Two machines of the same name, and a network file system whose flocks are local."""
    leave(tmp_path, pid=dead, boot="other")
    assert lock.holder(tmp_path)
