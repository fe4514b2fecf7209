"""The steps whose time is measured are those that make up most of a run."""

import jax
import numpy as np
import pytest

from suite.trainer import Parts
from suite.types import Array, LearnerState
from sweeps.compose import compose
from sweeps.config import RunConfig, resolve
from sweeps.estimate import steps


def test_agent_steps_are_timed_with_the_exploration_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """With that at the start, DQN acts at random, and an estimate has no forward pass of its network."""
    run = resolve({"task": "classic/CartPole", "method": "dense", "seed": 0, "agent.width": 8})
    clocks: set[int] = set()

    def noted(run: RunConfig) -> Parts:
        parts = compose(run)

        def act(state: LearnerState, observation: Array, agent_step: Array | np.int32) -> jax.Array:
            clocks.add(int(agent_step))
            return parts.learner.act(state, observation, agent_step)

        return parts._replace(learner=parts.learner._replace(act=act))

    monkeypatch.setattr(steps, "compose", noted)
    steps.time_steps(run, seconds=0.01)
    assert clocks == {run.total_agent_steps}
