"""The run of a record: `python -m sweeps.run --resume FOLDER` resumes it with the options that it was started with.

Records of version 0.1 lack options that came later, and some of their values had another meaning. This module
translates them to the options of this version that compute the same. Two differences remain: a schedule with
pruning.distribution=erk has other counts before it reaches the final sparsity, and units are ranked by the sum of
absolute values.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from suite.record import reader, schema
from suite.record.models import Count, File, validated
from sweeps.config import RunConfig, resolve

Values = dict[str, Any]
SPARSE_FROM_THE_START = ("static", "set", "rigl")  # whose layers were shared by ERK in version 0.1 too


class Length(File):
    """Options of version 0.1 that determine how many gradient steps and target updates a run has."""

    epochs: Count
    epoch_agent_steps: Count
    initial_samples: Count
    replay_ratio: float = Field(ge=0, le=1e6)
    target_update_period: int = Field(gt=0)


def read(folder: Path) -> RunConfig:
    """Return the run in a folder, under the name that its record has. Raises UserError for a damaged record."""
    config = reader.config(folder)
    name = config.method.partition(":")[0]
    groups = translated(name, config.options, folder / schema.CONFIG)
    method = ",".join(f"{key}={value}" for key, value in groups.pop("method", {}).items())
    flat = {f"{group}.{key}": value for group, values in groups.items() for key, value in values.items()}
    arguments = {"task": config.task, "agent": config.agent, "method": f"{name}:{method}", "seed": config.seed, **flat}
    return resolve(arguments)._replace(recorded_name=config.name)


def translated(method: str, options: Mapping[str, Values], where: object) -> dict[str, Values]:
    """Return groups of options under the names of this version; options of this version stay as they are. Raises
    UserError, which names `where`."""
    groups = {group: dict(values) for group, values in options.items()}
    own, pruning, agent = (groups.setdefault(group, {}) for group in ("method", "pruning", "agent"))
    if pruning.get("distribution", "") is None:  # this version records the resolved default
        pruning["distribution"] = "erk" if method in SPARSE_FROM_THE_START else "uniform"
        _derive_as_0_1(own, groups, where)
    if agent.get("loss") == "squared":
        agent["loss"] = "half_mse"
    groups.setdefault("trainer", {}).setdefault("diagnostic_transitions", 0)  # a record has them from its start
    return groups


def _derive_as_0_1(own: Values, groups: dict[str, Values], where: object) -> None:
    """Set what version 0.1 derived from the length of a run, or capped otherwise."""
    length = validated(Length, {**groups.get("trainer", {}), **groups.get("learner", {})}, where)
    agent_steps = length.epochs * length.epoch_agent_steps - length.initial_samples
    steps = int(agent_steps * length.replay_ratio)
    updates = max(steps // length.target_update_period, 1)
    if "period" in own and own["period"] is None:
        own["period"] = max(min(1_000, steps // 100), 1)
    if "num_networks" in own:
        own.setdefault("cap", "clip")
        if own.get("max_speed") is None and own.get("law") != "success":
            own["max_speed"] = min(12.5 / updates, 1.0)
