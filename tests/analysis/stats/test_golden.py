"""With equally many seeds a task, the numbers are those of version 0.1 (golden.json, written by its code)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.stats import metrics, pairwise, pareto, profiles
from tests.analysis.stats.test_profiles import NAMES, frame_of

GOLDEN: dict[str, Any] = json.loads(Path(__file__).with_name("golden.json").read_text())
INPUTS = {name: np.array(values) for name, values in GOLDEN["inputs"].items()}
SEED, REPETITIONS = 3, 500


def by_task(name: str) -> dict[str, dict[int, float]]:
    """[seeds, tasks] -> {task: {seed: value}}."""
    return {task: dict(enumerate(column.tolist())) for task, column in zip(NAMES, INPUTS[name].T, strict=True)}


def same(found: Any, expected: Any) -> bool:
    """To the last digits that a float has."""
    return bool(np.allclose(np.array(found, dtype=float), np.array(expected), rtol=1e-12, atol=1e-12))


def test_aggregates() -> None:
    found, notes = metrics.aggregate(by_task("scores"), metrics.SCORE_STATISTICS, SEED, REPETITIONS)
    assert notes == []
    for name, expected in GOLDEN["aggregates"].items():
        assert same(found[name][:3], expected), name


def test_task_means() -> None:
    found = metrics.task_means(by_task("scores"), SEED, REPETITIONS)
    for task, expected in GOLDEN["task_means"].items():
        assert same(found[task][:3], expected), task


def test_profile() -> None:
    found = profiles.profile(by_task("scores"), SEED, REPETITIONS, np.linspace(0, 2, 5))
    assert same(found, GOLDEN["profile"])


def test_sample_efficiency() -> None:
    found = profiles.sample_efficiency(frame_of(INPUTS["curves"]), NAMES, SEED, REPETITIONS)[0]["dense"]
    assert same(found, GOLDEN["efficiency"])


def test_pareto() -> None:
    found = pareto.outcomes({"dense": by_task("sparsities")}, {"dense": by_task("scores")}, SEED, REPETITIONS)[0]
    assert same(found["dense"].point, GOLDEN["pareto"]["point"])
    assert same(np.percentile(found["dense"].draws, [2.5, 50, 97.5], axis=0), GOLDEN["pareto"]["percentiles"])


@pytest.mark.parametrize(("field", "name"), [("difference", "mean difference"), ("improvement", "improvement")])
def test_comparison(field: str, name: str) -> None:
    found = pairwise.against(by_task("scores"), by_task("others"), SEED, REPETITIONS, statistic="mean")
    assert same(getattr(found, field)[:3], GOLDEN[name])
