"""W&B's copy of a run: the real client, from the record, against a stand-in for the server that may be ill."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from suite.errors import UserError
from suite.publish import follow
from suite.publish.upload import IDENTITY, PROJECT, WAIT, identity_of, patience, sole_sender, wandb_metrics
from suite.record import reader, schema
from suite.tracking import tracker
from tests.support import toy_runs
from tests.support.local import until
from tests.support.toy_runs import ROWS, SILENT
from tests.support.wandb_server import KEY, Server


def rows_of(run: dict) -> list[dict]:
    """A run's rows on the server, without what W&B adds."""
    return [{key: value for key, value in row.items() if not key.startswith("_")} for row in run["history"]]


def the_run(server: Server) -> dict:
    (run,) = server.runs.values()
    return run


def check_complete(run: dict, folder: Path) -> None:
    """Each row of the record is there once, in its place."""
    rows = schema.read_rows(folder / schema.METRICS)
    assert [row["_step"] for row in run["history"]] == list(range(len(rows))) == list(range(ROWS))
    for ours, theirs in zip(rows, rows_of(run), strict=True):
        if ours["kind"] == "weights":
            bars = theirs["weights/a/kernel"]
            assert (bars["values"], bars["bins"]) == (ours["layers"]["a/kernel"]["counts"], [-1, -0.5, 0, 0.5, 1])
        else:
            assert theirs == pytest.approx(wandb_metrics(ours))


def test_a_run_is_told_as_it_goes_on(server: Server, tmp_path: Path) -> None:
    folder = toy_runs.whole(tmp_path / "run")
    run = the_run(server)
    check_complete(run, folder)
    assert (run["state"], run["exitcode"]) == ("finished", 0)
    named = {"displayName": toy_runs.CONFIG["name"], "groupName": toy_runs.CONFIG["group"]}
    named |= {"project": "eaudeqn", "jobType": "gmp"}
    assert {key: run[key] for key in named} == named
    assert run["tags"] == ["atari/Pong", "gmp", "seed0"]
    config = schema.read_json(folder / schema.CONFIG)
    assert {key: part["value"] for key, part in run["config"].items() if key != "_wandb"} == config
    assert run["summary"]["epoch/return"] == 4.5 and run["summary"]["costs"]["policy"]["kept"] == 4
    agent_step, others = run["config"]["_wandb"]["value"]["m"]  # the axes: 1 a name, 2 a pattern, 5 the axis' number
    assert (agent_step["1"], others["2"], others["5"]) == ("agent_step", "*", 1)
    (artifact,) = server.store.artifacts.values()
    assert (artifact["type"], artifact["state"]) == ("policy", "COMMITTED")
    assert set(artifact["files"]) == {schema.POLICY, schema.POLICY_CARD, schema.COSTS}
    uploaded = server.store.files[artifact["files"][schema.POLICY]]
    assert uploaded == (folder / schema.POLICY).read_bytes()
    assert server.store.unknown == []


ENDS = {"killed": (SILENT, "failed"), "asked": (schema.RESUMABLE, "preempted"), "error": (1, "failed")}


@pytest.mark.parametrize("how, state", ENDS.values(), ids=ENDS)
def test_a_run_that_goes_on_has_each_row_once(server: Server, tmp_path: Path, how: int, state: str) -> None:
    """It was stopped behind row 15, and goes on from a checkpoint at row 10."""
    toy_runs.part(tmp_path, 15, how)
    run = the_run(server)
    assert (len(run["history"]), run["state"], run["exitcode"]) == (15, state, how)
    toy_runs.part(tmp_path, None, first=10)
    check_complete(the_run(server), tmp_path)
    assert the_run(server)["state"] == "finished"


