"""Costs are counted right: against numbers by hand, and against the operations of the compiled learner."""

from typing import Any

import jax
import numpy as np
import pytest

from suite.deploy import costs
from suite.deploy.cleanup import clean
from suite.deploy.costs import GradientStep
from suite.deploy.network import Layer, Policy
from suite.tracking.policy import describe
from sweeps.bench.throughput import operations, products
from sweeps.compose import compose
from sweeps.config import resolve
from tests.support.policies import build


def policy() -> Policy:
    """A convolution of a 4x4 image into 2x2x2, and a dense layer of 8 -> 3; half of its weights are zero."""
    first = Layer(np.ones((2, 1, 3, 3), np.float32), np.ones(2, np.float32), 2, True)
    first.weight[1, 0, 1:] = 0  # 9 + 3 kept
    last = Layer(np.tile(np.eye(4, dtype=np.float32)[:3], 2), np.ones(3, np.float32), 1, False)  # 6 kept of 24
    return Policy((1, 4, 4), 255.0, (first, last), "argmax")


def test_a_policy_by_hand() -> None:
    found = costs.of_policy(policy(), {})
    assert (found["parameters"], found["kept"], found["units"]) == (18 + 24 + 5, 12 + 6 + 5, [2])
    assert found["bytes"]["dense"] == 4 * 47
    assert found["multiply_adds"]["dense"] == 18 * 4 + 24
    assert found["multiply_adds"]["sparse"] == 12 * 4 + 6
    assert found["units_removed"] == [0]
    assert found["multiply_adds"]["cleaned_dense"] == 18 * 4 + 24


def test_the_clean_up_saves_multiply_adds() -> None:
    first, last = policy().layers
    first.weight[1] = 0
    found = costs.of_policy(policy()._replace(layers=(first, last)), {})
    assert clean(policy()._replace(layers=(first, last))).removed == found["units_removed"] == [1]
    assert found["multiply_adds"]["cleaned_dense"] == 9 * 4 + 12
    assert found["multiply_adds"]["cleaned_sparse"] == 9 * 4 + 3


ATARI = {"agent.network": "small", "agent.width": 16, "environment.screen_size": 42, "replay.capacity": 100}
CASES = [
    ("atari/Pong", "dense", ATARI),
    ("atari/Pong", "eaudeqn", ATARI),
    ("mujoco/Hopper", "dense", {"replay.capacity": 300}),
    ("mujoco/Hopper", "eaudeqn", {"replay.capacity": 300}),
    ("classic/CartPole", "eaudeqn", {"replay.capacity": 300, "agent.double": True}),
    ("mujoco/Hopper", "eaudeqn", {"replay.capacity": 300, "agent": "td3", "agent.policy_delay": 1}),
]


@pytest.mark.parametrize("task, method, options", CASES)
def test_executed_operations_are_those_of_the_compiled_gradient_step(task: str, method: str, options: dict) -> None:
    run = resolve({"task": task, "method": method, "seed": 0, **options})
    experience, make_environment, learner = compose(run)
    experience.start(0)
    for _ in range(50):
        experience.take(experience.environment.action_space.sample())  # type: ignore[attr-defined]
    batch = experience.sample(np.random.default_rng(0))
    state = jax.eval_shape(learner.init, 0)
    expected = sum(map(operations, products(jax.make_jaxpr(learner.gradient_step)(state, batch).jaxpr)))

    card = describe(learner.agent, make_environment())
    rows = [epoch(1, 0.0), update(1, [0.0] * len(state.online))]
    batch_size = run.options.replay.batch_size
    step = GradientStep(card["multiply_adds"], card["first_layers"], batch_size, len(state.online))
    found = costs.of_training(step._replace(double=options.get("agent.double", False)), rows)
    assert (found["gradient_steps"], found["networks"]) == (1, len(state.online))
    # The gradient of a strided convolution's inputs is counted there without the padding.
    assert found["executed"] == found["ideal"] == pytest.approx(expected, rel=0.05 if "atari" in task else 1e-9)


