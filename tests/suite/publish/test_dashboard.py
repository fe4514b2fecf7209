"""W&B workspaces as code: what would be saved, and that W&B's own package takes it."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from suite.publish import dashboard, workspaces
from suite.publish.upload import IDENTITY
from suite.record.schema import ROWS
from tests.support import toy_runs
from tests.support.wandb_server import Server


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for number, task in enumerate(("atari/Pong", "atari/Boxing", "atari/Pong")):
        toy_runs.begin(tmp_path / "runs" / str(number), "disabled", task=task)
    return tmp_path / "runs"


def test_a_view_a_task_is_saved(server: Server, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dashboard.main([str(runs)]) == 0
    assert [view["displayName"] for view in server.store.views.values()] == ["atari/Boxing", "atari/Pong"]
    assert capsys.readouterr().out.count("/local/eaudeqn") == 2
    for view in server.store.views.values():
        assert (view["entityName"], view["projectName"]) == ("local", "eaudeqn")
        shown = json.loads(view["spec"])["section"]
        (runset,) = shown["runSets"]
        assert view["displayName"] in json.dumps(runset["filters"])
        assert runset["grouping"] == [{"section": "config", "name": "group.value"}]
        panels = {section["name"]: section["panels"] for section in shown["panelBankConfig"]["sections"]}
        curves = panels["Learning"] + panels["Sparsity"]
        assert {(curve["config"]["xAxis"], curve["config"]["groupBy"]) for curve in curves} == {
            ("agent_step", "group.value")
        }
        kinds = {panel["viewType"] for section in panels.values() for panel in section}
        assert {"Run History Line Plot", "Scatter Plot", "Run Comparer", "Media Browser"} <= kinds
        assert all(panels.values())


def test_they_are_the_teams_that_the_environment_names(
    server: Server, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_ENTITY", "team")
    assert dashboard.main([str(runs)]) == 0
    assert {view["entityName"] for view in server.store.views.values()} == {"team"}


@pytest.mark.parametrize(("arguments", "place"), [([], ("team", "mine")), (["--project", "other"], ("local", "other"))])
def test_they_are_where_the_runs_are(
    arguments: list[str], place: tuple[str, str], server: Server, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (runs / "1" / IDENTITY).write_text('{"id": "a", "project": "mine", "entity": "team", "url": "https://wandb.test"}')
    (runs / "2" / IDENTITY).touch()  # not sent yet
    assert dashboard.main([str(runs), *arguments]) == 0
    assert [(view["entityName"], view["projectName"]) for view in server.store.views.values()] == [place] * 2


def test_a_second_call_updates_them(server: Server, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dashboard.main([str(runs)]) == 0
    first, urls = dict(server.store.views), capsys.readouterr().out
    for view in server.store.views:
        server.store.views[view] = {**first[view], "displayName": "changed by hand"}
    assert dashboard.main([str(runs)]) == 0
    assert capsys.readouterr().out == urls
    without_ids = {view: {k: v for k, v in saved.items() if k not in ("id", "spec")} for view, saved in first.items()}
    assert without_ids == {
        view: {k: v for k, v in saved.items() if k not in ("id", "spec")} for view, saved in server.store.views.items()
    }


def test_charts_are_of_columns_that_there_are() -> None:
    view = workspaces.workspace("me", "mine", "atari/Pong", {})._to_model()
    named: set[str] = set()
    for section in view.spec.section.panel_bank_config.sections:
        for panel in section.panels:
            config = panel.config.model_dump(by_alias=True)
            patterns = [config.get("metricRegex"), config.get("xAxis"), config.get("yAxis")]
            named |= {*(config.get("metrics") or []), *filter(None, patterns)}
    ours = {name.removeprefix("summary:") for name in named if not name.startswith("system/")} - {"agent_step"}
    assert len(ours) > 8
    for name in ours:
        kind, column = name.split("/")[:2]
        assert column.replace("(actor_)?", "") in ROWS[kind], name


def test_without_an_account_it_says_what_there_is(
    no_account: None, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dashboard.main([str(runs)]) == 0
    said = capsys.readouterr().out
    assert "leet" in said and f"-m analysis.report --runs {runs}\n" in said


def test_without_an_account_a_terminal_shows_the_newest_run(no_account: None, tmp_path: Path) -> None:
    for name in ("old", "new"):
        toy_runs.whole(tmp_path / "runs" / name, name=name)
    toy_runs.whole(tmp_path / "runs" / "without", "disabled", name="without")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 120))
    command = [sys.executable, "-m", "suite.publish.dashboard", str(tmp_path / "runs")]
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    shown = subprocess.Popen(command, env={**os.environ, "TERM": "xterm-256color"}, start_new_session=True, **streams)
    os.close(theirs)
    try:
        seen, deadline = b"", time.monotonic() + 300
        while not (b"analysis.report" in seen and b"epoch/return" in seen) and time.monotonic() < deadline:
            if select.select([ours], [], [], 0.5)[0]:
                seen += os.read(ours, 65_536)
        assert b"analysis.report" in seen and b"epoch/return" in seen, seen[-2_000:]
        arguments = Path(f"/proc/{shown.pid}/cmdline").read_bytes().split(b"\0")
        assert os.fsencode(tmp_path / "runs" / "new" / "wandb") in arguments
    finally:
        os.killpg(shown.pid, signal.SIGKILL)  # leet is a child of W&B's command
        shown.wait()
        os.close(ours)


def test_trouble_is_one_line(server: Server, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dashboard.main([str(runs / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
