"""The compile cache: who may write to it, what its entries are, and that no number depends on it."""

import json
import os
import stat
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from suite.program import compile_cache, limits
from suite.program.compile_cache import FileCache
from tests.support.sweeps import TINY, run_flags

ROOT = Path(__file__).resolve().parents[3]
#: Compiles one program, and says how many programs came from the cache.
PROGRAM = """
import jax, jax.numpy as jnp, warnings
from suite.program import compile_cache
compile_cache.use()
warnings.simplefilter("error")
found = []
jax.monitoring.register_event_listener(lambda event, **_: found.append(event) if event.endswith("cache_hits") else None)
jax.jit(lambda x: jnp.sin(x) * 2)(jnp.ones(3))
print(len(found))
"""


def environment(cache: Path, **others: str) -> dict[str, str]:
    """Ours, with the cache in eaudeqn in this folder, as users have it."""
    ours = {
        key: value
        for key, value in os.environ.items()
        if key not in (compile_cache.VARIABLE, compile_cache.MIN_SECONDS.upper())
    }
    return {**ours, "XDG_CACHE_HOME": str(cache), "JAX_PLATFORMS": "cpu", **others}


def start(*command: str, **options: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment(**options), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done


def numbers(folder: Path) -> list[dict]:
    """The rows of a run's record without what depends on time."""
    (path,) = folder.rglob("metrics.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{key: value for key, value in row.items() if "seconds" not in key and "time" not in key} for row in rows]


def test_no_number_of_a_run_depends_on_the_cache(tmp_path: Path) -> None:
    """Without, with an empty one, with one that holds all, and with one that is refused."""
    cache, shared = tmp_path / "cache", tmp_path / "shared"
    (shared / "eaudeqn").mkdir(parents=True)
    (shared / "eaudeqn").chmod(0o777)
    ways = {
        "without": {"cache": cache, "JAX_ENABLE_COMPILATION_CACHE": "false"},
        "empty": {"cache": cache},
        "full": {"cache": cache},
        "refused": {"cache": shared},
    }
    entries, errors, policies = {}, {}, {}
    for name, options in ways.items():
        done = start("-m", "sweeps.run", *run_flags(TINY), "--folder", str(tmp_path / name), **options)
        entries[name], errors[name] = len(list(cache.rglob("*-cache"))), done.stderr
        (policy,) = (tmp_path / name).rglob("policy.safetensors")
        policies[name] = policy.read_bytes()
    assert len({json.dumps(numbers(tmp_path / name)) for name in ways}) == 1
    assert len(set(policies.values())) == 1
    assert entries["without"] == 0 < entries["empty"] == entries["full"]
    assert "can be written" in errors["refused"] and errors["refused"].count("\n") == errors["full"].count("\n") + 1
    assert not list(shared.rglob("*-cache"))


def test_the_next_process_compiles_nothing_and_writes_a_damaged_entry_anew(tmp_path: Path) -> None:
    def run() -> tuple[int, dict[str, int]]:
        done = start("-c", PROGRAM, cache=tmp_path)
        assert "Error" not in done.stderr
        return int(done.stdout), {path.name: path.stat().st_size for path in tmp_path.rglob("*-cache")}

    hits, entries = run()
    assert hits == 0 and entries
    assert run() == (len(entries), entries)
    for path in tmp_path.rglob("*-cache"):
        path.write_bytes(path.read_bytes()[:100])
    assert run() == (0, entries)


def test_the_folder_is_private(tmp_path: Path) -> None:
    start("-c", PROGRAM, cache=tmp_path / "none" / "yet")
    folders = [tmp_path / "none" / "yet" / "eaudeqn", *tmp_path.rglob("jax-*")]
    assert len(folders) == 2
    for folder in folders:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private folder that the user has named."""
    folder = tmp_path / "outer" / "cache"
    folder.mkdir(parents=True, mode=0o700)
    monkeypatch.setenv(compile_cache.VARIABLE, str(folder))
    return folder


def test_a_folder_that_the_user_names_is_used(named: Path) -> None:
    assert compile_cache.private_folder() == named


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_folder_that_others_can_write_to_is_refused(named: Path, mode: int) -> None:
    named.chmod(mode)
    with pytest.raises(PermissionError):
        compile_cache.private_folder()


def test_a_folder_that_others_can_replace_is_refused(named: Path) -> None:
    named.parent.chmod(0o777)
    with pytest.raises(PermissionError):
        compile_cache.private_folder()
    named.parent.chmod(0o1777)  # as /tmp: each user can remove their own files alone
    compile_cache.private_folder()


def test_a_link_counts_as_the_folder_that_it_leads_to(named: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "link").symlink_to(named)
    monkeypatch.setenv(compile_cache.VARIABLE, str(tmp_path / "link"))
    assert compile_cache.private_folder() == named
    named.chmod(0o777)
    with pytest.raises(PermissionError):
        compile_cache.private_folder()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(named: Path) -> None:
    os.chown(named, 12_345, -1)
    with pytest.raises(PermissionError):
        compile_cache.private_folder()


def test_the_key_depends_on_versions_and_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [compile_cache._key()]
    assert keys == [compile_cache._key()]
    for module, name, value in (
        (compile_cache.metadata, "version", lambda _: "0"),
        (limits, "allowed_cores", lambda: list(range(1_000))),
        (limits, "processor", lambda: {"model": "another"}),
    ):
        monkeypatch.setattr(module, name, value)
        keys.append(compile_cache._key())
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("entry", "kept"), [(slice(None), True), (slice(-1), False), (slice(9), False), (slice(0), False)]
)
def test_an_entry_that_was_cut_is_dropped(tmp_path: Path, entry: slice, kept: bool) -> None:
    whole = zlib.compress(bytes(range(256)))
    (tmp_path / "a-cache").write_bytes(whole[entry])
    (tmp_path / "b-cache").write_bytes(b"another compression")
    cache = FileCache(tmp_path)
    assert cache.get("a") == (whole if kept else None)
    assert (tmp_path / "a-cache").exists() == kept
    assert cache.get("b") == b"another compression"
    assert cache.get("c") is None


def test_a_damaged_entry_is_dropped(tmp_path: Path) -> None:
    entry = bytearray(zlib.compress(os.urandom(1_000)))
    entry[500:520] = bytes(20)
    (tmp_path / "a-cache").write_bytes(entry)
    assert FileCache(tmp_path).get("a") is None
    assert not (tmp_path / "a-cache").exists()


def test_an_entry_gets_its_name_when_it_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, value, seen = FileCache(tmp_path / "new"), zlib.compress(b"program" * 1_000), []

    def replace(self: Path, target: Path) -> None:
        seen.append((self.read_bytes(), target.exists()))
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", replace)
        cache.put("a", value)
    assert seen == [(value, False)]
    assert not list((tmp_path / "new").iterdir())
    cache.put("a", value)
    assert cache.get("a") == value and [path.name for path in (tmp_path / "new").iterdir()] == ["a-cache"]


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "jax-1")
    for age, key in enumerate("abc"):
        cache.put(key, zlib.compress(key.encode() * 100))
        os.utime(tmp_path / f"jax-1/{key}-cache", (age, age))
    size = (tmp_path / "jax-1/a-cache").stat().st_size
    others = [tmp_path / "thesis.tex", tmp_path / "jax-notes/thesis.tex", tmp_path / "project/jax-1/a-cache"]
    for other in others:  # files of the user, in a folder that is not ours alone
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_bytes(b"x" * 10 * size)
        os.utime(other, (0, 0))
    cache.get("a")
    compile_cache.shrink(tmp_path, 3 * size)
    assert len(list(tmp_path.glob("jax-1/*-cache"))) == 3
    compile_cache.shrink(tmp_path, 2 * size)
    assert {path.name for path in tmp_path.glob("jax-1/*-cache")} == {"a-cache", "c-cache"}
    assert all(other.exists() for other in others)
