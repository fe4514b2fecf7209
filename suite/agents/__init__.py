"""Agents by name: pure functions of parameters and batches, and their options. No JAX is imported here."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from suite.options import Entry, Options
from suite.tasks import FAMILIES, Actions, Task

# The names in suite.agents.networks.NETWORKS.
NetworkName = Literal["nature", "small", "minatar", "mlp", "mlp2", "impala"]


class QLearningOptions(Options):
    """Options `agent.*` of a Q-network."""

    network: NetworkName = Field(
        "nature", description="Nature CNN, smaller CNNs, networks without convolutions, residual CNN (Impala)"
    )
    width: int = Field(512, ge=1, le=2**16, description="units of the hidden dense layer (paper: 32, 512, 2,048)")
    scale: int = Field(1, ge=1, le=64, description="factor of the channels of convolutions")
    layer_norm: bool = Field(False, description="layer norm between each kernel and its ReLU (over units, or channels)")
    learning_rate: float = Field(6.25e-05, gt=0, description="Adam's step size")
    adam_epsilon: float = Field(0.00_015, gt=0, description="Adam's epsilon")
    loss: Literal["mse", "half_mse", "huber"] = Field(
        "mse", description="loss of the TD error: square, half of the square, or Huber (half of the square near 0)"
    )


class DQNOptions(QLearningOptions):
    """Options `agent.*` of a Deep Q-Network."""

    double: bool = Field(
        False, description="Double DQN: the elected network chooses the next action, the target network evaluates it"
    )
    epsilon_start: float = Field(1.0, ge=0, le=1, description="fraction of random actions at the start")
    epsilon_end: float = Field(0.01, ge=0, le=1, description="fraction of random actions after the decay")
    epsilon_decay: int = Field(250_000, ge=1, description="agent steps of the linear decay")
    epsilon_evaluation: float = Field(0.001, ge=0, le=1, description="fraction of random actions in evaluation (ours)")


class CQLOptions(QLearningOptions):
    """Options `agent.*` of Conservative Q-Learning."""

    adam_epsilon: float = Field(0.0003125, gt=0, description="Adam's epsilon")
    cql_weight: float = Field(
        0.1,
        ge=0,
        description="weight of the CQL term beside the squared TD error; half_mse and huber halve both; 0 is DQN",
    )
    epsilon_evaluation: float = Field(0.001, ge=0, le=1, description="fraction of random actions in evaluation (ours)")


class ContinuousOptions(Options):
    """Options `agent.*` of the networks of agents with twin critics and an actor."""

    network: Literal["mlp", "simba"] = Field(
        "mlp", description="critics and actor: two hidden layers, or SimBa (Lee et al. 2025; widths there: 512 and 128)"
    )
    critic_width: int = Field(256, ge=1, le=2**16, description="units of the critics' hidden layers or residual stream")
    actor_width: int = Field(256, ge=1, le=2**16, description="units of the actor's hidden layers or residual stream")
    layer_norm: bool = Field(False, description="layer norm between each kernel and its ReLU, of critics and actor")


class SACOptions(ContinuousOptions):
    """Options `agent.*` of Soft Actor-Critic."""

    critic_learning_rate: float = Field(0.001, gt=0, description="Adam's step size for the critics")
    actor_learning_rate: float = Field(0.001, gt=0, description="Adam's step size for the actor and the temperature")
    target_entropy: Literal["-dim", "-dim/2"] = Field(
        "-dim", description="minus the dimension of the actions (Haarnoja et al.), or half of that (Dopamine)"
    )
    initial_temperature: float = Field(1.0, gt=0, description="entropy coefficient at the start")
    random_steps: int = Field(5_000, ge=0, description="first agent steps with uniformly random actions")


class TD3Options(ContinuousOptions):
    """Options `agent.*` of Twin Delayed DDPG (Fujimoto et al. 2018; defaults of the authors' code)."""

    critic_learning_rate: float = Field(0.0003, gt=0, description="Adam's step size for the critics")
    actor_learning_rate: float = Field(0.0003, gt=0, description="Adam's step size for the actor")
    policy_delay: int = Field(
        2, ge=1, le=1_000, description="gradient steps between updates of the actor, with which the targets follow"
    )
    exploration_noise: float = Field(0.1, ge=0, description="standard deviation of the noise on training actions")
    target_noise: float = Field(0.2, ge=0, description="standard deviation of the noise on the target's actions")
    target_noise_clip: float = Field(0.5, ge=0, description="that noise is clipped to plus or minus this")
    random_steps: int = Field(
        5_000, ge=0, description="first agent steps with uniformly random actions (ours, as sac's; the authors' 25,000)"
    )


@dataclass(frozen=True)
class AgentEntry(Entry):
    """An agent, and the tasks that it can learn."""

    actions: Actions = "discrete"
    only_offline: bool = False  # needs a data set


#: If several agents can learn a task, the first is its default.
AGENTS: dict[str, AgentEntry] = {
    "cql": AgentEntry("suite.agents.cql:cql", CQLOptions, only_offline=True),
    "dqn": AgentEntry("suite.agents.dqn:dqn", DQNOptions),
    "sac": AgentEntry("suite.agents.sac:sac", SACOptions, actions="continuous"),
    "td3": AgentEntry("suite.agents.td3:td3", TD3Options, actions="continuous"),
}


def agents_for(task: Task) -> tuple[str, ...]:
    """Return the names of the agents that can learn a task; the first is the default."""
    offline = FAMILIES[task.family].offline
    return tuple(
        name for name, agent in AGENTS.items() if agent.actions == task.actions and (offline or not agent.only_offline)
    )
