"""K stacked networks are the K networks of a tuple: in learning, in acting, and in checkpoints."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from suite.learner import Learner
from suite.tracking.checkpoint import leaves
from suite.types import LearnerState, Stacked
from tests.support import learners, sac
from tests.support.learning import assert_close, train

NETWORKS = 3


def listed(state: LearnerState) -> LearnerState:
    return state._replace(online=tuple(state.online))


def stacked(state: LearnerState) -> LearnerState:
    return state._replace(online=Stacked.of(tuple(state.online)))


def restacking(learner: Learner) -> Learner:
    """The learner that holds a tuple, which it stacks for every gradient step.

    In programs of their own: inside the one of the gradient step, stacking changes how sums are fused and rounded.
    """
    return learner._replace(
        init=lambda seed: listed(learner.init(seed)),
        update=lambda state, batch: listed(learner.gradient_step(stacked(state), batch)),
    )


def dqn_learner(vectorize: bool, **options: Any) -> Learner:
    return learners.learner_of("eaudeqn", vectorize=vectorize, num_networks=NETWORKS, **options)


def sac_learner(vectorize: bool, **options: Any) -> Learner:
    return sac.learner_of("eaudeqn", (("vectorize", vectorize),), num_networks=NETWORKS, **options)


agents = pytest.mark.parametrize(
    "make, batches", [(dqn_learner, learners.batches), (sac_learner, sac.batches)], ids=["dqn", "sac"]
)


@agents
def test_networks_that_stay_stacked_learn_the_same_bits(make: Any, batches: Any) -> None:
    kept, data = make(True), batches(30)
    assert isinstance(kept.init(0).online, Stacked)
    (one, one_updates, one_losses), (two, two_updates, two_losses) = train(kept, data), train(restacking(kept), data)
    assert isinstance(one.online, Stacked) and isinstance(two.online, tuple)
    np.testing.assert_array_equal(one_losses, two_losses)
    jax.tree.map(np.testing.assert_array_equal, one_updates, two_updates)
    one_leaves, two_leaves = leaves(listed(one)), leaves(two)
    assert one_leaves.keys() == two_leaves.keys()
    for name in one_leaves:
        assert one_leaves[name].tobytes() == two_leaves[name].tobytes(), name
    assert float(kept.measure(one)["sparsity"]) > 0


@agents
def test_vectorized_is_unrolled(make: Any, batches: Any) -> None:
    """Batched matrix products sum in another order: single precision's 1e-7 a step, grown by Adam."""
    (one, one_updates, one_losses), (two, two_updates, two_losses) = (
        train(make(vectorize), batches(40), winner=2) for vectorize in (False, True)
    )
    np.testing.assert_allclose(one_losses, two_losses, rtol=1e-3)
    for a, b in zip(one_updates, two_updates, strict=True):
        assert a["elected"] == b["elected"] == 2 and a["actor_sparsity"] == b["actor_sparsity"]
        np.testing.assert_array_equal(a["sparsities"], b["sparsities"])
    for a, b in zip((*one.online, one.actor), (*two.online, two.actor), strict=True):
        if a:  # DQN has no actor
            assert_close(a.masks, b.masks, rtol=0, atol=0)
            assert_close(a.params, b.params, rtol=1e-3, atol=1e-4)
    assert_close(one.target, two.target, rtol=1e-3, atol=1e-4)
    assert one_updates[-1]["sparsities"].min() > 0.1  # pruned networks were elected


@pytest.mark.parametrize("reset_optimizer", [True, False])
@agents
def test_the_state_shares_no_memory(make: Any, batches: Any, reset_optimizer: bool) -> None:
    """Its buffers are donated one by one: one that is shared would be gone."""
    learner = make(False, reset_optimizer=reset_optimizer)
    state = learner.init(0)
    for network in state.online[1:]:
        jax.tree.map(np.testing.assert_array_equal, network.params, state.online[0].params)
    for _ in range(2):
        arrays = jax.tree.leaves((state.online, state.target, state.actor))
        assert len({array.unsafe_buffer_pointer() for array in arrays}) == len(arrays)
        state, _ = learner.update_target(state)


def test_checkpoints_name_the_same_arrays_on_every_device() -> None:
    on_gpu, on_cpu = (dqn_learner(vectorize).init(0) for vectorize in (True, False))
    assert isinstance(on_gpu.online, Stacked) and isinstance(on_cpu.online, tuple)
    found, expected = leaves(listed(on_gpu)), leaves(on_cpu)
    assert "online/2/params/Dense_0/kernel" in expected
    assert {name: array.tobytes() for name, array in found.items()} == {n: a.tobytes() for n, a in expected.items()}


@pytest.mark.parametrize("behaviour", ["inverse_loss", "uniform", "elected"])
def test_stacked_networks_act_as_a_tuple_does(behaviour: str) -> None:
    """The network is drawn on the device in one case, by the host in the other. Network k prefers action k."""
    learner = dqn_learner(True, behaviour=behaviour)
    state, _, _ = train(learner, learners.batches(25))
    assert isinstance(state.online, Stacked)
    network = state.online.tree
    params = jax.tree.map(jnp.zeros_like, network.params)
    params["Dense_1"]["bias"] = jnp.eye(NETWORKS)
    state = state._replace(online=Stacked(network._replace(params=params)))
    observation, actions = np.ones(4, np.float32), []
    for step in range(10**6, 10**6 + 60):
        actions.append(int(learner.act(state, observation, np.int32(step))))
        assert actions[-1] == int(learner.act(listed(state), observation, np.int32(step)))
        assert int(learner.act_greedily(state, observation, np.int32(step))) == 0
    assert (min(np.bincount(actions, minlength=NETWORKS)) < 5) == (behaviour == "elected")


def test_the_action_is_the_only_value_that_comes_to_the_host() -> None:
    learner = dqn_learner(True)
    state, batch = learner.init(0), learners.batches(1)[0]
    jax.make_jaxpr(learner.act)(state, batch.observation[0], np.int32(0))  # a value read on the way would fail
    jax.make_jaxpr(learner.update)(state, batch)
