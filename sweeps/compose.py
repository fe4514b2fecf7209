"""Compose the parts that train a run from its options."""

from functools import partial
from pathlib import Path

import gymnasium
import optax

from baselines.registry import METHODS
from suite.agents import AGENTS
from suite.environments import make_environment
from suite.errors import UserError, expanded
from suite.experience import Experience
from suite.experience.dataset import Dataset
from suite.experience.minari import Recorder
from suite.experience.online import Online
from suite.experience.replay import Replay
from suite.layers import Networks
from suite.learner import make_learner
from suite.sparsity.pruner import make_pruner
from suite.tracking.policy import describe
from suite.trainer import Parts
from suite.types import Sparsifier, Training
from sweeps.config import RunConfig


def compose(run: RunConfig, record: Path | None = None) -> Parts:
    """Compose task, agent and method of a run. Record its experience in the folder `record`, if one is given.

    Raises UserError when they do not fit each other.
    """
    options = run.options
    make = partial(make_environment, run.task, options.environment)
    environment = make()
    agent = AGENTS[run.agent].load()(environment.observation_space, environment.action_space, options.agent)
    describe(agent, environment)  # a network that no card can describe fails now, and not after training
    learner = make_learner(agent, _method(run, agent.optimizer, agent.all_networks), options.learner)
    return Parts(_experience(run, environment, record), make, learner)


def check_method(run: RunConfig) -> None:
    """Raise UserError for options of a method and of the pruner that do not fit each other. It needs no network."""
    _method(run, optax.identity(), ())


def _method(run: RunConfig, optimizer: optax.GradientTransformation, networks: Networks) -> Sparsifier:
    options = run.options
    pruner = make_pruner(options.pruning, networks)
    training = Training(run.gradient_steps, options.learner.target_update_period, optimizer, pruner)
    sparsifier: Sparsifier = METHODS[run.method.partition(":")[0]].load()(training, options.method)
    return sparsifier


def _experience(run: RunConfig, environment: gymnasium.Env, record: Path | None) -> Experience:
    replay = Replay(environment.observation_space, environment.action_space, run.options.replay)
    dataset = run.options.dataset
    if dataset is None:
        recorded = Recorder(environment, record, f"{run.agent}, {run.method}") if record else environment
        return Online(recorded, replay)
    if record:
        raise UserError(
            f"--record={record}: a run on {run.task.name} learns from a data set and records none; leave it out"
        )
    environment.close()
    # Not str.format, which would also look into what it is given.
    place = dataset.path.replace("{game}", run.task.environment).replace("{seed}", str(run.seed))
    return Dataset(environment.action_space, replay, dataset.model_copy(update={"path": str(expanded(place))}))
