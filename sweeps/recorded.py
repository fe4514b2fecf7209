"""The run of a record: `python -m sweeps.run --resume FOLDER` resumes it with the options that it was started with.

Records of version 0.1 lack options that came later, and some of their values had another meaning. Here they become the
options of this version that compute the same. Two things compute otherwise: a schedule with pruning.distribution=erk
has other counts on its way to the final sparsity, and units are ranked by the sum of absolute values.
"""

from pathlib import Path
from typing import Any

from suite.errors import UserError
from suite.record import schema
from sweeps.config import Run, resolve

Options = dict[str, Any]
SPARSE_FROM_THE_START = ("static", "set", "rigl")  # whose layers were shared by ERK in version 0.1 too


def read(folder: Path) -> Run:
    """The run in a folder, under the name that its record has. Raises UserError for a record that cannot be read."""
    config = schema.read_json(folder / schema.CONFIG)
    options = config.get("options")
    if not isinstance(options, dict) or not all(isinstance(group, dict) for group in options.values()):
        raise UserError(f"{folder / schema.CONFIG}: 'options' should hold groups of options; the file is damaged")
    name = str(config.get("method")).partition(":")[0]
    groups = translated(name, options)
    method = ",".join(f"{key}={value}" for key, value in groups.pop("method", {}).items())
    flat = {f"{group}.{key}": value for group, values in groups.items() for key, value in values.items()}
    agent = {"agent": config["agent"]} if "agent" in config else {}
    arguments = {"task": config.get("task"), **agent, "method": f"{name}:{method}", "seed": config.get("seed"), **flat}
    return resolve(arguments)._replace(recorded_name=str(config.get("name")))


def translated(method: str, options: dict[str, Options]) -> dict[str, Options]:
    """Groups of options as this version names them; those of this version are left as they are."""
    groups = {group: dict(values) for group, values in options.items()}
    own, pruning, agent = (groups.setdefault(group, {}) for group in ("method", "pruning", "agent"))
    if pruning.get("distribution", "") is None:  # this version records what the default comes to
        pruning["distribution"] = "erk" if method in SPARSE_FROM_THE_START else "uniform"
        _derived_by_0_1(own, groups)
    if agent.get("loss") == "squared":
        agent["loss"] = "half_mse"
    return groups


def _derived_by_0_1(own: Options, groups: dict[str, Options]) -> None:
    """What version 0.1 derived from the length of a run, and capped otherwise."""
    trainer = groups.get("trainer", {})
    try:
        agent_steps = trainer["epochs"] * trainer["epoch_agent_steps"] - trainer["initial_samples"]
        steps = int(agent_steps * trainer["replay_ratio"])
        updates = max(steps // groups["learner"]["target_update_period"], 1)
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise UserError(f"the record's options are damaged ({error!r})") from None
    if "period" in own and own["period"] is None:
        own["period"] = max(min(1_000, steps // 100), 1)
    if "num_networks" in own:
        own.setdefault("cap", "clip")
        if own.get("max_speed") is None and own.get("law") != "success":
            own["max_speed"] = min(12.5 / updates, 1.0)
