"""One process at a time in a run's folder: real processes where flocks tell, and the file's time where they do not."""

import contextlib
import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from suite.errors import Busy, UserError
from suite.record import lock, schema
from tests.support.local import until

ROOT = Path(__file__).parents[3]

#: Takes the lock of a folder, tells so, and holds it; or waits for all to be there, takes it and works a little.
HOLDER = """
import sys, time
from pathlib import Path
from suite.record import lock
with lock.hold(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""
RACER = """
import sys, time
from pathlib import Path
from suite.record import lock
from suite.errors import Busy
folder, at = Path(sys.argv[1]), float(sys.argv[2])
lock.PATIENCE, lost = 0.05, 0
while time.time() < at:
    pass
for _ in range(30):
    try:
        with lock.hold(folder):
            (folder / "inside").touch(exist_ok=False)  # fails if somebody else is inside
            time.sleep(0.001)
            (folder / "inside").unlink()
    except Busy:
        lost += 1
print(lost)
"""


def python(code: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def other(tmp_path):
    """Another process that holds the lock of tmp_path/run."""
    process = python(HOLDER, str(tmp_path / "run"))
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def name(folder: Path, age: float = 0, **named) -> None:
    """A lock file that somebody has left there."""
    folder.mkdir(exist_ok=True)
    (folder / schema.LOCK).write_text(json.dumps(named) if named else "")
    os.utime(folder / schema.LOCK, (time.time() - age, time.time() - age))


def test_the_second_process_is_told_who_is_there(other, tmp_path) -> None:
    words = f"run: process {other.pid} on {socket.gethostname()}, since 20.*try again"
    with pytest.raises(Busy, match=words), lock.hold(tmp_path / "run"):
        pytest.fail("held by two")
    assert str(other.pid) in (lock.holder(tmp_path / "run") or "")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_lock_is_gone_with_its_process(other, tmp_path, number) -> None:
    other.send_signal(number)
    other.wait()
    assert (tmp_path / "run" / schema.LOCK).exists()
    assert lock.holder(tmp_path / "run") is None
    with lock.hold(tmp_path / "run"):
        assert json.loads((tmp_path / "run" / schema.LOCK).read_text())["pid"] == os.getpid()


def test_a_lock_is_never_seen_as_free_while_it_is_taken(tmp_path, monkeypatch) -> None:
    """Others may look before and after each step of the process that creates the file."""
    original, seen = fcntl.flock, []

    def flock(file, operation) -> None:
        if operation & fcntl.LOCK_EX:
            seen.append(lock.holder(tmp_path))
        original(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with lock.hold(tmp_path):
        seen.append(lock.holder(tmp_path))
    assert len(seen) == 2 and all(seen)


def test_nothing_is_left_behind(tmp_path) -> None:
    with lock.hold(tmp_path / "empty"), lock.hold(tmp_path / "used"):
        (tmp_path / "used" / "config.json").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["used", "config.json"]
    assert lock.holder(tmp_path / "used") is None and lock.holder(tmp_path / "empty") is None


def test_many_processes_never_meet(tmp_path) -> None:
    processes = [python(RACER, str(tmp_path / "run"), str(time.time() + 1.5)) for _ in range(4)]
    lost = [int(process.communicate(timeout=300)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert sum(lost) < 4 * 30  # somebody got it


def test_a_folder_that_is_removed_while_it_is_made_is_made_again(tmp_path, monkeypatch) -> None:
    """Its last holder removes an empty folder between mkdir's two looks at it."""
    original, raised = Path.mkdir, []

    def mkdir(self: Path, *given: object, **options: object) -> None:
        if not raised:
            raised.append(True)
            raise FileExistsError(17, "File exists", str(self))
        original(self, *given, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with lock.hold(tmp_path / "run"):
        assert raised and (tmp_path / "run" / schema.LOCK).exists()


@pytest.mark.parametrize("what", ["file", "dangling link"])
def test_what_is_no_folder_is_refused(tmp_path, what: str, monkeypatch) -> None:
    monkeypatch.setattr(lock, "PATIENCE", 0.05)
    place = tmp_path / "run"
    place.write_text("") if what == "file" else place.symlink_to(tmp_path / "nothing")
    with pytest.raises(UserError, match="cannot be written"), lock.hold(place):
        pytest.fail("held")


def test_another_hosts_lock_is_held_until_it_is_stale(tmp_path) -> None:
    name(tmp_path, age=lock.STALE / 2, host="elsewhere", pid=1)
    assert "process 1 on elsewhere" in (lock.holder(tmp_path) or "")
    with pytest.raises(Busy, match="process 1 on elsewhere"), lock.hold(tmp_path):
        pytest.fail("held by two")
    name(tmp_path, age=2 * lock.STALE, host="elsewhere", pid=1)
    assert lock.holder(tmp_path) is None
    with lock.hold(tmp_path):
        assert lock._age((tmp_path / schema.LOCK).open("rb")) < lock.STALE / 2


def test_of_two_hosts_that_take_over_a_stale_lock_the_later_has_it(tmp_path, monkeypatch) -> None:
    name(tmp_path, age=2 * lock.STALE, host="elsewhere", pid=1)
    monkeypatch.setattr(lock.time, "sleep", lambda _: name(tmp_path, host="third", pid=3))
    with pytest.raises(Busy, match="process 3 on third"), lock.hold(tmp_path):
        pytest.fail("held by two")
    assert "third" in (tmp_path / schema.LOCK).read_text()


def test_without_flocks_a_fresh_lock_is_held_if_its_process_may_live(tmp_path, monkeypatch, other) -> None:
    def refuse(*_):
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert lock.holder(tmp_path / "run")
    with pytest.raises(Busy), lock.hold(tmp_path / "run"):
        pytest.fail("held by two")
    other.kill()
    other.wait()
    with lock.hold(tmp_path / "run"), pytest.raises(Busy), lock.hold(tmp_path / "run"):
        pytest.fail("held by two")
    assert lock.holder(tmp_path / "run") is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"host": 3, "pid": {}}', "\x00\xff"])
