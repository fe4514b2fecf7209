"""The local engine, with a small script in the place of a training run."""

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from sweeps.engines import local
from sweeps.engines.base import Work
from tests.support.local import SCRIPT


@pytest.fixture
def script(tmp_path) -> Path:
    path = tmp_path / "worker.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def launch(script, tmp_path, monkeypatch):
    """launch(jobs, *does) -> (exit code, what was printed); the cells are run0, run1, ... in tmp_path/runs."""

    monkeypatch.setattr(local, "PAUSE", 0.05)

    def launch(jobs: int, *does: str, terminal: bool = False, tries: int = 1) -> tuple[int, str]:
        works = [Work(f"run{i}", [f"--name=run{i}", f"--do={do}"], 100, 1.0) for i, do in enumerate(does)]
        output = io.StringIO()
        console = Console(file=output, force_terminal=terminal, width=120, height=30)
        command = [sys.executable, str(script)]
        code = local.run(works, tmp_path / "runs", jobs, tries=tries, command=command, console=console)
        return code, output.getvalue()

    return launch
