"""Agents: pure functions of parameters and batches. AGENTS names them."""

from suite.agents.dqn import dqn

AGENTS = {"dqn": dqn}
