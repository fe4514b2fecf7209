"""W&B workspaces with this benchmark's charts, one a task: `python -m suite.publish.dashboard runs/atari-laptop`.

Without an account it says what there is instead, and at a terminal shows the newest run there. Exit codes: 0 all is
well, 1 W&B does not take them, 2 bad input.
"""

import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws
from wandb_workspaces.workspaces import internal

from suite.errors import Parser, UserError, expanded, first_line, one_line
from suite.program import terminal
from suite.program.command import start
from suite.publish import colours
from suite.publish.sync import find
from suite.publish.upload import PROJECT, entity_of, has_key

WANDB = Path(sys.executable).with_name("wandb")
AXIS = "agent_step"
CURVES = {  # title -> what is drawn over agent steps, mean and spread over the seeds of a group
    "Learning": {
        "training return": ["epoch/return"],
        "evaluation return": ["evaluation/return"],
        "TD loss of the elected network": ["epoch/loss"],
    },
    "Sparsity": {
        "elected network": ["epoch/sparsity"],
        "actor": ["epoch/actor_sparsity"],
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
        ws.Section(name, panels=list(map(_grouped, *zip(*curves.items(), strict=True))), is_open=True)
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


def _grouped(title: str, metrics: list[str]) -> wr.LinePlot:
    return wr.LinePlot(
        title=title,
        x=AXIS,
        y=list(metrics),
        groupby=wr.Config("group"),
        groupby_aggfunc="mean",
        groupby_rangefunc="stddev",
        max_runs_to_show=100,
    )


def _single(title: str, pattern: str) -> wr.LinePlot:
    """Metrics whose names match a pattern, of each run."""
    return wr.LinePlot(title=title, x=AXIS, metric_regex=pattern, max_runs_to_show=10)


def _scatter(title: str, metric: str) -> wr.ScatterPlot:
    return wr.ScatterPlot(
        title=title, x=wr.SummaryMetric("epoch/sparsity"), y=wr.SummaryMetric(metric), running_ymax=True
    )


def save(project: str, tasks: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Save a workspace for each task; yield a line to print. A workspace of an earlier call is replaced.

    `tasks` maps each task to the colours of its groups. Raises the errors of W&B's client.
    """
    import wandb

    entity = entity_of(wandb.Api())
    for task, shown in tasks.items():
        drawn = workspace(entity, project, task, shown)
        drawn._internal_name = f"nw-{hashlib.sha256(task.encode()).hexdigest()[:11]}-v"  # otherwise a random one
        drawn._internal_id = _there(entity, project, drawn._internal_name)
        yield f"{task}: {drawn.save().url}"


def _there(entity: str, project: str, name: str) -> str:
    """W&B's id of the workspace of this name; "" if there is none."""
    try:
        return str(internal.get_view_dict(entity, project, internal._internal_name_to_url_query_str(name))["id"])
    except ValueError:
        return ""


def offline(place: Path) -> str:
    """What there is without an account."""
    return "\n".join(
        [
            "no key for W&B is known here (`wandb login`, and then `make sync`); without one there is",
            f"  a run in the terminal:    {WANDB} leet {place}/<run>/wandb",
            f"  all figures on one page:  make report RUNS={place}  ->  {place}/report/report.html",
        ]
    )


def show_offline(place: Path) -> None:
    """At a terminal, become `wandb leet` of the newest run that has W&B's files."""
    files = [folder / "wandb" for folder in find([place]) if (folder / "wandb").is_dir()]
    if files and sys.stdin.isatty() and terminal.capable(sys.stdout):
        newest = max(files, key=lambda folder: folder.stat().st_mtime)
        os.execv(WANDB, [str(WANDB), "leet", str(newest)])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = Parser(prog="python -m suite.publish.dashboard", description=first_line(__doc__))
    parser.add_argument("runs", type=expanded, metavar="FOLDER", help="a folder of runs, whose tasks are shown")
    parser.add_argument("--project", default=os.environ.get("WANDB_PROJECT", PROJECT), help="on W&B [eaudeqn]")
    try:
        given = parser.parse_args(arguments)
        tasks = colours.by_task(find([given.runs]))
        if not has_key():
            print(offline(given.runs), flush=True)
            show_offline(given.runs)
            return 0
        for url in save(given.project, tasks):
            print(url)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Exception as error:  # the network, the key, the project: many kinds, and none is a bug here
        print(f"W&B does not take the workspaces ({one_line(error)})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    start(main)
