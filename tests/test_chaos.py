"""The short version of `make chaos`: real processes, killed at six moments."""

import itertools
import random
from pathlib import Path

import pytest

from tests import chaos


@pytest.mark.parametrize(
    "name, moments",
    [
        ("DQN Pong eaudeqn", ["checkpoint", "election", "start"]),
        ("SAC InvertedPendulum gmp", ["anywhere", "checkpoint", "election"]),
    ],
)
def test_a_killed_run_ends_as_if_undisturbed(name: str, moments: list[str], tmp_path: Path) -> None:
    dice = random.Random(len(name))
    hits, differing = chaos.torment(name, 0, itertools.cycle(moments), 3, tmp_path, dice)
    assert not differing, hits
    assert len({hit for hit in hits if "ended" not in hit.hit}) > 1, hits
