"""Every method of the table of names: a golden table of what it realises, and that it trains every agent."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from gymnasium import spaces

from baselines.registry import METHODS
from suite.agents import AGENTS, DQNOptions
from suite.agents.dqn import dqn
from suite.options import PrunerOptions
from suite.sparsity.distributions import erk_counts
from suite.sparsity.masks import kernels
from suite.sparsity.pruner import make_pruner
from suite.types import LearnerState, Network, Training
from tests.support import hooks, learners, sac
from tests.support.learning import learner_with, train
from tests.support.methods import NEVER_PRUNE, WITHOUT_A_SET_SPARSITY

KEY = jax.random.key(0)
IMAGES, VECTORS = spaces.Box(0, 255, (2, 12, 12), np.uint8), spaces.Box(-1, 1, (4,), np.float32)
DISCRETE, CONTINUOUS = spaces.Discrete(3), spaces.Box(-1, 1, (2,), np.float32)

# The golden table, by hand: to 0.8 between 20 and 80 of 100 gradient steps, masks updated every 10 --------------------

SPAN = {"final_sparsity": 0.8, "start": 0.2, "end": 0.8}
GOLDEN = {
    # method, options: level after the gradient steps 10, 20, 30, 50, 80 and 100
    ("gmp", "period=10"): [0, 0, 0.8 * (1 - (5 / 6) ** 3), 0.7, 0.8, 0.8],  # 0.8 (1 - 1/8)
    ("gmp", "period=10,power=1"): [0, 0, 0.8 / 6, 0.4, 0.8, 0.8],
    ("gmp", "period=10,regrow=1"): [0, 0, 0.8 * (1 - (5 / 6) ** 3), 0.7, 0.8, 0.8],
    ("ste", "period=10,power=2"): [0, 0, 0.8 * (1 - (5 / 6) ** 2), 0.6, 0.8, 0.8],
    ("linear", "period=10"): [0, 0, 0.8 / 6, 0.4, 0.8, 0.8],
    ("cosine", "period=10"): [0, 0, 0.4 * (1 - np.sqrt(3) / 2), 0.4, 0.8, 0.8],
    ("exponential", "period=10"): [0, 0, 1 - 0.2 ** (1 / 6), 1 - np.sqrt(0.2), 0.8, 0.8],
    ("iterative", "prunings=4"): [0, 0.2, 0.2, 0.4, 0.8, 0.8],  # at 20, 40, 60 and 80
    ("oneshot", ""): [0, 0, 0, 0.8, 0.8, 0.8],  # half-way
    ("constant", ""): [0.8] * 6,
    ("distill", "schedule=cosine"): [0, 0, 0.4 * (1 - np.sqrt(3) / 2), 0.4, 0.8, 0.8],
    ("static", ""): [0.8] * 6,
    ("set", "period=10"): [0.8] * 6,
    ("rigl", "period=10"): [0.8] * 6,
    ("dense", ""): [0] * 6,
    ("eaudeqn", "max_noise=0,num_networks=2"): [0] * 6,
}
OPTIONS = {
    **dict.fromkeys(("gmp", "ste", "linear", "cosine", "exponential", "iterative", "distill"), SPAN),
    **{name: {"final_sparsity": 0.8} for name in ("oneshot", "constant")},
    **{name: {"sparsity": 0.8} for name in ("static", "set", "rigl")},
}


def test_the_table_is_complete() -> None:
    assert {name for name, _ in GOLDEN} == set(METHODS)


def make(name: str, more: str, training: Training):
    plain = dict(part.split("=") for part in more.split(",") if part)
    typed = {key: value if key == "schedule" else int(value) for key, value in plain.items()}
    return METHODS[name].make(training, **OPTIONS.get(name, {}), **typed)


@pytest.mark.parametrize("name, more", GOLDEN, ids=lambda value: value or "default")
def test_golden(name: str, more: str) -> None:
    assert_golden(name, more, "mlp", VECTORS, 2)


CONVOLVED = [("gmp", "period=10"), ("rigl", "period=10")]


@pytest.mark.parametrize("name, more", CONVOLVED)
def test_golden_with_convolutions(name: str, more: str) -> None:
    assert_golden(name, more, "small", IMAGES, 4)


@pytest.mark.parametrize("name, more", [entry for entry in GOLDEN if entry not in CONVOLVED])
def test_golden_of_all_others_with_convolutions(name: str, more: str) -> None:
    assert_golden(name, more, "small", IMAGES, 4)


def assert_golden(name: str, more: str, kind: str, space: spaces.Box, layers: int) -> None:
    """Weights do not move; so the kept are the largest of the initial ones, where magnitude decides."""
    agent = dqn(space, DISCRETE, DQNOptions(network=kind, width=8))
    method = make(name, more, Training(100, 10, optax.adam(1e-3), make_pruner(PrunerOptions(), agent.all_networks)))
    params = agent.init(KEY)
    kernels = {f"{layer}/kernel": np.asarray(arrays["kernel"]) for layer, arrays in params.items()}
    assert len(kernels) == layers
    sparse_from_the_start = name in ("static", "set", "rigl")
    network = Network(params, optax.adam(1e-3).init(params), method.init(KEY, params), jnp.float32(0))
    networks, memory = (network,) * method.num_networks, method.memory
    after_gradient, at_target_update = hooks.after_gradient(method), jax.jit(method.at_target_update)
    golden = dict(zip((10, 20, 30, 50, 80, 100), GOLDEN[name, more], strict=True))
    for step in range(1, 101):
        networks = tuple(after_gradient(KEY, jnp.int32(step), network, params) for network in networks)
        if step % 10 == 0:
            networks, memory, _ = at_target_update(KEY, jnp.int32(step), networks, memory)
        if step not in golden or name == "dense":
            continue
        shapes = {path: kernel.shape for path, kernel in kernels.items()}
        final = OPTIONS.get(name, {}).get("final_sparsity")
        counts = erk_counts(np.float32(golden[step]), shapes, final)
        for path, kernel in kernels.items():
            mask, number = np.asarray(networks[0].masks[path]), int(counts[path])
            assert mask.sum() == number, (path, step)
            if not sparse_from_the_start:
                kept = np.argsort(-np.abs(kernel.ravel()), kind="stable")[:number]
                np.testing.assert_array_equal(np.flatnonzero(mask), np.sort(kept), err_msg=f"{path} at {step}")


# Every method with every agent ---------------------------------------------------------------------------------------

SMALL = {
    "dqn": {"network": "mlp", "width": 16, "double": True},
    "cql": {"network": "mlp", "width": 16},
    "sac": {"critic_width": 16, "actor_width": 16},
    "td3": {"critic_width": 16, "actor_width": 16, "policy_delay": 3},
}
EARLY = {  # so that all of it happens within 100 updates, and compiles in less time
    **{name: {"period": 7} for name in ("gmp", "linear", "cosine", "exponential", "ste", "set", "rigl")},
    "eaudeqn": {"num_networks": 3},
}


def leaked(network: Network) -> int:
    """Pruned weights that are not exactly zero."""
    weights = kernels(network.params)
    return sum(int((~mask & (weights[path] != 0)).sum()) for path, mask in network.masks.items())


def run(agent_name: str, method: str, pruning: dict | None = None, **given) -> tuple[LearnerState, Network, dict]:
    """100 updates of a small agent: the state, the policy, what is measured."""
    action_space = CONTINUOUS if "actor_width" in SMALL[agent_name] else DISCRETE
    agent = AGENTS[agent_name].make(VECTORS, action_space, **SMALL[agent_name])
    options = {"polyak": 0.05 if agent.actor else None}
    learner = learner_with(agent, method, 100, pruning=pruning or {}, learner=options, **EARLY.get(method, {}), **given)
    state, _, _ = train(learner, (sac if action_space is CONTINUOUS else learners).batches(100))
    for act in (learner.act, learner.act_greedily):
        assert np.isfinite(np.asarray(act(state, np.ones(4, np.float32), np.int32(10_000)))).all()
    return state, learner.policy(state), jax.tree.map(float, learner.measure(state))


WITHIN_REACH = {"last": {"final_sparsity": 0.5}}  # where a large last layer stays dense
FIRST = next(iter(AGENTS))
SOME = [(method, FIRST) for method in METHODS] + [("rigl", "cql"), ("gmp", "sac"), ("rigl", "sac"), ("eaudeqn", "td3")]
OTHERS = [(method, agent) for method in METHODS for agent in AGENTS if (method, agent) not in SOME]


@pytest.mark.parametrize("method, agent", SOME)
def test_every_method_trains_and_different_ones_train_every_agent(method: str, agent: str) -> None:
    assert_trained(method, agent)


@pytest.mark.parametrize("method, agent", OTHERS)
def test_every_other_method_trains_every_agent(method: str, agent: str) -> None:
    assert_trained(method, agent)


def assert_trained(method: str, agent: str) -> None:
    """All numbers are finite, and sparsity is the one that was asked for."""
    state, policy, measured = run(agent, method)
    assert leaked(policy) == 0
    assert all(
        np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves((state.online, state.target)) if leaf.size
    )
    for key in ["sparsity"] + ["actor_sparsity"] * (state.actor is not None):
        assert (measured[key] > 0.05) == (method not in NEVER_PRUNE), key
    if method not in WITHOUT_A_SET_SPARSITY:
        assert measured["sparsity"] == pytest.approx(0.95, abs=0.02)


PRUNED = [
    ("dqn", "gmp", {"distribution": "erk", "score": "saliency"}),
    ("sac", "gmp", {"distribution": "global", "score": "normalised", "dense_layers": "last"}),
    ("dqn", "eaudeqn", {"distribution": "global", "score": "random"}),
    ("sac", "eaudeqn", {"structure": "units"}),
    ("sac", "eaudeqn", {"structure": "1:16", "dense_layers": "first"}),
    ("dqn", "rigl", {"distribution": "uniform", "score": "saliency"}),
    ("sac", "distill", {"distribution": "erk", "structure": "unstructured"}),
]


def named(value: object) -> str:
    return ",".join(value.values()) if isinstance(value, dict) else str(value)


@pytest.mark.parametrize("agent, method, pruning", PRUNED, ids=named)
def test_pruning_options_reach_the_methods(agent: str, method: str, pruning: dict) -> None:
    assert_pruned(agent, method, pruning)


@pytest.mark.parametrize("agent, method, pruning", PRUNED, ids=named)
def test_pruning_options_reach_the_methods_of_the_other_agent(agent: str, method: str, pruning: dict) -> None:
    other = "sac" if agent == "dqn" else "dqn"
    if other == "dqn" and pruning.get("dense_layers") == "first":
        pruning = {"structure": pruning["structure"]}
    assert_pruned(other, method, pruning)


def assert_pruned(agent: str, method: str, pruning: dict) -> None:
    _, policy, measured = run(agent, method, pruning, **WITHIN_REACH.get(pruning.get("dense_layers"), {}))
    assert leaked(policy) == 0
    assert 0.05 < measured["sparsity"] < 1
    if "dense_layers" in pruning or pruning.get("structure") == "units":
        last = "Dense_1" if agent == "dqn" else "Dense_2"
        name = "Dense_0" if pruning.get("dense_layers") == "first" else last
        layers = [level for path, level in measured["layer_sparsity"].items() if f"{name}/" in path]
        assert layers and set(layers) == {0}
