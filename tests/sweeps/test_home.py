"""`~` is the home folder in every option that names a place, also where no shell has put it in: --folder=~/runs."""

from pathlib import Path

import pytest
import yaml

from analysis import options
from suite.errors import UserError, expanded
from suite.publish import sync
from sweeps import compose, execute, grid, launch, run, status
from sweeps.config import resolve
from sweeps.engines.registry import ENGINES
from tests.support.engines import TinyEngine

PARAMETERS = {"task": {"value": "mujoco/Hopper"}, "method": {"value": "dense"}, "seed": {"value": 0}}
DOCUMENT = {"program": "sweeps/run.py", "command": grid.command("runs/tiny")}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_a_runs_folder_and_its_data_set(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path | None] = []
    monkeypatch.setattr(execute, "execute", lambda a_run, folder, settings, *_: seen.extend([folder, settings.record]))
    arguments = (
        "--task=mujoco/InvertedPendulum --method=dense --seed=0 --wandb=disabled --folder=~/runs --record=~/data"
    )
    assert run.main(arguments.split()) == 0
    assert seen[0] is not None and seen[0].parent == home / "runs"
    assert seen[1] == home / "data"


def test_a_data_set_to_learn_from(home: Path) -> None:
    given = {"task": "offline/Pong", "method": "dense", "seed": "0", "dataset.path": "~/data/{game}"}
    with pytest.raises(UserError, match=f"^{home}/data/Pong"):
        compose.compose(resolve(given))


def test_a_sweep_and_its_folder(home: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    (home / "tiny.yaml").write_text(
        yaml.safe_dump(DOCUMENT | {"name": "tiny", "method": "grid", "parameters": PARAMETERS})
    )
    engine = TinyEngine()
    monkeypatch.setitem(ENGINES, "local", engine)
    assert launch.main(["~/tiny.yaml", "--folder=~/runs", "--confirm=yes"]) == 0
    assert engine.plans[0].folder == home / "runs"
    assert status.main(["~/tiny.yaml", "--folder=~/runs"]) == 0
    assert not (home.parent / "~").exists()


def test_what_is_compared_and_where_the_table_goes(home: Path) -> None:
    given = options.parser("analysis.table", "").parse_args(
        ["--runs=~/a", "--runs=wandb:me/mine", "--out=~/b", "--sweep=~/c", "--references=~/d"]
    )
    assert given.runs == [f"{home}/a", "wandb:me/mine"]
    assert (given.out, given.sweep, given.references) == (home / "b", home / "c", home / "d")


def test_what_is_sent(home: Path, capsys) -> None:
    assert sync.main(["~/none"]) == 2
    assert f"{home}/none" in capsys.readouterr().err


def test_a_user_that_there_is_not_is_a_name_like_any_other() -> None:
    assert expanded("~nobody-of-this-name/runs") == Path("~nobody-of-this-name/runs")
