"""Checkpoints of small states, and the state that is found again."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from suite.tracking import checkpoint
from suite.tracking.checkpoint import Checkpoints, Segment, State

VERSIONS = {"numpy": "2"}


def store(folder: Path, run: str = "run", **options: Any) -> Checkpoints:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.jsonl").touch()
    return Checkpoints(folder / "checkpoints", folder / "metrics.jsonl", run, VERSIONS, **options)


def append(folder: Path, text: str) -> None:
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(text)


def constant(name: str, value: int) -> Segment:
    return Segment(name, lambda: {"rows": np.full(3, value, np.uint8)})


def state_of(number: int) -> State:
    """A small state that has a bit of everything."""
    return {
        "agent_step": number,
        "loss": number / 3,
        "nothing": None,
        "big": 2**127 + number,
        "list": [1, [2.5, "text"], {"deep": np.arange(number)}],
        "key": np.array([number, 7], np.uint32),
        "segments": [[0, constant("part-0", 1)], [1, constant(f"part-{number}", number)]],
    }


def plain(value: Any) -> Any:
    """A state that compares by ==."""
    if isinstance(value, Segment):
        return (value.name, plain(value.arrays()))
    if isinstance(value, np.ndarray):
        return (value.dtype.name, value.shape, value.tobytes())
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def found(folder: Path, run: str = "run") -> tuple[int, int] | None:
    """(agent step, bytes of metrics) of the newest checkpoint that is relied on, which must be whole."""
    newest = store(folder, run).newest()
    if newest is None:
        return None
    number = newest.state["agent_step"]
    assert plain(newest.state) == plain(state_of(number))
    return number, newest.metrics_bytes


def forge(path: Path, **changes: Any) -> None:
    """A manifest with a right checksum that says something else."""
    manifest = json.loads(path.read_text()) | changes
    del manifest["sha256"]
    path.write_text(json.dumps({**manifest, "sha256": checkpoint._digest(manifest)}))
