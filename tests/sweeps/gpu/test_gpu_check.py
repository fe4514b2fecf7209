"""The check runs on a CPU from its first part to its last; what it measures there means nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.compiling import QUICKLY

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """The rows of each part, from one check."""
    out = tmp_path_factory.mktemp("gpu")
    command = [sys.executable, "-m", "sweeps.gpu", "--minutes", "60", "--out", str(out)]
    as_runs = {key: value for key, value in os.environ.items() if key not in QUICKLY}  # longer than they compile
    environment = {**as_runs, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in out.iterdir()} == {"cpu.json", "cpu.md"}
    document = json.loads((out / "cpu.json").read_text())
    assert (document["card"], document["size"]) == ("cpu", "tiny")
    page = (out / "cpu.md").read_text()
    for part in document["parts"].values():
        assert part["state"] == "complete" and part["rows"], part
        assert f"## {part['title']}" in page
    return {name: part["rows"] for name, part in document["parts"].items()}


def test_the_card_is_named_with_all_versions(rows) -> None:
    facts = {row["what"]: row["value"] for row in rows["card"]}
    assert facts["card"] == facts["backend"] == "cpu" and facts["driver"] is None
    assert {"jax", "jaxlib", "project", "device"} <= facts.keys()


def test_the_cpu_agrees_with_itself(rows) -> None:
    """Looped, to the last bit; mapped by vmap, but for rounding."""
    found = rows["agreement"]
    assert {row["problem"][:3] for row in found} == {"DQN", "SAC", "CQL"}
    assert {row["way"] for row in found} == {"looped", "vmapped"}
    for row in found:
        assert row["identical elections"] == row["elections"] == row["gradient steps"] // 2
        assert len(row["layers"]) > 5
        assert row["largest relative difference"] == max(row["layers"].values()) <= 0.05
        if row["gradient steps"] == 1 and row["products"] == "highest":
            assert row["agrees"] is True
        if row["way"] == "looped":
            assert row["largest relative difference"] == 0


def test_a_resumed_run_is_the_same_run(rows) -> None:
    assert [row["deterministic operations"] for row in rows["resuming"]] == [True, False]
    assert all(row["bit for bit"] is True and row["gradient step (ms)"] > 0 for row in rows["resuming"])


def test_gradient_steps_are_timed_and_their_operations_counted(rows) -> None:
    found = {(row["agent"], row["width"], row["K"], row["way"], row["products"]): row for row in rows["steps"]}
    assert len(found) == len(rows["steps"]) == 10
    assert all(row["ms"] > 0 and row["MB"] > 0 for row in found.values())
    one, two = (found["dqn", 16, networks, "vmapped", "default"]["GFLOP"] for networks in (1, 2))
    assert 1.5 * one < two < 2 * one  # the target is computed once for both


def test_whole_runs_have_all_phases(rows) -> None:
    assert [(row["agent"], row["K"]) for row in rows["loops"]] == [("dqn", 1), ("dqn", 2), ("sac", 1), ("sac", 2)]
    for row in rows["loops"]:
        assert row["agent steps per second"] > 0 and 0 <= row["idle card"] < 1
        assert sum("(ms)" in key and value > 0 for key, value in row.items()) == 5


def test_runs_share_the_device(rows) -> None:
    assert [row["runs at once"] for row in rows["sharing"]] == [1, 2]
    for row in rows["sharing"]:
        assert 0 < row["of the slowest"] * row["runs at once"] <= row["agent steps per second"] * 1.000_001


def test_grids_say_which_figure_is_missing(rows) -> None:
    """Here the widths of the paper are."""
    assert [row["runs"] for row in rows["grids"]] == [450, 150, 180]
    assert all("gradient step" in row["missing"] or "end to end" in row["missing"] for row in rows["grids"])
