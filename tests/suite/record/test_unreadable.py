"""A folder that cannot be read, such as lost+found, is named and skipped by all that look for runs in a folder."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from analysis.data import sources
from analysis.data.sources import wandb
from suite.errors import UserError
from suite.publish import sync
from tests.analysis.conftest import write_grid


@pytest.fixture(params=[errno.EACCES, errno.EIO, errno.ESTALE], ids=os.strerror)
def closed(request, monkeypatch: pytest.MonkeyPatch):
    """Makes a folder that cannot be read, also for root: not searched, and for some errors not even looked at."""
    places: list[str] = []

    def guarded(real, inside: bool):
        def call(path=".", *rest, **more):
            text = os.fspath(path) if not isinstance(path, int) else ""
            if any(text.startswith(place + "/" if inside else place) for place in places):
                raise OSError(request.param, os.strerror(request.param), text)
            return real(path, *rest, **more)

        return call

    def put(place: Path) -> Path:
        place.mkdir(parents=True)
        places.append(str(place))
        return place

    monkeypatch.setattr(os, "scandir", guarded(os.scandir, inside=False))
    monkeypatch.setattr(os, "stat", guarded(os.stat, inside=request.param == errno.EACCES))
    return put


def test_runs_beside_it_are_compared(closed, tmp_path: Path) -> None:
    root = write_grid(tmp_path / "runs")
    before, _ = sources.load([str(root)])
    closed(root / "lost+found")
    runs, notes = sources.load([str(root)])
    assert len(runs) == len(before)
    assert [note for note in notes if "lost+found" in note and "cannot be read" in note]


def test_runs_beside_it_are_sent(closed, tmp_path: Path, capsys) -> None:
    root = write_grid(tmp_path / "runs")
    before = sync.find([root])
    closed(root / "lost+found")
    assert sync.find([root]) == before
    assert "lost+found" in capsys.readouterr().err


def test_offline_runs_beside_it_are_read(closed, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "a.wandb").touch()
    closed(tmp_path / "lost+found")
    notes: list[str] = []
    assert [path.name for path in wandb.files_below(tmp_path, notes)] == ["a.wandb"]
    assert len(notes) == 1 and "lost+found" in notes[0]


def test_a_place_that_cannot_be_read_itself_is_one_line(closed, tmp_path: Path) -> None:
    place = closed(tmp_path / "runs")
    with pytest.raises(UserError, match="runs"):
        sync.find([place])


def test_hidden_folders_are_not_named(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "runs")
    shutil.copytree(root, root / ".Trash")
    _, notes = sources.load([str(root)])
    assert notes == []
