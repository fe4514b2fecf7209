"""EauDeSAC: what is pruned of critics and actor, and when."""

import jax
import numpy as np
import pytest
from flax import traverse_util

from suite.types import LearnerState, Network
from tests.support.learning import PERIOD, favour, train
from tests.support.sac import CRITICS, UPDATES, actor_of, batches, learner_of


def counts(network: Network) -> dict[str, int]:
    """Kept weights by layer."""
    return {path: int(mask.sum()) for path, mask in network.masks.items()}


def kept_at(level: float, network: Network) -> dict[str, int]:
    """round((1 - level) n) in single precision, at least 1."""
    share = np.float32(1) - np.float32(level)
    return {path: max(int(np.round(share * np.float32(mask.size))), 1) for path, mask in network.masks.items()}


def level_of(network: Network) -> np.float32:
    zeros = sum(int((~np.asarray(mask)).sum()) for mask in network.masks.values())
    return np.float32(zeros) / np.float32(sum(mask.size for mask in network.masks.values()))


def assert_no_leak(state: LearnerState) -> None:
    for network in (*state.online, actor_of(state)):
        flat = traverse_util.flatten_dict(network.params, sep="/")
        for path, mask in network.masks.items():
            assert not np.asarray(flat[path])[~np.asarray(mask)].any(), path


LAYERS = {f"{critic}/Dense_{number}/kernel" for critic in CRITICS for number in range(3)}
ACTOR_LAYERS = {f"policy/Dense_{number}/kernel" for number in range(3)}


@pytest.mark.parametrize("actor, num_networks", [("follow", 5), ("dense", 2)])
def test_elections_prune_every_layer_of_both_critics_exactly(actor: str, num_networks: int) -> None:
    """With so much noise that the cap decides, a copy's level is the elected pair's plus max_speed."""
    learner = learner_of("eaudeqn", num_networks=num_networks, max_noise=1e6, max_speed=0.15, actor=actor)
    state = learner.init(0)
    assert (len(state.online), set(state.online[0].masks)) == (num_networks, LAYERS)
    assert set(actor_of(state).masks) == ACTOR_LAYERS
    for number, batch in enumerate(batches(3 * PERIOD + 5), start=1):
        state = learner.update(state, batch)
        assert_no_leak(state)
        if number % PERIOD:
            continue
        before = jax.tree.map(np.array, state.online)
        previous, target = jax.tree.map(np.array, (counts(actor_of(state)), state.target))
        state, update = learner.update_target(favour(state, num_networks - 1))
        assert int(update.elected) == num_networks - 1
        jax.tree.map(np.testing.assert_array_equal, state.online[0][:3], before[-1][:3])
        jax.tree.map(np.testing.assert_array_equal, state.target, target)  # it follows; it is not replaced
        level = level_of(before[-1])
        for network in state.online[1:]:
            asked = kept_at(level + np.float32(0.15), network)
            assert counts(network) == {path: min(asked[path], n) for path, n in counts(before[-1]).items()}
            for path, mask in network.masks.items():
                assert not (np.asarray(mask) & ~before[-1].masks[path]).any()  # nested
        asked = kept_at(level, actor_of(state))
        if actor == "follow":
            assert counts(actor_of(state)) == {path: min(asked[path], int(n)) for path, n in previous.items()}
        else:
            assert level_of(actor_of(state)) == 0
        assert float(update.actor_sparsity) == pytest.approx(level_of(actor_of(state)))
        assert_no_leak(state)
    assert level > 0.25
    assert (level_of(actor_of(state)) > 0.25) == (actor == "follow")


@pytest.mark.parametrize("method, period, options", [("gmp", 4, {"period": 4}), ("distill", PERIOD, {})])
def test_schedules_prune_critics_and_actor_alike(method: str, period: int, options: dict) -> None:
    learner = learner_of(method, final_sparsity=0.8, start=0.0, end=1.0, **options)
    state = learner.init(0)
    for number, batch in enumerate(batches(UPDATES + 5), start=1):
        state = learner.update(state, batch)
        if number % PERIOD == 0:
            state, update = learner.update_target(state)
            assert float(update.actor_sparsity) == pytest.approx(level_of(actor_of(state)))
        level = 0.8 * (1 - (1 - min(number // period * period / UPDATES, 1)) ** 3)
        for network in (state.online[0], actor_of(state)):
            for path, expected in kept_at(level, network).items():
                assert abs(counts(network)[path] - expected) <= (level < 0.8), (path, number)  # rounding of the level
        assert_no_leak(state)
    assert counts(state.online[0]) == kept_at(0.8, state.online[0])
    assert counts(actor_of(state)) == kept_at(0.8, actor_of(state))


def test_measured_sparsities_are_those_of_the_parameters() -> None:
    learner = learner_of("eaudeqn", num_networks=3)
    state, updates, _ = train(learner, batches(UPDATES))
    measured = learner.measure(state)
    for network, prefix, paths in ((state.online[0], "", LAYERS), (actor_of(state), "actor_", ACTOR_LAYERS)):
        assert set(measured[f"{prefix}layer_sparsity"]) == paths
        flat = traverse_util.flatten_dict(network.params, sep="/")
        for path, value in measured[f"{prefix}layer_sparsity"].items():
            assert float(value) == pytest.approx(np.mean(np.asarray(flat[path]) == 0))
        assert float(measured[f"{prefix}sparsity"]) == pytest.approx(level_of(network))
    assert float(measured["actor_sparsity"]) == updates[-1]["actor_sparsity"]
