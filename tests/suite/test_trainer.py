"""The trainer: what it learns in environments of known value, and what its seed decides."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from baselines.registry import METHODS
from suite.agents.networks import q_network
from suite.record import reader, schema
from suite.types import LearnerState
from tests.support.methods import DISTINCT, NEVER_PRUNE
from tests.support.probes import Probe, Sign
from tests.support.trainer import GAMMA, PERIOD, WIDTH, train

# Probes: real parts, known values ------------------------------------------------------------------------------------


def values(state: LearnerState, *observations: list[float]) -> np.ndarray:
    """Q of the elected network, [observations, actions]."""
    network = q_network("mlp", (len(observations[0]),), WIDTH, 2)
    return np.asarray(network.apply({"params": state.online[0].params}, jnp.array(observations, jnp.float32)))


@pytest.mark.parametrize("method", METHODS)
def test_two_steps_with_a_choice(method: str, tmp_path: Path) -> None:
    """The first state pays nothing, the second 1 for action 1. So Q(2nd) = (0, 1) and Q(1st) = (gamma, gamma)."""
    state = train(lambda: Probe(2, lambda s, action: float(s == 1 and action == 1)), method, tmp_path)
    np.testing.assert_allclose(values(state, [1, 0], [0, 1]), [[GAMMA, GAMMA], [0, 1]], atol=0.1)
    rows = schema.read_rows(tmp_path / schema.METRICS)
    evaluations = [row for row in rows if row["kind"] == "evaluation"]
    assert [row["return"] for row in evaluations[1:]] == [1, 1]
    final = [row["sparsity"] for row in rows if row["kind"] == "epoch"][-1]
    assert final == 0 if method in NEVER_PRUNE else 0 < final < 0.6
    assert reader.is_finished(tmp_path)


@pytest.mark.parametrize("method", DISTINCT)
def test_the_action_that_the_observation_asks_for(method: str, tmp_path: Path) -> None:
    assert_the_action_is_learned(method, tmp_path)


@pytest.mark.parametrize("method", sorted(METHODS.keys() - set(DISTINCT)))
def test_every_other_method_learns_the_action(method: str, tmp_path: Path) -> None:
    assert_the_action_is_learned(method, tmp_path)


def assert_the_action_is_learned(method: str, tmp_path: Path) -> None:
    state = train(Sign, method, tmp_path)
    np.testing.assert_allclose(values(state, [-1, 1], [1, 1]), [[1, -1], [-1, 1]], atol=0.15)


@pytest.mark.parametrize("truncates, expected", [(False, 1.0), (True, 1 / (1 - GAMMA))])
def test_a_constant_reward(truncates: bool, expected: float, tmp_path: Path) -> None:
    """One step that ends by a terminal is worth its reward. By truncation it bootstraps: 1 + gamma + gamma^2 ..."""

    class Same(Probe):
        def _observe(self) -> np.ndarray:
            return np.ones(2, np.float32)

    state = train(lambda: Same(1, truncates=truncates), "dense", tmp_path, learning_rate=1e-2)
    np.testing.assert_allclose(values(state, [1, 1]), [[expected, expected]], rtol=0.1)


# The same seed, another seed -----------------------------------------------------------------------------------------


def without_times(folder: Path) -> list[dict[str, Any]]:
    rows = schema.read_rows(folder / schema.METRICS)
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_the_loss_of_an_epoch_is_the_electeds_mean_over_the_last_complete_period(tmp_path: Path) -> None:
    """Null before there is one. A gradient step's mean, so that it compares between target periods."""
    train(Sign, "eaudeqn", tmp_path)
    expected = None
    for row in schema.read_rows(tmp_path / schema.METRICS):
        if row["kind"] == "target_update":
            expected = row["losses"][row["elected"]] / PERIOD
            assert row["gradient_step"] % PERIOD == 0
        if row["kind"] == "epoch":
            assert row["loss"] == pytest.approx(expected)


def test_a_seed_decides_everything(tmp_path: Path) -> None:
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        train(Sign, "eaudeqn", tmp_path / name, seed)
    one, two, three = (without_times(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    assert one != three
    kinds = {row["kind"] for row in one}
    assert kinds == {"epoch", "target_update", "evaluation", "weights", "diagnostics"}
    for kind in ("epoch", "target_update", "weights", "diagnostics"):
        assert [row for row in one if row["kind"] == kind] != [row for row in three if row["kind"] == kind]
