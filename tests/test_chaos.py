"""The short version of `make chaos`: real processes, killed at six moments."""

import itertools
import random
from pathlib import Path

import pytest

from tests import chaos
from tests.support import chaos_grid


@pytest.mark.parametrize(
    "name, moments",
    [
        ("DQN Pong eaudeqn", ["checkpoint", "election", "start"]),
        ("SAC InvertedPendulum gmp", ["anywhere", "checkpoint", "election"]),
        ("CQL Pong eaudeqn", ["election", "anywhere", "checkpoint"]),
    ],
)
def test_a_killed_run_ends_as_if_undisturbed(name: str, moments: list[str], tmp_path: Path) -> None:
    dice = random.Random(len(name))
    hits, differing = chaos.torment(name, 0, itertools.cycle(moments), 3, tmp_path, dice)
    assert not differing, hits
    assert len(hits) == 3 and len(set(hits)) > 1, hits


def test_a_grid_whose_runs_and_launchers_are_killed_ends_complete_and_runs_no_cell_twice(tmp_path: Path) -> None:
    killed, wrong = chaos_grid.torment(6, 8, tmp_path, random.Random(3))
    assert not wrong, (wrong, (tmp_path / "launchers.txt").read_text())
    assert killed["run"] and killed["launcher"], killed
