"""Runs that train nothing: the real record and W&B's real client, of rows that are made up. No seconds are in them."""

from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from suite.record import schema
from suite.tracking.checkpoint import Checkpoint
from suite.tracking.tracker import Tracker, versions

EPOCHS, UPDATES = 3, 4  # of each run, and target updates of each epoch
ROWS = EPOCHS * (UPDATES + 3)
CONFIG = {
    "name": "atari-Pong.gmp.seed0.0a1b2c3d",
    "group": "atari/Pong gmp 0a1b",
    "task": "atari/Pong",
    "method": "gmp",
    "seed": 0,
    "options": {"agent": {"width": 8}, "trainer": {"epochs": EPOCHS}},
}
SILENT = 137  # how a run ends whose process is killed


def made_up() -> list[tuple[str, dict[str, int], dict[str, Any]]]:
    """The rows of a run: (kind, clocks, columns)."""
    rows: list[tuple[str, dict[str, int], dict[str, Any]]] = []
    for epoch in range(1, EPOCHS + 1):
        for update in range(UPDATES):
            step = (epoch - 1) * 100 + 20 * (update + 1)
            columns = {"losses": [1 / step], "sparsities_before": [0.0], "elected": 0, "sparsities": [step / 1000]}
            clocks = {"agent_step": step, "gradient_step": step}
            rows.append(("target_update", clocks, {**columns, "reset": [False], "actor_sparsity": None}))
        clocks, level = {"agent_step": 100 * epoch, "gradient_step": 100 * epoch}, epoch / 10
        columns = {"epoch": epoch, "return": 1.5 * epoch, "episodes": 2, "episode_returns": [1.0, 2.0]}
        columns |= {"episode_lengths": [5, 5], "loss": None, "sparsity": level, "layer_sparsity": {"a/kernel": level}}
        rows.append(("epoch", clocks, columns | {"actor_sparsity": None, "actor_layer_sparsity": None, "seconds": 0.0}))
        layers = {"a/kernel": {"low": -1.0, "high": 1.0, "counts": [epoch, 0, 2, 1]}}
        rows.append(("weights", clocks, {"epoch": epoch, "layers": layers}))
        evaluation = {"epoch": epoch, "return": 2.0 * epoch, "episodes": 1, "episode_returns": [2.0 * epoch]}
        rows.append(("evaluation", clocks, evaluation))
    return rows


def begin(folder: Path, mode: str = "auto", first: int = 0, **config: Any) -> Tracker:
    """A run that begins, or goes on behind its row `first`."""
    resumed = None
    if first:
        lines = (folder / schema.METRICS).read_bytes().splitlines(keepends=True)
        state = {"agent_step": made_up()[first - 1][1]["agent_step"], "seconds": 0.0}
        resumed = Checkpoint(state, sum(map(len, lines[:first])), versions())
    return Tracker(folder, {**CONFIG, **config}, 4, 100 * EPOCHS, mode, resumed)


def write(tracker: Tracker, rows: slice) -> None:
    for kind, clocks, columns in made_up()[rows]:
        tracker.agent_step = clocks["agent_step"]
        tracker.log(kind, clocks, **columns)


def end(tracker: Tracker, exit_code: int = 0) -> None:
    """As a run ends: well, by an error (1), because it was asked to (75), or by SIGKILL (SILENT)."""
    if exit_code == SILENT:  # all that W&B's follower sees of it
        if tracker.wandb.process:
            tracker.wandb.process.communicate()
        return
    if exit_code == 0:
        save_file({"a/kernel": np.ones((2, 2), np.float32)}, tracker.folder / schema.POLICY)
        schema.write_json(tracker.folder / schema.POLICY_CARD, {"name": tracker.config["name"]})
        schema.write_json(tracker.folder / schema.COSTS, {"policy": {"kept": 4}})
    error: Any = {0: None, 1: RuntimeError("no more"), schema.RESUMABLE: KeyboardInterrupt()}[exit_code]
    tracker.__exit__(type(error) if error else None, error, None)


def part(folder: Path, last: int | None, exit_code: int = 0, mode: str = "auto", first: int = 0, **config: Any) -> None:
    """A run from its row `first` on until before its row `last`, where it ends."""
    tracker = begin(folder, mode, first, **config)
    write(tracker, slice(first, last))
    end(tracker, exit_code)


def whole(folder: Path, mode: str = "auto", **config: Any) -> Path:
    """A run from its beginning to its end."""
    part(folder, None, mode=mode, **config)
    return folder
