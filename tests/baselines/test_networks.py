"""Every method trains networks with norms, pools and residual branches, and prunes their kernels alone."""

from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from flax import traverse_util
from gymnasium import spaces

from baselines.registry import METHODS
from suite.agents import AGENTS, networks, sac
from suite.types import Batch, LearnerState
from tests.support import methods
from tests.support.learning import learner_with, train

UPDATES, PERIOD, SIZE, K = 6, 3, 4, 3
IMAGES, VECTORS = spaces.Box(0, 255, (1, 6, 6), np.uint8), spaces.Box(-1, 1, (4,), np.float32)
DISCRETE, CONTINUOUS = spaces.Discrete(3), spaces.Box(-1, 1, (2,), np.float32)
#: Masks may change after every gradient step, so that one program is compiled for all of them.
EARLY = {"start": 0.0, "end": 1.0, "period": 1, "final_sparsity": 0.5, "sparsity": 0.5, "max_speed": 0.2}
EARLY |= {"num_networks": K}


class Case(NamedTuple):
    """What is trained."""

    agent: str
    observations: spaces.Box
    actions: spaces.Space
    options: dict[str, Any]


CASES = {
    "impala": Case("dqn", IMAGES, DISCRETE, {"network": "impala", "width": 4, "layer_norm": True}),
    "simba": Case("sac", VECTORS, CONTINUOUS, {"network": "simba", "critic_width": 4, "actor_width": 3}),
    "layer_norm": Case("sac", VECTORS, CONTINUOUS, {"layer_norm": True, "critic_width": 4, "actor_width": 3}),
}


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """One stage and one block have every kind of layer, and compile in a third of the time."""
    monkeypatch.setattr(networks, "IMPALA_CHANNELS", (2,))
    monkeypatch.setattr(sac, "CRITIC_BLOCKS", 1)


def batch_of(case: Case, rng: np.random.Generator) -> Batch:
    pair = (2, SIZE, *case.observations.shape)
    images = case.observations.dtype == np.uint8
    seen = rng.integers(0, 256, pair) if images else rng.normal(2, 3, pair)
    actions = rng.integers(3, size=SIZE).astype(np.int32)
    if case.actions is CONTINUOUS:
        actions = rng.uniform(-1, 1, (SIZE, 2)).astype(np.float32)
    rewards = rng.normal(size=SIZE).astype(np.float32)
    first, second = seen.astype(case.observations.dtype)
    return Batch(first, actions, rewards, np.full(SIZE, 0.9, np.float32), second)


def trained(case: Case, method: str) -> LearnerState:
    agent = AGENTS[case.agent].make(case.observations, case.actions, **case.options)
    options = {key: value for key, value in EARLY.items() if key in METHODS[method].options.model_fields}
    polyak, rng = 0.05 if agent.actor else None, np.random.default_rng(0)
    learner = learner_with(agent, method, UPDATES, PERIOD, learner={"polyak": polyak}, **options)
    state, _, _ = train(learner, [batch_of(case, rng) for _ in range(UPDATES)])
    for networks_of, network in (
        (agent.networks, state.online[0]),
        (agent.actor and agent.actor.networks, state.actor),
    ):
        if network:
            kernels = {kernel for part in networks_of or () for kernel in part.kernels}
            assert network.masks.keys() == (set() if method in methods.NEVER_PRUNE else kernels)
    return state


@pytest.mark.parametrize("name", ["impala", "simba"])
@pytest.mark.parametrize("method", methods.DISTINCT)
def test_different_methods_train_every_network(method: str, name: str) -> None:
    assert_trained(method, name)


@pytest.mark.parametrize("name", ["impala", "simba"])
@pytest.mark.parametrize("method", sorted(METHODS.keys() - set(methods.DISTINCT)))
def test_every_other_method_trains_every_network(method: str, name: str) -> None:
    assert_trained(method, name)


def assert_trained(method: str, name: str) -> None:
    """All networks stay finite, kernels are pruned, and norms are not."""
    state = trained(CASES[name], method)
    assert len(state.online) == (K if method in methods.NETWORKS else 1)
    assert all(
        np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves((state.online, state.target, state.actor))
    )
    for network in (*state.online, *([state.actor] if state.actor else [])):
        pruned = sum(int((~mask).sum()) for mask in network.masks.values())
        assert pruned > 0 or method in methods.WITHOUT_A_SET_SPARSITY
        flat = traverse_util.flatten_dict(network.params, sep="/")
        scales = [np.asarray(leaf) for path, leaf in flat.items() if path.endswith("scale")]
        assert scales and all(scale.all() for scale in scales)  # no norm is pruned


def test_critics_and_actor_with_layer_norm() -> None:
    state = trained(CASES["layer_norm"], "gmp")
    assert "LayerNorm_1" in state.online[0].params["critic_1"]
    assert state.actor and "LayerNorm_1" in state.actor.params["policy"]


def test_all_networks_hold_the_statistics_of_what_they_saw() -> None:
    """K critics of their own, the actor, all of the same batches; the actions' stay as they were."""
    case, rng = CASES["simba"], np.random.default_rng(0)
    state = trained(case, "eaudeqn")
    seen = np.concatenate([batch_of(case, rng).observation for _ in range(UPDATES)])
    assert state.actor
    found = [network.params[name]["Standardize_0"] for network in state.online for name in ("critic_0", "critic_1")]
    for statistics in (*found, state.actor.params["policy"]["Standardize_0"]):
        np.testing.assert_allclose(statistics["mean"][:4], seen.mean(axis=0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(statistics["variance"][:4], seen.var(axis=0), rtol=1e-4)
        assert int(statistics["count"]) == UPDATES
        assert not statistics["mean"][4:].any() and (statistics["variance"][4:] == 1).all()
