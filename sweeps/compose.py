"""From a run's options to the parts that train it."""

from collections.abc import Callable
from typing import NamedTuple

import gymnasium

from baselines import METHODS
from suite.agents import AGENTS
from suite.environments import ENVIRONMENTS
from suite.experience import Experience
from suite.experience.online import Online
from suite.experience.replay import Replay
from suite.learner import Learner, make_learner
from suite.pruning import make_pruner
from suite.types import Training
from sweeps.config import Run


class Parts(NamedTuple):
    experience: Experience
    make_environment: Callable[[], gymnasium.Env]
    learner: Learner


def compose(run: Run) -> Parts:
    """Task, agent and method of a run. Raises UserError when they do not fit each other."""
    options, task = run.options, run.task

    def make_environment() -> gymnasium.Env:
        return ENVIRONMENTS[task.family](task.environment, **options["environment"])

    environment = make_environment()
    spaces = environment.observation_space, environment.action_space
    agent = AGENTS[task.agent](*spaces, **options["agent"])
    pruner = make_pruner(**options["pruning"])
    training = Training(run.gradient_steps, options["learner"]["target_update_period"], agent.optimizer, pruner)
    method = METHODS[run.method.partition(":")[0]](training, **options["method"])
    learner = make_learner(agent, method, **options["learner"])
    return Parts(Online(environment, Replay(*spaces, **options["replay"])), make_environment, learner)
