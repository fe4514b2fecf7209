"""The policy of a run in JAX, as it was trained: what the other formats are compared with."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium
import jax
import numpy as np
from flax import traverse_util

from suite.agents import AGENTS
from suite.deploy import compact
from suite.environments import environment_of
from suite.record import schema
from suite.record.models import validated
from suite.tasks import task as find_task
from suite.tracking.policy import describe
from suite.types import Agent
from sweeps.config import find_agent
from sweeps.recorded import translated


def agent_of(card: Mapping[str, Any], environment: gymnasium.Env) -> Agent:
    """Return the agent of a run, without the random actions that an evaluation may have."""
    own = translated(str(card["method"]).partition(":")[0], card["options"], card["name"])["agent"]
    if "epsilon_evaluation" in own:
        own["epsilon_evaluation"] = 0.0
    agent = AGENTS[find_agent(find_task(card["task"]), card.get("agent"))]
    options = validated(agent.options, own, f"{card['name']}: options.agent")
    made: Agent = agent.load()(environment.observation_space, environment.action_space, options)
    return made


def description(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `suite.tracking.policy.describe` says about a run's networks, from its options alone."""
    environment = environment_of(card)
    return describe(agent_of(card, environment), environment)


def greedy(folder: Path, card: Mapping[str, Any]) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from an observation [...] to the agent's own greedy action."""
    environment = environment_of(card)
    agent, key = agent_of(card, environment), jax.random.key(0)
    arrays = compact.read_arrays(folder / schema.POLICY)
    params = jax.device_put(traverse_util.unflatten_dict(arrays, sep="/"))
    act = jax.jit(lambda params, observation: agent.act(key, params, observation, 0, greedy=True))
    return lambda observation: np.asarray(act(params, observation))