def epoch(gradient_step: int, sparsity: float, layers: dict[str, float] | None = None) -> dict[str, Any]:
    row = {"kind": "epoch", "gradient_step": gradient_step, "sparsity": sparsity, "layer_sparsity": layers or {}}
    return row | {"actor_sparsity": None, "actor_layer_sparsity": None}


def update(
    gradient_step: int, before: list[float], after: list[float] | None = None, elected: int = 0
) -> dict[str, Any]:
    row = {"kind": "target_update", "gradient_step": gradient_step, "sparsities_before": before}
    return row | {"sparsities": after or before, "elected": elected, "actor_sparsity": None}


ONE, FIRST = {"online": {"Dense_0/kernel": 100}, "actor": None}, ["Dense_0/kernel"]
ALONE = GradientStep(ONE, FIRST, batch_size=1, networks=1)


def test_training_by_hand() -> None:
    """K = 2, one layer of 100 weights, batch 1: a step executes 2 * 2 * 100 to learn and 100 for the target.

    10 steps at densities 1, 1 and a dense target; 10 at 1, 0.5 with the first elected; 5 after the second was.
    """
    rows = [
        update(10, [0.0, 0.0], [0.0, 0.5]),
        update(20, [0.0, 0.5], [0.5, 0.8], elected=1),
        epoch(25, 0.5, {"Dense_0/kernel": 0.5}),
    ]
    found = costs.of_training(GradientStep(ONE, FIRST, 1, 2), rows)
    assert found["executed"] == 2 * 25 * (2 * 2 * 100 + 100)
    ideal = 10 * (2 * 200 + 100) + 10 * (200 + 100 + 100) + 5 * (100 + 40 + 50)
    assert found["ideal"] == pytest.approx(2 * ideal)


def test_sparsity_between_two_updates_is_taken_in_the_middle() -> None:
    """As gradual pruning has it: 0 at first, 0.4 when the period ends."""
    rows = [update(10, [0.0]), update(20, [0.4]), epoch(20, 0.4, {"Dense_0/kernel": 0.4})]
    found = costs.of_training(ALONE, rows)
    assert found["ideal"] == pytest.approx(2 * (10 * (200 + 100) + 10 * (0.8 * 200 + 100)))


def test_a_sparse_large_layer_saves_more_than_a_sparse_small_one() -> None:
    """Two layers with as many weights, the first applied at 9 positions: 0.5 sparse on average, but not each."""
    both = {"online": {"Conv_0/kernel": 900, "Dense_0/kernel": 100}, "actor": None}
    for first, second in ((0.9, 0.1), (0.1, 0.9)):
        layers = {"Conv_0/kernel": first, "Dense_0/kernel": second}
        rows = [update(10, [0.5]), epoch(10, 0.5, layers)]
        found = costs.of_training(GradientStep(both, ["Conv_0/kernel"], 1, 1), rows)
        kept = (2 + 1) * 900 * (1 - first) + (3 + 1) * 100 * (1 - second)
        assert found["ideal"] == pytest.approx(2 * 10 * kept)


def test_layers_are_in_proportion_as_sparse_as_at_the_end_of_the_epoch() -> None:
    """One-shot pruning in the middle of an epoch: 10 dense steps, then 10 whose layers have sparsities 0.9 and 0.1."""
    both = {"online": {"Conv_0/kernel": 900, "Dense_0/kernel": 100}, "actor": None}
    layers = {"Conv_0/kernel": 0.9, "Dense_0/kernel": 0.1}
    rows = [update(10, [0.0], [0.5]), update(20, [0.5]), epoch(20, 0.5, layers)]
    found = costs.of_training(GradientStep(both, ["Conv_0/kernel"], 1, 1), rows)
    dense, pruned = 2 * 900 + 3 * 100, 2 * 90 + 3 * 90
    assert found["executed"] == 2 * 20 * (dense + 1000)
    assert found["ideal"] == pytest.approx(2 * 10 * (dense + 1000) + 2 * 10 * (pruned + 1000))
    half = costs.of_training(GradientStep(both, ["Conv_0/kernel"], 1, 1), [update(10, [0.25]), epoch(20, 0.5, layers)])
    learned = 2 * 900 * 0.55 + 3 * 100 * 0.95 + 900 * 0.55 + 100 * 0.95
    assert half["ideal"] == pytest.approx(2 * 10 * learned + 2 * 10 * learned)


