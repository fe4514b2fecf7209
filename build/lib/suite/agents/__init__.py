"""Agents: pure functions of parameters and batches. AGENTS names them."""

from collections.abc import Callable

from suite.agents.cql import cql
from suite.agents.dqn import dqn
from suite.agents.sac import sac
from suite.types import Agent

AGENTS: dict[str, Callable[..., Agent]] = {"dqn": dqn, "sac": sac, "cql": cql}
