"""What tests of several files share."""

from pathlib import Path

import pytest

from tests.support.checkpoints import append, state_of, store


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A run's folder with two checkpoints, of state_of(1) and state_of(2), and 20 and 40 bytes of metrics."""
    checkpoints = store(tmp_path / "run")
    for number in (1, 2):
        append(tmp_path / "run", "x" * 19 + "\n")
        checkpoints.save(state_of(number))
    return tmp_path / "run"