def test_pruned_weights_that_learn_need_their_gradients() -> None:
    """10 steps at a sparsity of 0.9 of the network and its target: 10 forward, 100 for the gradients, 10 the target."""
    rows = [update(10, [0.9]), epoch(10, 0.9, {"Dense_0/kernel": 0.9})]
    found = costs.of_training(ALONE._replace(dense_gradients=True), rows)
    assert found["ideal"] == pytest.approx(2 * 10 * (10 + 100 + 10))


def test_a_run_without_an_epoch_has_cost_nothing() -> None:
    assert costs.of_training(ALONE, [])["executed"] == 0


def test_a_run_without_a_target_update_learned_with_all_its_networks() -> None:
    """10 steps of 5 networks that keep half of their weights."""
    rows = [epoch(10, 0.5, {"Dense_0/kernel": 0.5})]
    found = costs.of_training(GradientStep(ONE, FIRST, 1, 5), rows)
    assert (found["networks"], found["executed"]) == (5, 2 * 10 * (5 * 200 + 100))
    assert found["ideal"] == pytest.approx(found["executed"] / 2)


@pytest.mark.parametrize("kind, number", [("small", 1), ("mlp", 1), ("sac", 3)])
def test_cards_of_earlier_versions_do_not_name_their_first_layers(kind: str, number: int) -> None:
    card = build(kind).card
    named = costs.first_layers(card)
    assert len(named) == number and named == set(card["first_layers"])
    assert costs.first_layers({key: value for key, value in card.items() if key != "first_layers"}) == named


def test_what_double_dqn_and_one_critic_of_two_cost() -> None:
    """10 steps, batch 1: a network of 100 weights, half of them kept, chooses the next action too; an actor of 10
    weights learns through one critic of two."""
    rows = [update(10, [0.5]), epoch(10, 0.5, {"Dense_0/kernel": 0.5})]
    found = costs.of_training(ALONE._replace(double=True), rows)
    assert (found["executed"], found["ideal"]) == (2 * 10 * (200 + 100 + 100), 10 * (200 + 100 + 100))
    twins = {"a/kernel": 100, "b/kernel": 100}
    card = {"online": twins, "actor": {"policy/kernel": 10}, "through": {"a/kernel": 100}}
    rows = [update(10, [0.0]), epoch(10, 0.0)]
    found = costs.of_training(GradientStep(card, [*twins, "policy/kernel"], 1, 1), rows)
    assert found["executed"] == found["ideal"] == 2 * 10 * (2 * 200 + 200 + 10 + 2 * 10 + 2 * 100)


def test_an_actor_that_learns_at_every_second_step_costs_half_of_that() -> None:
    """10 steps, batch 1, one layer each: critics of 100 weights, an actor of 10. None of the layers is pruned."""
    both = {"online": {"Dense_0/kernel": 100}, "actor": {"policy/kernel": 10}}
    rows = [update(10, [0.0]), epoch(10, 0.0)]
    step = GradientStep(both, [*FIRST, "policy/kernel"], 1, 1)
    every, second = (costs.of_training(step._replace(policy_delay=delay), rows) for delay in (1, 2))
    critics_and_target_actions = 2 * 10 * (2 * 100 + 100 + 10)
    assert every["executed"] == critics_and_target_actions + 2 * 10 * (2 * 10 + 2 * 100)
    assert second["executed"] == second["ideal"] == critics_and_target_actions + 2 * 5 * (2 * 10 + 2 * 100)
