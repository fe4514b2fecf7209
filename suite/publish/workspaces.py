"""W&B workspaces with this benchmark's charts, one a task: what suite.publish.dashboard saves."""

import hashlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import wandb_workspaces.workspaces as ws
from wandb_workspaces.reports.v2 import interface as wr
from wandb_workspaces.workspaces import internal

from suite.errors import one_line
from suite.publish.upload import entity_of

AXIS = "agent_step"
CURVES = {  # section -> title -> metric over agent steps, mean and spread over the seeds of a group
    "Learning": {
        "training return": "epoch/return",
        "evaluation return": "evaluation/return",
        "TD loss of the elected network": "epoch/loss",
    },
    "Sparsity": {
        "elected network": "epoch/sparsity",
        "actor": "epoch/actor_sparsity",
    },
}
ELECTIONS = {  # of single runs: which network won, and against what
    "who is elected": "target_update/elected",
    "cumulated losses of the K networks": "target_update/losses/.*",
    "sparsities before the election": "target_update/sparsities_before/.*",
    "sparsities after the election": "target_update/sparsities/.*",
}
SYSTEM = {
    "CPU of the run's process, %": "system/proc.cpu.*",
    "memory of the run's process, MB": "system/proc.memory.rssMB",
    "GPU, %": r"system/gpu\.\d+\.gpu",
}


def workspace(entity: str, project: str, task: str, colours: Mapping[str, str]) -> ws.Workspace:
    """Return the charts of one task's runs. Runs that differ in their seed alone are one group.

    `colours` maps groups to colours, as #rrggbb.
    """
    sections = [
        ws.Section(name, panels=[_grouped(*curve) for curve in curves.items()], is_open=True)
        for name, curves in CURVES.items()
    ]
    pareto: list[Any] = [
        _scatter("training return", "epoch/return"),
        _scatter("evaluation return", "evaluation/return"),
    ]
    return ws.Workspace(
        entity=entity,
        project=project,
        name=task,
        sections=[
            *sections,
            ws.Section("Pareto: return against sparsity", panels=pareto, is_open=True),
            ws.Section("Elections", panels=[_single(*curve) for curve in ELECTIONS.items()]),
            ws.Section("Layers", panels=[_single("sparsity by layer", "epoch/(actor_)?layer_sparsity/.*")]),
            ws.Section("Films", panels=[wr.MediaBrowser(media_keys=["video"])]),
            ws.Section("Runs", panels=[wr.RunComparer(diff_only="split")]),
            ws.Section("System", panels=[_single(*curve) for curve in SYSTEM.items()]),
        ],
        settings=ws.WorkspaceSettings(x_axis=AXIS, max_runs=100),
        runset_settings=ws.RunsetSettings(
            filters=[ws.Config("task") == task], groupby=[ws.Config("group")], group_colors=dict(colours.items())
        ),
    )


def _grouped(title: str, metric: str) -> wr.LinePlot:
    return wr.LinePlot(
        title=title,
        x=AXIS,
        y=[metric],
        groupby=wr.Config("group"),
        groupby_aggfunc="mean",
        groupby_rangefunc="stddev",
        max_runs_to_show=100,
    )


def _single(title: str, pattern: str) -> wr.LinePlot:
    """Return metrics whose names match a pattern, of each run."""
    return wr.LinePlot(title=title, x=AXIS, metric_regex=pattern, max_runs_to_show=10)


def _scatter(title: str, metric: str) -> wr.ScatterPlot:
    return wr.ScatterPlot(
        title=title, x=wr.SummaryMetric("epoch/sparsity"), y=wr.SummaryMetric(metric), running_ymax=True
    )


def publish(entity: str | None, project: str, tasks: Mapping[str, Mapping[str, str]]) -> int:
    """Save a workspace for each task and print its address; return the exit code, 1 if W&B does not take them.

    Without an entity it is the user's own. `tasks` maps each task to the colours of its groups.
    """
    try:
        for address in save(entity, project, tasks):
            print(address)
    except Exception as error:  # the network, the key, the project: many kinds, and none is a bug here
        print(f"W&B does not take the workspaces ({one_line(error)})", file=sys.stderr)
        return 1
    return 0


def save(entity: str | None, project: str, tasks: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Save a workspace a task and yield a line on it. It replaces the one that an earlier call has saved, with changes
    by hand. Raises whatever W&B's client raises."""
    import wandb

    entity = entity or entity_of(wandb.Api())
    for task, colours in tasks.items():
        drawn: Any = workspace(entity, project, task, colours)
        drawn._internal_name = f"nw-{hashlib.sha256(task.encode()).hexdigest()[:11]}-v"  # otherwise a random one
        drawn._internal_id = _there(entity, project, drawn._internal_name)
        yield f"{task}: {drawn.save().url}"


def _there(entity: str, project: str, name: str) -> str:
    """Return W&B's id of the workspace of this name; "" if W&B has none."""
    try:
        return str(internal.get_view_dict(entity, project, internal._internal_name_to_url_query_str(name))["id"])
    except ValueError:
        return ""
