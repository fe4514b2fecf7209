"""Where each default comes from: one row for each option that the paper, its authors' code or another source sets.

The defaults themselves are read from the code (`rows`), so that this table cannot differ from what a run uses. The
first entry of SOURCES that matches an option and a family counts.
"""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from baselines.registry import METHODS
from suite.agents import agents_for
from suite.tasks import FAMILIES, Task, task
from sweeps.config import groups, method_options

EXAMPLES = {
    "atari": task("atari/Pong"),
    "mujoco": task("mujoco/Hopper"),
    "minatar": task("minatar/Breakout"),
    "classic": task("classic/CartPole"),
    "offline": task("offline/Pong"),
}

RELEASED = "released configuration of the paper's models (model card Atari_EauDeQN)"
SLIM_DQN = "slimDQN, and Dopamine's dqn.gin"
SLIM_SAC = "slimSAC; Haarnoja et al. 2018"
SLIM_CQL = "slimCQL, local_cql.sh"
ALE = "Machado et al. 2018, as in slimDQN"
PRUNE_DQN = "Graesser et al. 2022, dqn_atari_prune.gin"
PRUNE_SAC = "Graesser et al. 2022, sac_mujoco_pruning_config.gin"
SPARSE_DQN = "Graesser et al. 2022, dqn_atari_set.gin and dqn_atari_rigl.gin"
SPARSE_SAC = "Graesser et al. 2022, sac_mujoco_sparse_config.gin"
ERK = "JaxPruner's dqn.gin (`dist_type = 'erk'`); Graesser et al. 2022, dqn_atari_prune.gin and"
ERK += " sac_mujoco_pruning_config.gin (`mask_init_method = 'erdos_renyi_kernel'`)"
OURS = "ours"


class Source(NamedTuple):
    """Where the defaults of the options that match come from, for some families."""

    option: str  # "agent.width", or "gmp:power" of a method; * stands for anything
    families: tuple[str, ...]
    source: str  # `OURS` if there is none
    reason: str = ""  # where the default is ours or differs from its source: why


EVERY, ONLINE, IMAGES = ("atari", "mujoco", "offline"), ("atari",), ("atari", "offline")
MUJOCO, OFFLINE = ("mujoco",), ("offline",)

