"""Acting without JAX is acting as with it."""

import gc
import json
import tracemalloc

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load

from suite.deploy import compact
from suite.deploy import runner as runner_module
from suite.deploy.cleanup import clean
from suite.deploy.network import Policy, from_flax
from suite.deploy.runner import KINDS as WAYS
from suite.deploy.runner import Runner
from suite.environments import AtariOptions, RegisteredOptions, atari, mujoco
from suite.errors import UserError
from tests.support.policies import KINDS, make, observations

TIE = 1e-4  # of the largest value: two actions whose values are closer are equally good


def recompacted(policy: Policy) -> Policy:
    """Cleaned up, written and read."""
    data, card = compact.pack(clean(policy).policy, {})
    return compact.unpack(load(data), json.loads(card), "file")


def assert_same_actions(runner: Runner, seen: np.ndarray, expected: np.ndarray) -> None:
    """Equal, but for ties among discrete ones and rounding of continuous ones."""
    if runner.action == "tanh":
        np.testing.assert_allclose([runner(observation) for observation in seen], expected, atol=1e-4)
        return
    for observation, wanted in zip(seen, expected, strict=True):
        values = runner.outputs(observation)
        assert abs(values[int(runner(observation))] - values[wanted]) <= TIE * np.abs(values).max()


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(KINDS)),
    st.sampled_from([0.0, 0.5, 0.9, 0.99, 0.999, 1.0]),
    st.integers(0, 2**16),
    st.lists(st.sampled_from(WAYS), min_size=5, max_size=5),
)
def test_actions_are_jaxs_for_any_mask_and_either_way(kind: str, sparsity: float, seed: int, ways: list[str]) -> None:
    made = make(kind, sparsity, seed)
    seen = observations(kind, 10, seed)
    policy = recompacted(made.policy)
    assert_same_actions(Runner(policy, ways[: len(policy.layers)]), seen, made.in_jax(seen))


def recorded(environment: gymnasium.Env, count: int) -> np.ndarray:
    """What random actions show."""
    environment.action_space.seed(0)
    seen = [environment.reset(seed=0)[0]]
    while len(seen) < count:
        observation, _, terminated, truncated, _ = environment.step(environment.action_space.sample())
        seen.append(environment.reset()[0] if terminated or truncated else observation)
    return np.stack(seen)


@pytest.mark.parametrize("kind", ["small", "sac"])
def test_ten_thousand_recorded_observations(kind: str) -> None:
    pong = {"screen_size": 24, "frame_skip": 1, "max_pool": False}
    environment = (
        atari.make("Pong", AtariOptions(**pong)) if kind == "small" else mujoco.make("Hopper", RegisteredOptions())
    )
    seen = recorded(environment, 10_000)
    made = make(kind, 0.8)
    if kind == "small":  # no action is the best everywhere
        some = [Runner(made.policy, ["dense"] * 4).outputs(observation) for observation in seen[::100]]
        made.arrays["Dense_1/bias"] -= np.mean(some, axis=0)
        made = made._replace(policy=from_flax(made.arrays, made.built.card["network"]))
    expected = made.in_jax(seen)
    assert len(np.unique(expected, axis=0)) > 1  # so that agreeing means something
    assert_same_actions(Runner(recompacted(made.policy)), seen, expected)


def test_the_choice_is_recorded_and_repeats_what_it_was_told() -> None:
    policy = make("small", 0.99).policy
    runner = Runner(policy)
    for choice in runner.choices:
        assert choice.dense is not None and choice.csr is not None
        assert choice.kind == ("csr" if choice.csr < choice.dense else "dense")
    same = Runner(policy, [choice.kind for choice in runner.choices])
    assert [choice.kind for choice in same.choices] == [choice.kind for choice in runner.choices]
    assert same.nbytes == runner.nbytes
    assert Runner(policy, ["dense"] * 4).nbytes == sum(part.weight.nbytes + part.bias.nbytes for part in policy.layers)


@pytest.mark.parametrize("dense, csr, kind", [(2.0, 3.0, "dense"), (3.0, 2.0, "csr")])
def test_the_faster_way_is_taken(dense: float, csr: float, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when a call of it was disturbed."""
    seconds = {"dense": np.array([9.0, dense, 9.0]), "csr": np.array([csr, csr, csr])}
    monkeypatch.setattr(runner_module, "by_turns", lambda functions, calls: seconds)
    assert [choice.kind for choice in Runner(make("mlp", 0.9).policy).choices] == [kind, kind]


def test_a_large_layer_that_is_nearly_empty_runs_sparse() -> None:
    """A thousand times the weights: no load on the machine turns that round."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((1000, 2000), np.float32) * (rng.random((1000, 2000)) > 0.999)
    layer = make("mlp", 0.0).policy.layers[0]._replace(weight=weight, bias=np.zeros(1000, np.float32))
    assert Runner(Policy((2000,), 1.0, (layer,), "argmax")).choices[0].kind == "csr"


@pytest.mark.parametrize("kinds", [["csr", "csr"], ["dense", "dense"], None])
def test_it_holds_no_more_memory_than_it_says(kinds: list[str] | None) -> None:
    """The file's policy is let go: of a layer that runs sparse, no dense weights stay."""
    rng = np.random.default_rng(0)
    first, last = make("mlp", 0.0).policy.layers
    weight = rng.standard_normal((400, 2000), np.float32) * (rng.random((400, 2000)) > 0.99)
    first = first._replace(weight=weight, bias=np.zeros(400, np.float32))
    last = last._replace(weight=np.ones((3, 400), np.float32))
    data, card = compact.pack(Policy((2000,), 1.0, (first, last), "argmax"), {})
    gc.collect()
    tracemalloc.start()
    runner = Runner(compact.unpack(load(data), json.loads(card), "file"), kinds)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert runner.nbytes <= held < runner.nbytes + 100_000
    assert runner.choices[0].kind != "csr" or held < weight.nbytes / 10


def test_wrong_observations_and_kinds_are_one_line() -> None:
    policy = make("mlp", 0.5).policy
    with pytest.raises(UserError, match=r"of shape \(5,\), not \(6,\)"):
        Runner(policy)(np.zeros(6))
    with pytest.raises(UserError, match="dense or csr"):
        Runner(policy, ["dense", "coo"])
