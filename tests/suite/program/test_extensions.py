"""`--import`: modules of a user's own, in this process and in those that it starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from suite.errors import Parser, UserError
from suite.program import extensions
from tests.support.sweeps import TINY, sweep_file

ROOT = Path(__file__).resolve().parents[3]
MODULE = """
from baselines.dense import dense
from baselines.registry import Dense, Method, register
register("my_dense", Method(dense, Dense))
"""


@pytest.mark.parametrize("name", ["no_such_module_at_all", "my-module.py", ".relative", "os.nothing", "a b"])
def test_what_cannot_be_imported_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(extensions.VARIABLE, "")
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(UserError, match="--import="):
        extensions.load([name])


def test_every_module_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ext_a", "ext_b", "ext_c", "ext_d"):
        (tmp_path / f"{name}.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(extensions.VARIABLE, "ext_a")
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(sys, "path", list(sys.path))
    parser = Parser()
    extensions.add_option(parser)
    extensions.load(parser.parse_args(["--import", "ext_b,ext_c", "--import=ext_d"]).modules)
    assert os.environ[extensions.VARIABLE] == "ext_a,ext_b,ext_c,ext_d"
    assert {"ext_a", "ext_b", "ext_c", "ext_d"} <= sys.modules.keys()


def test_a_folder_that_pythonpath_cannot_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a:b").mkdir()
    monkeypatch.chdir(tmp_path / "a:b")
    monkeypatch.setenv("PYTHONPATH", "")
    with pytest.raises(UserError, match="a:b"):
        extensions.load(["json"])


def test_a_sweep_in_another_folder_has_the_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers run elsewhere, and import the module of the folder where the sweep was launched."""
    (tmp_path / "my_methods.py").write_text(MODULE)
    (tmp_path / "mine.yaml").write_text(sweep_file({**TINY, "method": "my_dense"}))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for program, outcome in (("launch", "finished"), ("status", "finished")):
        command = [sys.executable, "-m", f"sweeps.{program}", "mine.yaml", "--import=my_methods"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0 and outcome in done.stdout, done.stdout + done.stderr
    done = subprocess.run(command[:-1], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and "my_dense" in done.stderr and done.stderr.count("\n") == 1
