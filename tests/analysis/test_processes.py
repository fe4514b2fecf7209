"""Where no other process can be started, one does all, and says why."""

import errno
import multiprocessing.synchronize
import os
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.data.sources import runfolder
from analysis.figures import index
from analysis.processes import pool
from tests.analysis.figures.test_index import line, picture

ROOT = Path(__file__).resolve().parents[2]
#: Draws a figure, in another process if that can be.
DRAW = """
import sys
from functools import partial
from pathlib import Path
from analysis.figures import index
from tests.analysis.figures.test_index import line, picture
with index.drawn([picture("p", partial(line, 1))], Path(sys.argv[1])) as show:
    show(picture("p", partial(line, 1)))
"""


@pytest.fixture(params=[OSError(errno.ENOSYS, "Function not implemented"), PermissionError(13, "/dev/shm")], ids=str)
def no_semaphores(request, monkeypatch: pytest.MonkeyPatch) -> None:
    """/dev/shm is not there, or cannot be written."""

    def refuse(*_):
        raise request.param

    monkeypatch.setattr(multiprocessing.synchronize._multiprocessing, "SemLock", refuse)


def test_a_long_folder_for_temporary_files_is_no_reason_to_draw_nothing(tmp_path: Path) -> None:
    """Its sockets' paths would be longer than the system allows."""
    long = tmp_path / ("x" * 130)
    long.mkdir()
    environment = {**os.environ, "TMPDIR": str(long)}
    done = subprocess.run(
        [sys.executable, "-c", DRAW, str(tmp_path)], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "p.pdf").exists()
    assert "one process" in done.stderr and "AF_UNIX path too long" in done.stderr
    assert "Traceback" not in done.stderr


def test_figures_are_drawn_without_semaphores(no_semaphores, tmp_path: Path, caplog) -> None:
    pictures = [picture(f"p{height}", lambda height=height: line(height)) for height in (1, 2)]
    with index.drawn(pictures, tmp_path) as show:
        assert all("<figure" in show(one) or "img" in show(one) for one in pictures)
    assert {path.name for path in tmp_path.glob("*.pdf")} == {"p1.pdf", "p2.pdf"}
    assert "one process does all" in caplog.text


def test_runs_are_read_without_semaphores(no_semaphores, run, monkeypatch, caplog) -> None:
    monkeypatch.setattr(runfolder, "MANY", 2)
    folders = [run(seed=seed) for seed in (0, 1, 2)]
    runs, _ = runfolder.load(folders[0].parent, processes=2)
    assert len(runs) == 3
    assert "one process does all" in caplog.text


def test_the_cause_is_named_once_and_where_there_is_none_there_is_a_pool(caplog) -> None:
    with pool(1) as others:
        assert others is not None and others.submit(abs, -1).result() == 1
    assert not caplog.text