SOURCES = (
    # Agents
    Source("agent.network", IMAGES, "Mnih et al. 2015, with SAME padding as in slimDQN"),
    Source("agent.network", MUJOCO, SLIM_SAC),
    Source("agent.scale", IMAGES, "Mnih et al. 2015; Espeholt et al. 2018"),
    Source("agent.layer_norm", IMAGES, "Mnih et al. 2015 have none"),
    Source("agent.layer_norm", MUJOCO, "Haarnoja et al. 2018 have none"),
    Source("agent.width", IMAGES, RELEASED),
    Source("agent.learning_rate", ONLINE, f"{RELEASED}; {SLIM_DQN}"),
    Source("agent.learning_rate", OFFLINE, f"{RELEASED}; {SLIM_CQL}"),
    Source("agent.adam_epsilon", ONLINE, SLIM_DQN),
    Source("agent.adam_epsilon", OFFLINE, "slimCQL, cql.py"),
    Source("agent.loss", IMAGES, f"{SLIM_DQN}: the squared error, not halved, to which the epsilon of 1.5e-4 belongs"),
    Source("agent.double", ONLINE, "Mnih et al. 2015: the target network chooses and values the next action"),
    Source("agent.cql_weight", OFFLINE, f"{RELEASED}; {SLIM_CQL}"),
    Source("agent.epsilon_evaluation", IMAGES, "Dopamine's dqn.gin"),
    Source("agent.epsilon_*", ONLINE, f"{RELEASED}; {SLIM_DQN}"),
    Source("agent.critic_width", MUJOCO, SLIM_SAC),
    Source("agent.actor_width", MUJOCO, SLIM_SAC),
    Source("agent.*_learning_rate", MUJOCO, "slimSAC (Haarnoja et al. 2018: 3e-4)"),
    Source("agent.target_entropy", MUJOCO, "Haarnoja et al. 2018 (Dopamine: half of it)"),
    Source("agent.initial_temperature", MUJOCO, "Stable-Baselines3"),
    Source("agent.random_steps", MUJOCO, "slimSAC: 5,000 initial samples"),
    Source("agent.random_steps (td3)", MUJOCO, OURS, "as sac's; Fujimoto et al. 2018: 25,000 in the authors' code"),
    Source("agent.* (td3)", MUJOCO, "Fujimoto et al. 2018, the authors' code (TD3.py and main.py)"),
    Source("agent.learning_rate (dqn)", OFFLINE, "slimCQL, parser_argument.py"),
    Source("agent.* (dqn)", OFFLINE, "as online"),
    # Learner
    Source("learner.target_update_period", IMAGES, f"{RELEASED}; offline counted in gradient steps"),
    Source("learner.target_update_period", MUJOCO, OURS, "the period of elections; the target follows by Polyak"),
    Source("learner.polyak", MUJOCO, SLIM_SAC),
    Source("learner.polyak", IMAGES, "Mnih et al. 2015: the target is replaced, and does not follow"),
    Source("learner.election_window", IMAGES, "AdaDQN: the losses of the whole period are cumulated"),
    Source("learner.election_window", MUJOCO, OURS, "a fresh Adam handicaps copies at first: results/mujoco-pilots"),
    Source("learner.behaviour", EVERY, "AdaDQN: p_k ~ 1 / (L_k + 1e-6)"),
    Source("learner.vectorize", EVERY, OURS, "changes speed, not results"),
    # Pruner
    Source("pruning.distribution", EVERY, ERK, "for eaudeqn ours: pilots in results/pilots.md; N:M and units: uniform"),
    Source("pruning.score", EVERY, "Zhu & Gupta 2017"),
    Source("pruning.dense_layers", EVERY, "Graesser et al. 2022 (`sparse_output_layer = True`)"),
    Source("pruning.structure", EVERY, "Zhu & Gupta 2017"),
    # Replay, environments, trainer
    Source("replay.capacity", IMAGES, RELEASED),
    Source("replay.batch_size", IMAGES, f"{RELEASED}; {SLIM_DQN}"),
    Source("replay.batch_size", MUJOCO, SLIM_SAC),
    Source("replay.reward_clip", MUJOCO, SLIM_SAC),
    Source("replay.*", IMAGES, f"{RELEASED}; {SLIM_DQN}"),
    Source("replay.*", MUJOCO, "Haarnoja et al. 2018"),
    Source("environment.noop_max", IMAGES, "slimDQN: no no-op starts, since actions are sticky"),
    Source("environment.max_episode_agent_steps", IMAGES, RELEASED),
    Source("environment.max_episode_agent_steps", MUJOCO, "gymnasium's v5 environments"),
    Source("environment.*", IMAGES, ALE),
    Source("trainer.evaluation_episodes", ONLINE, "slimDQN: training returns alone"),
    Source("trainer.evaluation_episodes", MUJOCO, "slimSAC: every 10,000 agent steps"),
    Source("trainer.evaluation_episodes", OFFLINE, OURS, "learning offline has no training return"),
    Source("trainer.initial_samples", ONLINE, f"{RELEASED}; the first target update is at agent step 28,000, where"
           " slimDQN's is at 24,000", "gradient steps are counted, and there are none before agent step 20,000"),
    Source("trainer.diagnostic_transitions", EVERY, OURS, "changes the record, not the training"),
    Source("trainer.*", IMAGES, RELEASED),
    Source("trainer.*", MUJOCO, SLIM_SAC),
    Source("dataset.path", OFFLINE, "Agarwal et al. 2020, layout of the DQN Replay data set"),
    Source("dataset.*", OFFLINE, RELEASED),
    # Schedules
    Source("gmp:final_sparsity", IMAGES, f"{RELEASED}; {PRUNE_DQN}"),
    Source("gmp:final_sparsity", MUJOCO, PRUNE_SAC),
    Source("gmp:period", IMAGES, f"{RELEASED}: every 4,000 agent steps; JaxPruner's dqn.gin (Graesser et al.: 5,000)",
           "a hundredth of training in shorter runs"),
    Source("gmp:period", MUJOCO, f"{PRUNE_SAC}: 1,000", "a hundredth of training in shorter runs"),
    Source("gmp:regrow", EVERY, "JaxPruner: pruned weights stay zero"),
    Source("gmp:power", EVERY, "Zhu & Gupta 2017"),
    Source("gmp:*", IMAGES, f"{RELEASED}; {PRUNE_DQN}"),
    Source("gmp:*", MUJOCO, PRUNE_SAC),
    Source("ste:period", EVERY, "Lin et al. 2020", "a hundredth of training in shorter runs"),
    Source("ste:*", EVERY, OURS, "as gmp, so that only the gradient of pruned weights differs"),
    Source("iterative:prunings", EVERY, OURS, "Han et al. 2015 give no number"),
    Source("oneshot:at", EVERY, OURS, "half-way leaves half of training to recover"),
    Source("distill:schedule", EVERY, OURS, "the paper's is not known here"),
    *(Source(f"{name}:*", EVERY, OURS, "as gmp, so that only the schedule differs")
      for name in ("linear", "cosine", "exponential", "iterative", "oneshot", "constant", "distill")),
    # Sparse from the start
    Source("static:sparsity", IMAGES, "Graesser et al. 2022, dqn_atari_static.gin"),
    Source("static:sparsity", MUJOCO, SPARSE_SAC),
    Source("set:sparsity", IMAGES, OURS, "as gmp's final sparsity (Graesser et al.: 0.9)"),
    Source("rigl:sparsity", IMAGES, OURS, "as gmp's final sparsity (Graesser et al.: 0.9)"),
    Source("set:drop_fraction", MUJOCO, OURS, "as rigl, so that only growth differs (Graesser et al.: 0.3)"),
    Source("rigl:drop_fraction", MUJOCO, "Graesser et al. 2022, table 2 (their configuration file has 0.1)"),
    *(
        source
        for name in ("set", "rigl")
        for source in (
            Source(f"{name}:period", EVERY, OURS, "a hundredth of training in shorter runs"),
            Source(f"{name}:delay", EVERY, "Graesser et al. 2022: from the start"),
            Source(f"{name}:*", IMAGES, SPARSE_DQN),
            Source(f"{name}:*", MUJOCO, SPARSE_SAC),
        )
    ),
    # EauDeQN
    Source("eaudeqn:num_networks", EVERY, RELEASED),
    Source("eaudeqn:max_noise", EVERY, RELEASED),
    Source("eaudeqn:reset_optimizer", EVERY, RELEASED),
    Source("eaudeqn:max_speed", EVERY, f"{RELEASED}: 0.01", "12.5 / target updates in shorter runs (1,250 x 0.01)"),
    Source("eaudeqn:cap", EVERY, OURS, "clipped copies are equal, while the paper speaks of different sparsity levels"),
    Source("eaudeqn:elect", EVERY, "the paper's abstract; AdaDQN"),
    Source("eaudeqn:keep_copy", EVERY, "the paper's abstract"),
    Source("eaudeqn:smoothing", EVERY, "slimSAC's average of critic losses"),
    Source("eaudeqn:success_rate", EVERY, "Rechenberg 1973, the 1/5 success rule", "the law success is ours"),
    Source("eaudeqn:law", EVERY, OURS, "the paper's law is not known here: docs/explanation/protocols.md"),
    Source("eaudeqn:*", EVERY, OURS, "not known of the paper: docs/explanation/protocols.md"),
)  # fmt: skip


