"""What a run tells while it runs."""

from pathlib import Path

import pytest

from suite import records, tracking
from suite.tracking import Tracker


def test_progress_is_told_while_no_agent_step_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a long evaluation: the rate is 0, and the time left is not known."""
    monkeypatch.setattr(tracking, "HEARTBEAT", 0.0)
    monkeypatch.setattr(tracking, "LINE", 0.0)
    with Tracker(tmp_path, {"name": "n"}, 4, 100, "disabled") as tracker:
        tracker.progress(50)
        tracker.progress(50)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("50 of 100 agent steps") and "min left" in first
    assert "0 a second, evaluating" in second
    assert records.read_json(tmp_path / records.STATUS)["status"] == "finished"
