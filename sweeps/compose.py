"""From a run's options to the parts that train it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import gymnasium

from baselines import METHODS
from suite.agents import AGENTS
from suite.environments import make_environment
from suite.errors import UserError, expanded
from suite.experience import Experience
from suite.experience.minari import Recorder
from suite.experience.online import Online
from suite.experience.replay import Replay
from suite.learner import Learner, make_learner
from suite.sparsity.pruner import make_pruner
from suite.tracking.policy import describe
from suite.types import Training
from sweeps.config import DATASETS, Run


class Parts(NamedTuple):
    experience: Experience
    make_environment: Callable[[], gymnasium.Env]
    learner: Learner


def compose(run: Run, record: Path | None = None) -> Parts:
    """Task, agent and method of a run, whose experience is recorded in a folder if there is one.

    Raises UserError when they do not fit each other.
    """
    options, task = run.options, run.task

    make = partial(make_environment, task, options["environment"])
    environment = make()
    spaces = environment.observation_space, environment.action_space
    agent = AGENTS[task.agent](*spaces, **options["agent"])
    describe(agent, environment)  # now, and not at the end of training
    pruner = make_pruner(agent.all_networks, **options["pruning"])
    training = Training(run.gradient_steps, options["learner"]["target_update_period"], agent.optimizer, pruner)
    method = METHODS[run.method.partition(":")[0]](training, **options["method"])
    learner = make_learner(agent, method, **options["learner"])
    return Parts(_experience(run, environment, record), make, learner)


def _experience(run: Run, environment: gymnasium.Env, record: Path | None) -> Experience:
    replay = Replay(environment.observation_space, environment.action_space, **run.options["replay"])
    if not run.offline:
        recorded = Recorder(environment, record, f"{run.task.agent}, {run.method}") if record else environment
        return Online(recorded, replay)
    if record:
        raise UserError(f"--record={record}: a run on {run.task.name} learns from a data set, and makes none")
    environment.close()
    options = dict(run.options["dataset"])
    # Not str.format, which would also look into what it is given.
    place = options["path"].replace("{game}", run.task.environment).replace("{seed}", str(run.seed))
    options["path"] = str(expanded(place))
    return DATASETS[run.task.family](environment.action_space, replay, **options)
