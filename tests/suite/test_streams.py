"""Each draw of a run has randomness of its own: the learner folds its clock into the run's key."""

import jax.numpy as jnp
import numpy as np

from suite.agents import DQNOptions
from suite.agents.dqn import dqn
from tests.support.learners import ACTIONS, OBSERVATIONS, batches, learner_of
from tests.support.learning import learner_with


def test_elections_draw_new_sparsities() -> None:
    """The law "success" has no horizon, so the step of the election matters for its draws alone."""
    learner = learner_of("eaudeqn", num_networks=3, law="success", first_step=0.5)
    levels = []
    for step in (10, 20, 20):
        _, update = learner.update_target(learner.init(0)._replace(step=jnp.int32(step)))
        levels.append(np.asarray(update.sparsities).tolist())
    assert levels[0] != levels[1] == levels[2]


def test_hooks_draw_new_weights() -> None:
    """The first rewiring of SET in one state, at three clocks."""
    learner = learner_of("set", sparsity=0.5, period=1, decay="constant")
    grown = []
    for step in (4, 5, 5):
        state = learner.init(0)
        before = np.asarray(state.online[0].masks["Dense_0/kernel"])
        state = learner.update(state._replace(step=jnp.int32(step)), batches(1)[0])
        grown.append((np.asarray(state.online[0].masks["Dense_0/kernel"]) & ~before).tolist())
    assert np.any(grown[0]) and grown[0] != grown[1] == grown[2]


def test_each_action_has_draws_of_its_own() -> None:
    """All actions are random here. Training and evaluation do not share draws at the same clock."""
    options = DQNOptions(network="mlp", width=4, epsilon_start=1, epsilon_end=1, epsilon_evaluation=1)
    learner = learner_with(dqn(OBSERVATIONS, ACTIONS, options), "dense", 10)
    state, observation = learner.init(0), np.ones(4, np.float32)
    found = [
        [int(act(state, observation, np.int32(step))) for step in range(60)]
        for act in (learner.act, learner.act_greedily)
    ]
    assert all(min(np.bincount(actions, minlength=3)) >= 8 for actions in found)
    assert found[0] != found[1]
