"""A folder that cannot be synced is no reason to end a run; a file that cannot be written is."""

import errno
import os
import stat
from pathlib import Path

import pytest

from suite.record import files


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch):
    """fsync refuses folders, or files, by an error number."""
    real = os.fsync

    def put(number: int, folders: bool) -> None:
        def fsync(descriptor: int) -> None:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode) == folders:
                raise OSError(number, os.strerror(number))
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)

    return put


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_that_syncs_no_folders_does(refusing, tmp_path: Path, number: int) -> None:
    refusing(number, folders=True)
    files.write(tmp_path / "a", [b"text"])
    files.sync(tmp_path)
    assert (tmp_path / "a").read_bytes() == b"text"


@pytest.mark.parametrize(("number", "folders"), [(errno.EIO, True), (errno.EINVAL, False), (errno.ENOSPC, False)])
def test_what_may_be_lost_is_still_an_error(refusing, tmp_path: Path, number: int, folders: bool) -> None:
    refusing(number, folders)
    with pytest.raises(OSError) as raised:
        files.write(tmp_path / "a", [b"text"])
    assert raised.value.errno == number