def test_without_an_account_the_offline_files_are_those_of_one_run(no_account: None, tmp_path: Path) -> None:
    toy_runs.part(tmp_path, 15, SILENT)
    toy_runs.part(tmp_path, None, first=10)
    (file,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.count('"type":"history"') == ROWS
    policy = (tmp_path / schema.POLICY).read_bytes()
    assert not [path for path in tmp_path.glob("wandb/**/*") if path.is_file() and path.read_bytes() == policy]


@pytest.mark.parametrize("fault", ["error", "silent", "gone"])
def test_a_server_that_is_ill_changes_nothing(
    fault: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(WAIT, "2")
    server.fault = fault
    folder = toy_runs.whole(tmp_path / "ill")
    assert f"`make sync RUNS={folder}` sends it" in caplog.text
    alone = toy_runs.whole(tmp_path / "alone", mode="disabled")
    for name in (schema.CONFIG, schema.METRICS, schema.POLICY, schema.COSTS):
        assert (folder / name).read_bytes() == (alone / name).read_bytes(), name
    assert reader.is_finished(folder)


def test_a_server_that_is_gone_for_a_while_gets_everything(server: Server, tmp_path: Path) -> None:
    with server.ill("gone"):
        tracker = toy_runs.begin(tmp_path)
        toy_runs.write(tracker, slice(5))
        until(lambda: server.refused)
    until_open(tmp_path)
    with server.ill("error"):
        toy_runs.write(tracker, slice(5, 15))
    toy_runs.write(tracker, slice(15, None))
    toy_runs.end(tracker)
    check_complete(the_run(server), tmp_path)


def clients(follower: int) -> list[int]:
    """The process ids of W&B's client below a follower."""
    told = subprocess.run(["pgrep", "-P", str(follower)], capture_output=True, text=True, check=True)
    return [int(line) for line in told.stdout.split()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2], ids=lambda number: number.name)
def test_a_scheduler_that_signals_everybody_leaves_a_preempted_run(number: int, server: Server, tmp_path: Path) -> None:
    """The follower and W&B's client under it, and not the run alone."""
    tracker = toy_runs.begin(tmp_path)
    toy_runs.write(tracker, slice(5))
    until_open(tmp_path)
    assert tracker.wandb.process
    for process in [*clients(tracker.wandb.process.pid), tracker.wandb.process.pid]:
        os.kill(process, number)
    toy_runs.write(tracker, slice(5, 15))
    toy_runs.end(tracker, schema.RESUMABLE)
    assert tracker.wandb.process.returncode == 0
    run = the_run(server)
    assert [row["_step"] for row in run["history"]] == list(range(15))
    assert (run["state"], run["exitcode"]) == ("preempted", schema.RESUMABLE)


def test_a_client_that_dies_while_the_run_goes_on_is_replaced(server: Server, tmp_path: Path) -> None:
    tracker = toy_runs.begin(tmp_path)
    toy_runs.write(tracker, slice(5))
    until_open(tmp_path)
    assert tracker.wandb.process
    for process in clients(tracker.wandb.process.pid):
        os.kill(process, signal.SIGKILL)
    toy_runs.write(tracker, slice(5, None))
    time.sleep(2 * follow.TICK)  # for it to notice
    toy_runs.end(tracker)
    check_complete(the_run(server), tmp_path)
    assert the_run(server)["state"] == "finished"


def test_a_client_that_dies_is_told_of_and_no_more(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = toy_runs.begin(tmp_path)
    toy_runs.write(tracker, slice(5))
    assert tracker.wandb.process
    tracker.wandb.process.kill()
    toy_runs.write(tracker, slice(5, None))
    toy_runs.end(tracker)
    assert "was killed" in caplog.text
    assert reader.is_finished(tmp_path)


LATER = {"another sweep": {"WANDB_SWEEP_ID": "another", "WANDB_RUN_ID": "cell8"}, "no sweep": {}}


@pytest.mark.parametrize("later", LATER.values(), ids=LATER)
def test_a_sweep_knows_the_run_by_the_id_that_it_gave(
    later: dict[str, str], server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"WANDB_SWEEP_ID": "one", "WANDB_RUN_ID": "cell7", "WANDB_PROJECT": "mine"}.items():
        monkeypatch.setenv(name, value)
    toy_runs.part(tmp_path, 15, schema.RESUMABLE)
    assert {name: run["state"] for name, run in server.runs.items()} == {"cell7": "preempted"}
    for name in ("WANDB_SWEEP_ID", "WANDB_RUN_ID", "WANDB_PROJECT"):
        monkeypatch.delenv(name)
    for name in later:  # by another engine, or another sweep
        monkeypatch.setenv(name, later[name])
    toy_runs.part(tmp_path, None, first=10)
    check_complete(the_run(server), tmp_path)
    assert {name: run["state"] for name, run in server.runs.items()} == {"cell7": "finished"}
    assert the_run(server)["project"] == "mine"


def test_without_a_sweep_each_run_has_its_own_id(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "exported")
    toy_runs.whole(tmp_path)
    assert len(server.runs) == 1 and "exported" not in server.runs


def test_the_id_follows_from_the_name(tmp_path: Path) -> None:
    with sole_sender(tmp_path) as file:
        first, again, other = (identity_of(file, name).id for name in ("a", "a", "b"))
        assert first == again != other
        with pytest.raises(UserError, match="is being sent to W&B"), sole_sender(tmp_path):
            pass


@pytest.mark.parametrize(
    "variable, mode, meant",
    [
        ("offline", "auto", "offline"),
        ("disabled", "auto", "disabled"),
        ("dryrun", "auto", "offline"),
        ("run", "auto", "online"),
        ("", "auto", "auto"),
        (None, "auto", "auto"),
        ("offline", "online", "online"),
        ("bogus", "online", "online"),
    ],
)
def test_auto_is_what_wandbs_own_variable_says(
    variable: str | None, mode: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    if variable is not None:
        monkeypatch.setenv("WANDB_MODE", variable)
    assert tracker.wandb_mode_of(mode) == meant


@pytest.mark.parametrize("variable", ["", "run", "dryrun"])
def test_whatever_the_variable_is_there_is_a_copy(
    variable: str, no_account: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", variable)
    monkeypatch.setenv("WANDB_API_KEY", KEY if variable == "run" else "")
    with Server() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        toy_runs.whole(tmp_path)
        assert len(server.runs) == (variable == "run")
    assert len(list(tmp_path.glob("wandb/*run-*/run-*.wandb"))) == 1


@pytest.mark.parametrize(
    "variable, key, address",
    [("", KEY, ""), ("disabled", KEY, ""), ("offline", "", ""), ("dryrun", KEY, ""), ("", KEY, "no address")],
)
def test_a_key_is_known_whatever_the_variable_is(
    variable: str, key: str, address: str, no_account: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", variable)
    monkeypatch.setenv("WANDB_API_KEY", key)
    if address:
        monkeypatch.setenv("WANDB_BASE_URL", address)
    check = "from suite.publish.upload import has_key; print(has_key())"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(bool(key)), done.stderr
    assert done.stderr == ""  # nobody was asked whose key it is


@pytest.mark.parametrize("text, seconds", [("2.5", 2.5), ("300", 300.0), ("", 60.0), ("0", 0.0)])
def test_how_long_a_run_waits_at_its_end(text: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WAIT, text)
    assert patience() == seconds


@pytest.mark.parametrize("text", ["5m", "-1", "nan", "inf", "1e300"])
def test_a_wait_that_is_no_number_of_seconds(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WAIT, text)
    with pytest.raises(UserError, match=f"{WAIT}={text}: should be a number of seconds"):
        patience()


def until_open(folder: Path) -> None:
    """Wait until the follower has opened the run; W&B's client sends its rows 15 seconds later."""
    until(lambda: (folder / IDENTITY).exists() and (folder / IDENTITY).read_text())


def test_an_empty_project_is_the_usual_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "")
    with sole_sender(tmp_path) as file:
        assert identity_of(file, "a").project == PROJECT
