"""What W&B, HOME or the file system refuses: a run is sent nevertheless, or one line says at once why not."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from suite.publish import sync
from suite.publish.upload import IDENTITY, MOST_CHARACTERS, shortened, sole_sender
from suite.record import schema
from tests.support import toy_runs
from tests.support.toy_runs import ROWS
from tests.support.wandb_server import Handler, Server
from tests.support.wandb_store import Refusal


def rows(run: dict) -> int:
    return len(run["history"])


def delete(server: Server, name: str) -> None:
    """As by hand, on the run's page."""
    del server.runs[name]
    server.store.deleted.add(name)


@pytest.fixture(autouse=True)
def quick(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is to come long before W&B's client would give up. It repeats a request once, after 2 seconds; by
    default that takes 20 seconds."""
    monkeypatch.setattr(sync, "PATIENCE", 600)
    monkeypatch.setitem(sync.FEW_RETRIES, "x_graphql_retry_max", 1)
    monkeypatch.setenv("WANDB__GRAPHQL_RETRY_MAX", "1")


# A run that was deleted on W&B ----------


def test_a_deleted_run_is_sent_again_with_a_new_id(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = toy_runs.whole(tmp_path / "run", "disabled")
    for _ in range(2):  # and again, when that one is deleted, too
        assert sync.main([str(folder)]) == 0
        (name,) = server.runs
        delete(server, name)
        capfd.readouterr()
    assert sync.main([str(folder)]) == 0
    ((new, run),) = server.runs.items()
    assert new not in server.store.deleted
    assert (rows(run), run["state"]) == (ROWS, "finished")
    assert schema.read_json(folder / IDENTITY)["id"] == new
    assert capfd.readouterr().out.count(f"new id {new}") == 1
    assert sync.main([str(folder)]) == 0
    assert list(server.runs) == [new]
    said = capfd.readouterr().out
    assert "was complete on W&B" in said and "new id" not in said


def test_the_run_itself_takes_a_new_id(server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = toy_runs.whole(tmp_path / "run")
    (name,) = server.runs
    delete(server, name)
    toy_runs.whole(folder)  # trained again
    ((new, run),) = server.runs.items()
    assert new != name
    assert (rows(run), run["state"]) == (ROWS, "finished")
    assert schema.read_json(folder / IDENTITY)["id"] == new
    assert f"new id {new}" in capfd.readouterr().err


def test_a_deleted_run_of_a_sweep_takes_a_new_id(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.store.deleted.add("cell7")
    for name, value in {"WANDB_SWEEP_ID": "one", "WANDB_RUN_ID": "cell7", "WANDB_PROJECT": "mine"}.items():
        monkeypatch.setenv(name, value)
    folder = toy_runs.whole(tmp_path / "run")
    ((new, run),) = server.runs.items()
    assert (rows(run), run["project"]) == (ROWS, "mine")
    assert schema.read_json(folder / IDENTITY)["id"] == new != "cell7"


# A server that refuses ----------


@pytest.mark.parametrize("code", [400, 403, 409, 422, 429, 500])
def test_a_refusal_is_told_at_once(
    code: int, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        toy_runs.whole(tmp_path / name, "disabled", name=name)
    server.store.refusal = Refusal(code, "the quota of this project")
    assert sync.main([str(tmp_path)]) == 1
    assert server.store.calls["UpsertBucket"] <= 4  # two runs, each refused at most twice
    said = capfd.readouterr()
    for name in ("a", "b"):
        (line,) = [line for line in said.out.splitlines() if line.startswith(f"{name}: ")]
        assert "not sent" in line and "the quota of this project" in line
    assert "2 of 2 runs were not sent" in said.err
    server.store.refusal = None
    assert sync.main([str(tmp_path)]) == 0
    assert len(server.runs) == 2


def test_a_run_that_w_and_b_does_not_take_in_time_is_not_sent(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = toy_runs.whole(tmp_path / "run", "disabled")
    with monkeypatch.context() as patched:
        patched.setattr(sync, "LONGEST_SEND", 2)
        patched.setattr(Handler, "_stream", lambda handler, body: handler.server_of.ended.wait(30) or {})
        assert sync.main([str(folder)]) == 1
    said = capfd.readouterr()
    assert "run: not sent" in said.out and "1 of 1 runs were not sent" in said.err
    assert sync.main([str(folder)]) == 0
    (run,) = server.runs.values()
    assert (rows(run), run["state"]) == (ROWS, "finished")


# HOME ----------


@pytest.mark.parametrize("home", ["read-only", "missing", "unset"])
def test_the_policy_is_sent_whatever_home_is(home: str, server: Server, tmp_path: Path) -> None:
    folder = toy_runs.whole(tmp_path / "run", "disabled")
    environment = {key: value for key, value in server.environment(tmp_path).items() if not key.endswith("_DIR")}
    (tmp_path / "file").write_text("")  # no folder can be made in a file, not even by root
    environment["HOME"] = {"read-only": str(tmp_path / "file"), "missing": str(tmp_path / "none")}.get(home, "")
    if home == "unset":
        del environment["HOME"]
    environment |= {key: value for key, value in os.environ.items() if key.startswith("JAX_")}
    command = [sys.executable, "-m", "suite.publish.sync", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    (artifact,) = server.store.artifacts.values()
    assert artifact["state"] == "COMMITTED" and schema.POLICY in artifact["files"]
    assert not (tmp_path / "none" / ".local").exists()


@pytest.mark.parametrize("lost", ["never sent", "not committed"])
def test_a_policy_that_w_and_b_lacks_is_sent_later(
    lost: str, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = toy_runs.whole(tmp_path / "run")
    (artifact,) = server.store.artifacts.values()
    if lost == "never sent":
        server.store.artifacts.clear()
    else:
        artifact["state"] = "PENDING"
    assert sync.main([str(folder)]) == 0
    (artifact,) = server.store.artifacts.values()
    assert artifact["state"] == "COMMITTED" and schema.POLICY in artifact["files"]
    (run,) = server.runs.values()
    assert (rows(run), run["state"]) == (ROWS, "finished")
    assert "was complete on W&B" not in capsys.readouterr().out
    assert sync.main([str(folder)]) == 0
    assert "was complete on W&B" in capsys.readouterr().out


# Names ----------


@pytest.mark.parametrize(
    "method",
    [
        "gmp:final_sparsity=0.9876543,start=0.123456789,end=0.987654321,schedule=polynomial",
        "rigl:" + ",".join(f"option{i}=0.123456789" for i in range(20)),
    ],
)
def test_long_names_are_cut(method: str, server: Server, tmp_path: Path) -> None:
    name, group = f"atari-Pong.{method}.seed0.0a1b2c3d", f"atari/Pong {method} 0a1b"
    toy_runs.whole(tmp_path / "run", name=name, group=group, method=method)
    (run,) = server.runs.values()
    assert rows(run) == ROWS
    assert run["jobType"] == method.partition(":")[0]
    assert (run["displayName"], run["groupName"]) == (shortened(name), shortened(group))


@pytest.mark.parametrize("length", [MOST_CHARACTERS, MOST_CHARACTERS + 1, 1000])
def test_cut_names_differ_as_the_whole_ones_do(length: int) -> None:
    names = ["x" * (length - 8) + digest for digest in ("0a1b2c3d", "0a1b2c3e")]
    first, second = map(shortened, names)
    assert first != second
    assert {len(first), len(second)} == {MOST_CHARACTERS}
    assert (first == names[0]) == (length == MOST_CHARACTERS)


# Locks ----------


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP], ids=errno.errorcode.get)
def test_without_file_locks_a_run_is_sent(
    code: int, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = toy_runs.whole(tmp_path / "run", "disabled")

    def flock(file: object, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    with sole_sender(tmp_path):
        pass
    assert sync.main([str(folder)]) == 0
    (run,) = server.runs.values()
    assert rows(run) == ROWS
