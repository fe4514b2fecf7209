"""Diagnostics of learners, by hand in numpy, and what of them a run records."""

from pathlib import Path

import numpy as np
import pytest
from gymnasium import spaces

from suite import diagnostics
from suite.agents import DQNOptions
from suite.agents.dqn import dqn
from suite.diagnostics import Diagnostics
from suite.experience.batches import batch_rng
from suite.publish.upload import wandb_metrics
from suite.record import schema
from suite.types import Batch
from tests.suite.agents.test_dqn import a_batch, flat, gradients, values
from tests.support.learning import PERIOD, learner_with, train
from tests.support.probes import Probe
from tests.support.sac import batches, learner_of
from tests.support.trainer import Idle, run_idle


def test_a_dqns_measures_by_hand() -> None:
    """Two pruned networks after an election, on the eight transitions of a batch."""
    agent = dqn(
        spaces.Box(-1, 1, (4,), np.float32), spaces.Discrete(3), DQNOptions(network="mlp", width=16, learning_rate=1e-2)
    )
    learner = learner_with(agent, "eaudeqn", 40, num_networks=2, max_noise=1e6, max_speed=0.6)
    state, _, _ = train(learner, [a_batch(step) for step in range(2 * PERIOD + 3)], winner=1)
    batch = a_batch(99)
    measured = Diagnostics(agent, learner.inspect)
    row = measured.measure(state, batch)
    assert row["transitions"] == 8 and row["mask_overlap"] == {}
    choices, target = [], flat(state.target)
    for k, network in enumerate(state.online):
        params, masks = flat(network.params), {path: np.asarray(mask) for path, mask in network.masks.items()}
        hidden, q = values(params, batch.observation.astype(np.float64))
        units = hidden.mean(axis=0)
        assert row["dormant"][f"{k}/Dense_0"] == np.mean(units <= 0.025 * units.mean())
        singular = np.sqrt(np.clip(np.linalg.eigvalsh(hidden @ hidden.T), 0, None))[::-1]
        assert row["effective_rank"][str(k)] == 1 + int((np.cumsum(singular) < 0.99 * singular.sum()).sum())
        squares = sum((params[kernel] ** 2).sum() for kernel in ("k0", "k1"))
        assert row["weight_norm"][str(k)] == pytest.approx(np.sqrt(squares), rel=1e-5)
        slopes = gradients(params, target, batch)
        kept = [slopes[f"k{layer}"][masks[f"Dense_{layer}/kernel"]] for layer in (0, 1)]
        norm = np.linalg.norm(np.concatenate(kept))
        assert row["gradient_norm"][str(k)] == pytest.approx(norm, rel=1e-3)
        read, used = masks["Dense_0/kernel"].any(axis=0), masks["Dense_1/kernel"].any(axis=1)
        assert row["disconnected"][f"{k}/Dense_0"] == pytest.approx(1 - np.mean(read & used))
        choices.append(q.argmax(axis=1))
    assert row["agreement"] == np.mean(choices[0] == choices[1])
    assert max(row["disconnected"].values()) > 0 and max(row["dormant"].values()) > 0
    _check_overlap(measured, state, learner, batch)


def _check_overlap(measured: Diagnostics, state, learner, batch: Batch) -> None:
    """After an election the masks are nested, so the overlap is 1. A weight that grows back lowers it."""
    state, _ = learner.update_target(state)
    assert measured.measure(state, batch)["mask_overlap"] == {"0": 1.0}
    first = state.online[0]
    mask = np.array(first.masks["Dense_0/kernel"])
    back = np.argwhere(~mask)[0]
    mask[tuple(back)] = True
    kept = int(mask.sum()) + int(np.asarray(first.masks["Dense_1/kernel"]).sum())
    state = state._replace(online=(first._replace(masks={**first.masks, "Dense_0/kernel": mask}), *state.online[1:]))
    assert measured.measure(state, batch)["mask_overlap"] == {"0": pytest.approx((kept - 1) / kept)}


def test_the_critics_and_the_actor_are_measured() -> None:
    learner = learner_of("eaudeqn", num_networks=3)
    row = Diagnostics(learner.agent, learner.inspect).measure(learner.init(0), batches(1)[0])
    critics = [f"{k}/critic_{i}" for k in range(3) for i in (0, 1)]
    assert sorted(row["effective_rank"]) == sorted([*critics, "actor/policy"])
    layers = [f"{part}/Dense_{layer}" for part in (*critics, "actor/policy") for layer in (0, 1)]
    assert sorted(row["dormant"]) == sorted(row["disconnected"]) == sorted(layers)
    assert sorted(row["weight_norm"]) == sorted(row["gradient_norm"]) == ["0", "1", "2", "actor"]
    assert row["agreement"] is None  # one actor acts
    assert all(norm > 0 for norm in row["gradient_norm"].values())
    line = schema.row("diagnostics", dict.fromkeys(schema.CLOCKS, 1), epoch=1, **row)
    schema.check_row(line, "here")
    sent = wandb_metrics(line)
    assert sent["diagnostics/dormant/actor/policy/Dense_0"] == row["dormant"]["actor/policy/Dense_0"]


def test_the_batch_is_a_function_of_seed_and_epoch_and_of_no_gradient_step() -> None:
    def draw(rng: np.random.Generator) -> Batch:
        numbers = rng.random(3)
        return Batch(numbers, numbers, numbers, numbers, numbers)

    drawn = {key: diagnostics.sample(draw, *key, 8).reward for key in ((0, 1), (0, 2), (1, 1))}
    np.testing.assert_array_equal(diagnostics.sample(draw, 0, 1, 8).reward, drawn[0, 1])
    np.testing.assert_array_equal(diagnostics.sample(draw, 0, 1, 2).reward, drawn[0, 1][:2])
    steps = [batch_rng(seed, step).random(8) for seed in (0, 1) for step in (0, 1, 2)]
    numbers = np.concatenate([*drawn.values(), *steps])
    assert len(np.unique(numbers)) == numbers.size == 72


@pytest.mark.parametrize("transitions, rows", [(0, 0), (5, 2)])
def test_an_option_switches_them_off(transitions: int, rows: int, tmp_path: Path) -> None:
    options = {"epochs": 2, "epoch_agent_steps": 6, "initial_samples": 100, "diagnostic_transitions": transitions}
    run_idle(tmp_path, lambda: Probe(9), Idle(), **options)
    found = schema.read_rows(tmp_path / schema.METRICS, ("diagnostics",))
    assert [row["transitions"] for row in found] == [transitions] * rows
