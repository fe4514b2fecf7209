"""Agents: pure functions of parameters and batches. AGENTS names them."""

from suite.agents.dqn import dqn
from suite.agents.sac import sac

AGENTS = {"dqn": dqn, "sac": sac}
