"""An engine is a module and one entry: launch and status know it by the protocol alone."""

import ast
from pathlib import Path

import pytest

from suite.errors import UserError
from suite.options import Options
from sweeps import grid, launch, status
from sweeps.engines.base import OK, SOME_FAILED, Plan, Session
from sweeps.engines.cellstate import QUEUED
from sweeps.engines.registry import ENGINES
from sweeps.plan import resolve_all
from tests.support.engines import TinyEngine
from tests.support.sweeps import sweep_file

ROOT = Path(__file__).resolve().parents[3]
SWEEP = sweep_file({"task": "mujoco/Hopper", "method": "dense", "seed": [0, 1]})
PROTOCOL = {"HERE", "OPTIONS", "check", "start", "states"}


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the runs of ./tiny.yaml."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(SWEEP)
    return [run.name for run in resolve_all(grid.read("tiny.yaml"), "tiny.yaml")]


def test_launch_starts_a_new_engine_and_status_asks_it(names, monkeypatch, capsys) -> None:
    engine = TinyEngine(code=OK, known={names[1]: QUEUED})
    monkeypatch.setitem(ENGINES, "tiny", engine)
    launched = launch.main(["tiny.yaml", "--engine=tiny", "--tiny.place=there", "--confirm=yes"])
    assert launched == OK
    (plan,) = engine.plans
    assert [work.name for work in plan.works] == names
    assert "to stop: leave there" in capsys.readouterr().out

    assert status.main(["tiny.yaml"]) == 0
    rows = {line.split()[0]: line.split()[1] for line in capsys.readouterr().out.splitlines()[1:3]}
    assert rows == {names[0]: "waiting", names[1]: "queued"}


def test_how_its_session_ends_is_how_the_launch_ends(names, monkeypatch) -> None:
    monkeypatch.setitem(ENGINES, "tiny", TinyEngine(code=SOME_FAILED))
    assert launch.main(["tiny.yaml", "--engine=tiny", "--confirm=yes"]) == SOME_FAILED


def test_an_engine_that_cannot_run_here_is_not_started(names, monkeypatch, capsys) -> None:
    class Absent(TinyEngine):
        def check(self, options: Options) -> None:
            raise UserError("there is no such cluster here")

        def start(self, plan: Plan, options: Options) -> Session:
            raise AssertionError

    monkeypatch.setitem(ENGINES, "tiny", Absent())
    assert launch.main(["tiny.yaml", "--engine=tiny", "--confirm=yes"]) == 2
    assert capsys.readouterr().err == "error: there is no such cluster here\n"


def test_every_engine_has_the_protocol() -> None:
    for name, engine in ENGINES.items():
        assert all(hasattr(engine, member) for member in PROTOCOL), name
        assert all(field.description for field in engine.OPTIONS.model_fields.values()), name


def test_no_engine_is_named_but_in_the_registry() -> None:
    """In what runs, shows and estimates a grid; engines may share code among themselves."""
    shared = {"sweeps.engines.base", "sweeps.engines.registry", "sweeps.engines.cellstate", "sweeps.engines.watch"}
    shared |= {"sweeps.engines.workers", "sweeps.engines.endings", "sweeps.engines.gpus"}
    for path in (ROOT / "sweeps").rglob("*.py"):
        if path.parent.name == "engines":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("sweeps.engines"):
                inside = {f"sweeps.engines.{alias.name}" for alias in node.names}
                assert (inside if node.module == "sweeps.engines" else {node.module}) <= shared, path
