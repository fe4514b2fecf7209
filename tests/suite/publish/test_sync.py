"""`make sync`: W&B has each row of a record once, whatever it had before."""

import subprocess
import sys
from pathlib import Path

import pytest

from suite.publish import sync
from suite.publish.upload import IDENTITY, identity_of, sole_sender
from suite.record import schema
from tests.support import toy_runs
from tests.support.toy_runs import ROWS, SILENT
from tests.support.wandb_server import Server, without_account


def call(server: Server, home: Path, *places: Path, account: bool = True) -> subprocess.CompletedProcess[str]:
    environment = server.environment(home) if account else without_account(home)
    command = [sys.executable, "-m", "suite.publish.sync", *map(str, places)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)


def steps(run: dict) -> list[int]:
    return [row["_step"] for row in run["history"]]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """One that was resumed twice, one that failed, one that was stopped: W&B has seen nothing of them."""
    folder = tmp_path / "runs" / "resumed"
    for first, last, how in ((0, 9, SILENT), (7, 16, schema.RESUMABLE), (14, None, 0)):
        toy_runs.part(folder, last, how, "disabled", first, name="resumed")
    for name, last, how in (("broken", 12, 1), ("stopped", 5, schema.RESUMABLE)):
        toy_runs.part(tmp_path / "runs" / name, last, how, "disabled", name=name)
    return tmp_path / "runs"


def test_runs_are_sent_from_their_records_and_once(server: Server, tmp_path: Path, runs: Path) -> None:
    first = call(server, tmp_path / "home", runs)
    assert first.returncode == 0, first.stderr
    sent = {run["displayName"]: run for run in server.runs.values()}
    assert {name: run["state"] for name, run in sent.items()} == {
        "resumed": "finished",
        "broken": "failed",
        "stopped": "preempted",
    }
    for name, run in sent.items():
        count = len((runs / name / schema.METRICS).read_text().splitlines())
        assert steps(run) == list(range(count))
        assert f"{name}: sent, {count} of {count} rows" in first.stdout
    (artifact,) = server.store.artifacts.values()
    assert schema.POLICY in artifact["files"]
    changes = {name: server.store.calls[name] for name in ("UpsertBucket", "CreateArtifact", "CreateRunFiles")}
    second = call(server, tmp_path / "home", runs)
    assert second.returncode == 0, second.stderr
    assert second.stdout.count("was complete on W&B") == 3
    assert {name: server.store.calls[name] for name in changes} == changes


def test_what_was_sent_by_the_run_itself_is_completed(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "run"
    toy_runs.part(folder, 9, SILENT)
    toy_runs.part(folder, None, mode="disabled", first=7)
    done = call(server, tmp_path / "home", folder)  # a run folder itself
    assert (done.returncode, len(server.runs)) == (0, 1)
    assert f"sent, {ROWS - 9} of {ROWS} rows" in done.stdout
    (run,) = server.runs.values()
    assert (steps(run), run["state"]) == (list(range(ROWS)), "finished")


def test_a_teams_run_is_looked_for_where_it_was_sent(
    server: Server, tmp_path: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_ENTITY", "team")
    folder = runs / "resumed"
    assert sync.main([str(folder)]) == 0
    assert {run["entity"] for run in server.runs.values()} == {"team"}
    (folder / IDENTITY).unlink()  # as on another machine
    with sole_sender(folder) as file:
        assert sync.remote(identity_of(file, "resumed")).lastHistoryStep + 1 == len(
            schema.read_rows(folder / schema.METRICS)
        )


@pytest.mark.parametrize(
    ("ours", "where"), [({}, ("team", "mine")), ({"WANDB_ENTITY": "", "WANDB_PROJECT": "other"}, ("team", "other"))]
)
def test_an_offline_run_is_sent_where_its_sweep_file_says(
    ours: dict[str, str], where: tuple[str, str], server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as launched:
        launched.setenv("WANDB_ENTITY", "team")
        launched.setenv("WANDB_PROJECT", "mine")
        toy_runs.part(tmp_path / "run", 9, SILENT, "offline")
    toy_runs.part(tmp_path / "run", None, mode="offline", first=7)  # by its folder alone
    for name in ours:
        monkeypatch.setenv(name, ours[name])
    assert sync.main([str(tmp_path / "run")]) == 0
    (run,) = server.runs.values()
    assert (run["entity"], run["project"]) == where


def test_a_run_that_sends_itself_is_left_to_it(server: Server, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sole_sender(runs / "broken"):
        assert sync.main([str(runs / "broken")]) == 1
    assert "is being sent to W&B by another process" in capsys.readouterr().out
    assert server.runs == {}


def test_without_a_key_one_line_says_so(server: Server, tmp_path: Path, runs: Path) -> None:
    done = call(server, tmp_path / "nobody", runs, account=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "no key for W&B is known here" in done.stderr


def test_a_server_that_is_ill_is_waited_for_once(
    server: Server, runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sync, "PATIENCE", 1)
    server.fault = "silent"
    assert sync.main([str(runs)]) == 1
    said = capsys.readouterr()
    assert "not sent" not in said.out
    assert "W&B does not answer, or refuses (" in said.err and "3 of 3 runs were not sent" in said.err


def test_a_run_that_w_and_b_does_not_take_is_a_line_and_the_others_are_sent(
    server: Server, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sole_sender(runs / "resumed"):  # as while the run itself is sending
        assert sync.main([str(runs)]) == 1
    said = capsys.readouterr()
    assert "resumed: not sent (" in said.out and said.out.count(": sent, ") == 2
    assert "does not answer" not in said.err and "1 of 3 runs were not sent" in said.err


def test_a_folder_without_a_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sync.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path}: holds no run (a folder with a config.json)\n"


def test_other_versions_are_named(tmp_path: Path) -> None:
    assert sync._other_versions({"jax": "1", "numpy": "2"}, {"jax": "1", "numpy": "2"}) == ""
    assert "jax" in sync._other_versions({"jax": "1"}, {"jax": "2"})
    assert "settings" in sync._other_versions({"jax": "1", "settings": "XLA_FLAGS=-"}, {"jax": "1"})
    assert "cores" in sync._other_versions({"jax": "1", "cores": "1"}, {"jax": "1", "cores": "2"})
    assert sync._other_versions({"jax": "1"}, {"jax": "1", "cores": "2"}) == ""  # not known of earlier records
