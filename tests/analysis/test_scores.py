"""Normalised scores, and the words for them."""

import pytest

from analysis import scores
from suite.errors import UserError


def test_scores():
    assert scores.normalised("atari/Pong", -20.7) == 0.0
    assert scores.normalised("atari/Pong", 14.6) == pytest.approx(1.0)
    assert scores.normalised("atari/VideoPinball", 16256.9) == 0.0
    assert scores.normalised("atari/Pong", None) is None
    assert scores.normalised("mujoco/Reacher", -43.4) == 0.0
    assert scores.normalised("mujoco/Reacher", -2.6) == 1.0
    assert scores.normalised("mujoco/Pusher", -30.0) is None
    with pytest.raises(UserError, match="'atari/Pang'"):
        scores.normalised("atari/Pang", 1.0)


def test_words_follow_the_families():
    atari, mujoco = ["atari/Pong", "atari/Boxing"], ["mujoco/Ant"]
    assert scores.noun(atari) == "game"
    assert scores.noun(mujoco) == scores.noun(atari + mujoco) == scores.noun([]) == "task"
    assert scores.references(mujoco + atari) == ["dense SAC", "human"]
    assert "16256.9" in scores.source(atari) and "SAC" not in scores.source(atari)
    assert "Tianshou" in scores.source(mujoco) and "dqn_zoo" not in scores.source(mujoco)
    assert all(
        part in scores.source(atari + mujoco) for part in ("for atari, ", "16256.9", "; for mujoco, ", "Tianshou")
    )