def test_a_lock_that_names_nobody_is_being_written_until_it_is_stale(tmp_path, text) -> None:
    (tmp_path / schema.LOCK).write_text(text)
    assert lock.holder(tmp_path)
    os.utime(tmp_path / schema.LOCK, (0, 0))
    assert lock.holder(tmp_path) is None


def test_the_heartbeat_keeps_a_lock_fresh_and_ends_who_lost_it(tmp_path) -> None:
    code = HOLDER.replace("with lock.hold", "lock.BEAT = 0.05\nwith lock.hold")
    process = python(code, str(tmp_path))
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    os.utime(tmp_path / schema.LOCK, (0, 0))
    until(lambda: (tmp_path / schema.LOCK).stat().st_mtime != 0 or process.poll() is not None)
    name(tmp_path, host="elsewhere", pid=1)
    assert process.wait(timeout=120) == schema.RESUMABLE
    assert "elsewhere" in (tmp_path / schema.LOCK).read_text()
    process.communicate()


def test_a_place_that_cannot_be_written_is_one_line(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"), lock.hold(tmp_path / "file" / "run"):
        pytest.fail("held")


def test_a_full_disk_leaves_no_lock_behind(tmp_path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(tmp_path)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        with contextlib.suppress(OSError):
            (tmp_path / "fill").write_bytes(bytes(2**20))
        with pytest.raises(UserError, match="No space left"), lock.hold(tmp_path):
            pass
        (tmp_path / "fill").unlink()
        with lock.hold(tmp_path):
            pass
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_lock_file_that_is_a_link_to_nothing_is_one_line(tmp_path) -> None:
    (tmp_path / schema.LOCK).symlink_to(tmp_path / "nothing")
    with pytest.raises(UserError, match=f"{schema.LOCK}: cannot be written"), lock.hold(tmp_path):
        pass
