"""How a run fails, is interrupted, and is done again."""

import json
from pathlib import Path
from typing import Any

import pytest

from baselines.registry import METHODS
from suite.errors import Divergence, UserError
from suite.record import reader, schema
from tests.support.probes import Probe, Sign
from tests.support.trainer import Idle, run_idle, train


def status(folder: Path) -> dict[str, Any]:
    return json.loads((folder / schema.STATUS).read_text())


@pytest.mark.parametrize("method", METHODS)
def test_a_diverged_run_fails_with_one_line(method: str, tmp_path: Path) -> None:
    with pytest.raises(Divergence, match="learning_rate"):
        train(Sign, method, tmp_path, learning_rate=1e30)
    assert status(tmp_path)["status"] == "failed"
    assert "learning_rate" in status(tmp_path)["error"]
    assert "\n" not in status(tmp_path)["error"]
    last = schema.read_rows(tmp_path / schema.METRICS)[-1]
    assert (last["kind"], last["elected"], set(last["losses"])) == ("target_update", -1, {None})


@pytest.mark.parametrize("clip", [1.0, None])
def test_a_reward_that_is_nan_is_not_learned_silently(clip: float | None, tmp_path: Path) -> None:
    """It must not become a reward of 1 by clipping."""
    with pytest.raises((Divergence, UserError)):
        train(lambda: Probe(2, lambda s, a: float("nan")), "dense", tmp_path, replay={"reward_clip": clip})
    assert status(tmp_path)["status"] == "failed"


def test_an_error_of_several_lines_is_recorded_as_one(tmp_path: Path) -> None:
    class Broken(Sign):
        def step(self, action):
            raise RuntimeError("first line\n  second line")

    with pytest.raises(RuntimeError):
        run_idle(tmp_path, Broken, Idle(), epochs=1, epoch_agent_steps=1, initial_samples=5)
    assert status(tmp_path)["status"] == "failed"
    assert "first line" in status(tmp_path)["error"]
    assert "\n" not in status(tmp_path)["error"]


def test_an_interrupted_run_has_no_status(tmp_path: Path) -> None:
    class Interrupted(Sign):
        def step(self, action):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_idle(tmp_path, Interrupted, Idle(), epochs=1, epoch_agent_steps=1, initial_samples=5)
    assert not (tmp_path / schema.STATUS).exists()
    assert (tmp_path / schema.CONFIG).exists()
    assert not reader.is_finished(tmp_path)


def test_a_run_that_is_done_again_leaves_nothing_of_the_old_record(tmp_path: Path) -> None:
    for _ in range(2):
        rows = run_idle(tmp_path, Sign, Idle(), epochs=2, epoch_agent_steps=3, initial_samples=5)
        assert [row["epoch"] for row in rows] == [1, 2]