class Row(NamedTuple):
    """A line of docs/reference/defaults.md: a default, the families that have it, and its source."""

    option: str
    families: tuple[str, ...]
    default: Any
    source: str
    reason: str


def source_of(option: str, family: str) -> Source:
    """Return the family's own entry, or the first of SOURCES that matches. Raises LookupError if there is none.

    A family that has entries of its own has Atari's for the other options.
    """
    own = FAMILIES[family].sources
    if option in own:
        return Source(option, (family,), own[option])
    for source in SOURCES:
        if ("atari" if own else family) in source.families and fnmatchcase(option, source.option):
            return source
    raise LookupError(f"{option} has no source for {family}")


def defaults(example: Task) -> dict[str, Any]:
    """Return every option of a task's runs and methods with its default: {"agent.width": 512, "gmp:power": 3.0}.

    Options of an agent that is not the task's default name it: "agent.policy_delay (td3)".
    """
    found = {
        f"{group}.{key}": field.default for group, m in groups(example).items() for key, field in m.model_fields.items()
    }
    for name in agents_for(example)[1:]:
        fields = groups(example, name)["agent"].model_fields
        found |= {f"agent.{key} ({name})": field.default for key, field in fields.items()}
    for name in METHODS:
        found |= {f"{name}:{key}": field.default for key, field in method_options(example, name).model_fields.items()}
    return found


def rows() -> Iterator[Row]:
    """Yield the table: an option has a row for each default and source that it has among the families."""
    by_family = {family: defaults(example) for family, example in EXAMPLES.items()}
    for option in dict.fromkeys(key for found in by_family.values() for key in found):
        same: dict[tuple[Any, Source], list[str]] = {}
        for family, found in by_family.items():
            if option in found:
                same.setdefault((found[option], source_of(option, family)), []).append(family)
        for (default, source), families in same.items():
            yield Row(option, tuple(families), default, source.source, source.reason)
