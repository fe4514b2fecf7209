"""What a run tells while it runs."""

import shutil
from pathlib import Path

import pytest

from suite.errors import Divergence
from suite.record import schema
from suite.tracking import progress, provenance, tracker
from suite.tracking.checkpoint import Checkpoint
from suite.tracking.tracker import Tracker


def test_progress_is_told_while_no_agent_step_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a long evaluation: the rate is 0, and the time left is not known."""
    monkeypatch.setattr(tracker, "REPORT", 0.0)
    monkeypatch.setattr(progress, "LINE", 0.0)
    with Tracker(tmp_path, {"name": "n"}, 4, 100, "disabled") as run:
        run.progress(50)
        run.progress(50)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("50 of 100 agent steps") and "left" in first
    assert "0 a second, evaluating" in second
    assert schema.read_json(tmp_path / schema.STATUS)["status"] == "finished"


def test_a_folder_that_is_deleted_and_begun_again_has_the_rows_of_one_run(tmp_path: Path) -> None:
    evaluation = {"epoch": 1, "return": 2.0, "episodes": 1, "episode_returns": [2.0]}
    with Tracker(tmp_path / "run", {"name": "n"}, 4, 100, "disabled") as first:
        shutil.rmtree(tmp_path / "run")
        with Tracker(tmp_path / "run", {"name": "n"}, 4, 100, "disabled") as second:
            for tracker, step in ((first, 1), (second, 2), (first, 3), (second, 4)):
                tracker.log("evaluation", {"agent_step": step, "gradient_step": step}, **evaluation)
            rows = schema.read_rows(tmp_path / "run" / schema.METRICS)
    assert [row["agent_step"] for row in rows] == [2, 4]


@pytest.mark.parametrize("text", [None, '{"name": "n", "se', '{"name": "n", "seed": 1, "versions": {}}'])
def test_a_config_that_was_damaged_meanwhile_is_not_sealed(tmp_path: Path, text: str | None) -> None:
    Tracker(tmp_path, {"name": "n", "seed": 0}, 4, 100, "disabled")
    whole = schema.read_json(tmp_path / schema.CONFIG)
    (tmp_path / schema.CONFIG).unlink()
    if text is not None:
        (tmp_path / schema.CONFIG).write_text(text)
    saved = Checkpoint({"seconds": 1.0, "agent_step": 0}, 0, provenance.versions())
    with Tracker(tmp_path, {"name": "n", "seed": 0}, 4, 100, "disabled", saved):
        pass
    config = schema.read_json(tmp_path / schema.CONFIG)
    assert config["seed"] == 0 and config.keys() == whole.keys()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes")])
def test_a_run_without_memory_has_not_failed_for_good(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)), Tracker(tmp_path, {"name": "n"}, 4, 100, "disabled"):
        raise error
    assert not (tmp_path / schema.STATUS).exists()


@pytest.mark.parametrize(
    ("error", "text"), [(KeyError("Conv_0"), "KeyError: 'Conv_0'"), (Divergence("loss is NaN"), "loss is NaN")]
)
def test_a_status_says_which_error_it_was(tmp_path: Path, error: Exception, text: str) -> None:
    with pytest.raises(type(error)), Tracker(tmp_path, {"name": "n"}, 4, 100, "disabled"):
        raise error
    assert schema.read_json(tmp_path / schema.STATUS)["error"] == text
