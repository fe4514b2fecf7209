"""What JAX has compiled: folders of processes that were killed, and entries that were not written to their end."""

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import pytest

from suite.program import compiled

ROOT = Path(__file__).resolve().parents[3]
#: A launcher that gives its workers a folder, and waits.
LAUNCHER = """
import os, time
os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)
from sweeps.engines import workers
print(workers._environment(1, {})["JAX_COMPILATION_CACHE_DIR"], flush=True)
time.sleep(%d)
"""


@pytest.fixture
def launcher(tmp_path: Path):
    """launcher(seconds) -> a process that has a folder in tmp_path, and that folder."""
    begun: list[subprocess.Popen[str]] = []

    def start(seconds: int) -> tuple["subprocess.Popen[str]", Path]:
        command = [sys.executable, "-c", LAUNCHER % seconds]
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        begun.append(process)
        assert process.stdout
        return process, Path(process.stdout.readline().strip()).parent

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def test_the_folder_of_a_launcher_that_was_killed_is_removed_by_the_next(launcher, tmp_path: Path) -> None:
    first, left = launcher(600)
    second, used = launcher(600)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert left.is_dir() and used.is_dir()
    third, own = launcher(0)
    third.wait()
    assert not left.exists() and not own.exists()
    assert used.is_dir() and second.poll() is None


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"{compiled.PREFIX}link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / f"{compiled.PREFIX}file").touch()
    (tmp_path / f"{compiled.PREFIX}old").mkdir()
    compiled.remove_abandoned(tmp_path)
    assert {path.name.removeprefix(compiled.PREFIX) for path in tmp_path.iterdir()} >= {"elsewhere", "link"}
    assert not (tmp_path / f"{compiled.PREFIX}old").exists()


def test_without_locks_there_is_a_folder_and_none_is_removed(tmp_path: Path, monkeypatch) -> None:
    def refuse(*_):
        raise OSError(38, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"{compiled.PREFIX}old").mkdir()
    assert compiled.own_folder.__wrapped__().is_dir()
    assert (tmp_path / f"{compiled.PREFIX}old").exists()


@pytest.mark.parametrize(
    ("entry", "kept"), [(slice(None), True), (slice(-1), False), (slice(9), False), (slice(0), False)]
)
def test_an_entry_that_was_cut_is_dropped(tmp_path: Path, monkeypatch, entry: slice, kept: bool) -> None:
    monkeypatch.setenv(compiled.VARIABLE, str(tmp_path))
    (tmp_path / "a-cache").write_bytes(zlib.compress(bytes(range(256)))[entry])
    (tmp_path / "b-cache").write_bytes(b"another compression")
    compiled.drop_truncated()
    assert (tmp_path / "a-cache").exists() == kept
    assert (tmp_path / "b-cache").exists()


def test_a_damaged_entry_is_dropped_and_no_folder_is_no_error(tmp_path: Path, monkeypatch) -> None:
    entry = bytearray(zlib.compress(os.urandom(1_000)))
    entry[500:520] = bytes(20)
    (tmp_path / "a-cache").write_bytes(entry)
    for place in ("", str(tmp_path / "none"), str(tmp_path)):
        monkeypatch.setenv(compiled.VARIABLE, place)
        compiled.drop_truncated()
    assert not (tmp_path / "a-cache").exists()


def test_jax_writes_a_cut_entry_anew(tmp_path: Path) -> None:
    """The real cache: the second process has a warning, unless the entry is dropped before."""
    code = """
import jax, jax.numpy as jnp, warnings
from suite.program import compiled
compiled.drop_truncated()
warnings.simplefilter("error")
print(jax.jit(lambda x: jnp.sin(x) * 2)(1.0))
"""
    environment = {**os.environ, compiled.VARIABLE: str(tmp_path), "JAX_PLATFORMS": "cpu"}
    for name in ("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"):
        environment[name] = "0"
    sizes = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0 and "Error reading" not in done.stderr, done.stderr
        entries = sorted(tmp_path.glob("*-cache"))
        sizes.append([path.stat().st_size for path in entries])
        for path in entries:
            path.write_bytes(path.read_bytes()[:100])
    assert sizes[0] == sizes[1] and sizes[0]
