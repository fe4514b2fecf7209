"""The notebook runs from its first cell to its last, without Jupyter, in a process and a folder of its own."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOUR = ROOT / "examples/tour.ipynb"
TIMEOUT = 1800  # seconds, for a busy machine


def run(notebook: Path, folder: Path, *cells: str) -> "subprocess.CompletedProcess[str]":
    """Run all cells of a notebook, or the first ones, in a folder that is not the project's."""
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.support.notebook", str(notebook), *cells]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT)


def test_it_is_a_notebook_without_outputs() -> None:
    notebook = json.loads(TOUR.read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids) and all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in ids)
    for cell in notebook["cells"]:
        assert all(isinstance(line, str) for line in cell["source"])
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
        else:
            assert cell["cell_type"] == "markdown" and cell.keys() == {"cell_type", "id", "metadata", "source"}


def test_its_imports_are_there(tmp_path: Path) -> None:
    done = run(TOUR, tmp_path, "1")
    assert done.returncode == 0, done.stderr


def test_a_cell_that_fails_is_found(tmp_path: Path) -> None:
    sources = [["x = 1\n", "x"], ["y = x / 0"], ["x + 2"]]
    cells = [{"cell_type": "code", "id": f"cell-{i}", "source": source} for i, source in enumerate(sources)]
    notebook = tmp_path / "broken.ipynb"
    notebook.write_text(json.dumps({"cells": cells}))
    done = run(notebook, tmp_path)
    assert done.returncode == 1 and done.stdout == "1\n" and 'File "cell-1", line 1' in done.stderr


def test_all_cells_run(tmp_path: Path) -> None:
    done = run(TOUR, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"^tour-\d\d: a picture of \d{4,} bytes$", done.stdout, re.M)) == 2
    (kept, elections) = re.findall(r"Index 0 won (\d+) of (\d+) elections", done.stdout)[0]
    assert 0 < int(kept) < int(elections)
    (report,) = tmp_path.glob("tour-*/report")
    assert (report / "report.html").stat().st_size > 100_000
    table = (report / "comparison.md").read_text()
    assert table in done.stdout and all(method in table for method in ("dense", "gmp", "eaudeqn"))
