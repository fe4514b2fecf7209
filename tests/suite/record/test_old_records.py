"""Finished records of version 0.1 read as they did then."""

import json
from pathlib import Path

import numpy as np
import pytest

from analysis.data.sources import runfolder
from analysis.stats import costs as table
from analysis.stats import election_log
from suite.deploy import compact, costs
from suite.deploy.network import from_flax
from suite.deploy.runner import Runner
from suite.record import models, reader, schema

FINISHED = Path(__file__).parents[2] / "data/version-0.1/finished"
METHODS = ("gmp", "eaudeqn")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", [schema.CONFIG, schema.STATUS, schema.PROGRESS, schema.COSTS, schema.POLICY_CARD])
def test_each_file_is_read_whole(method: str, name: str) -> None:
    read = {
        schema.CONFIG: reader.config,
        schema.STATUS: reader.status,
        schema.PROGRESS: reader.progress,
        schema.COSTS: reader.costs,
        schema.POLICY_CARD: reader.policy_card,
    }[name]
    model = read(FINISHED / method)
    assert model and models.as_json(model) == json.loads((FINISHED / method / name).read_text())


@pytest.mark.parametrize("method", METHODS)
def test_the_rows_are_read_as_they_are(method: str) -> None:
    lines = (FINISHED / method / schema.METRICS).read_text().splitlines()
    assert schema.read_rows(FINISHED / method / schema.METRICS) == list(map(json.loads, lines))
    assert {row["kind"] for row in map(json.loads, lines)} == {*schema.ROWS} - {"diagnostics"}


def test_a_finished_run_is_complete_and_compared() -> None:
    run = runfolder.read(FINISHED / "gmp")
    assert run.status == "finished"
    assert (run.task, run.method, run.seed) == ("mujoco/InvertedPendulum", "gmp:final_sparsity=0.8", 0)
    assert run.history["evaluation_return"].tolist() == [9.0, 8.0, 11.0]
    assert run.history["sparsity"].iloc[-1] == pytest.approx(0.8)
    assert all(reader.is_finished(FINISHED / method) for method in METHODS)


def test_the_elections_are_read() -> None:
    """EauDeQN elected among five networks every 20 gradient steps, gmp has one network."""
    updates = schema.read_rows(FINISHED / "eaudeqn" / schema.METRICS, ("target_update",))
    book = election_log.read(FINISHED / "eaudeqn")
    assert len(book) == len(updates) == 20
    assert book["level"].tolist() == [row["sparsities_before"][row["elected"]] for row in updates]
    assert election_log.read(FINISHED / "gmp").empty


@pytest.mark.parametrize("method", METHODS)
def test_the_costs_are_those_that_this_version_measures(method: str) -> None:
    known = json.loads((FINISHED / method / schema.COSTS).read_text())
    measured = costs.of_run(FINISHED / method)
    assert measured["training"] == pytest.approx(known["training"], rel=1e-3)  # version 0.1 scaled all layers alike
    assert measured["policy"]["multiply_adds"] == known["policy"]["multiply_adds"]
    (line,) = table.frame([(method, "mujoco/InvertedPendulum", 0, FINISHED / method)]).to_dict("records")
    assert line["parameters"] == known["policy"]["parameters"] == 45
    assert line["training_ideal"] == known["training"]["ideal"]
    assert np.isnan(line["numpy_median"])  # no latency was measured


def test_the_policy_acts() -> None:
    card = reader.policy_card(FINISHED / "gmp")
    assert card.network and card.network.action.size == 1
    arrays = compact.read_arrays(FINISHED / "gmp" / schema.POLICY)
    action = Runner(from_flax(arrays, models.as_json(card)["network"]))(np.zeros(4, np.float32))
    assert action.shape == (1,) and np.isfinite(action).all()
