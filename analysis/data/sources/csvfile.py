"""CSV files -> runs, in the layout of the curves.csv that analysis.table writes: one row for each epoch of a run.

    method,task,seed,agent_step,return
    my method,atari/Pong,0,250000,-20.1

The columns method, task, seed, agent_step, and return or evaluation_return are needed. Other columns of
analysis.data.runs.COLUMNS are optional (status: finished by default; protocol; row, which replaces method); a note
names the columns that are ignored. The seeds of a method on a task need rows at about the same agent steps. Columns and
tasks may have their names in Open RL Benchmark: exp_name, env_id (HalfCheetah-v4), global_step, episodic_return.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field, TypeAdapter

from analysis.data import validation
from analysis.data.protocol import ALIKE
from analysis.data.runs import DESCRIPTION, FINISHED, Run, history
from analysis.data.sources.names import task_named, version_of
from analysis.data.validation import Amount, Count, Number, Share, Text, Whole
from suite.errors import UserError

OTHER_NAMES = {
    "exp_name": "method",
    "env_id": "task",
    "global_step": "agent_step",
    "episodic_return": "return",
    "charts/episodic_return": "return",
}
RUN = ["method", "task", "seed"]
IGNORED = {"row", "source"}  # `row` replaces `method`

Status = Annotated[
    Literal["finished", "failed", "unfinished"] | None, Field(description="finished, failed or unfinished")
]

Versions = Annotated[
    str | None,
    Field(pattern=r"^[^, ]+ [^, ]+(, [^, ]+ [^, ]+)*$", description="versions of packages: jax 0.10.2, flax 0.12.8"),
]


class CurveRow(BaseModel):
    """A row of a file: an epoch of a run."""

    method: Text
    task: Text
    seed: Whole
    agent_step: Count
    training_return: Number = Field(None, alias="return")
    evaluation_return: Number = None
    name: Text | None = None
    status: Status = None
    protocol: Text | None = None
    planned_agent_steps: Count | None = None
    commit: Text | None = None
    versions: Versions = None
    epoch: Amount = None  # counted anew, as those of a file may have gaps
    frame: Amount = None
    gradient_step: Amount = None
    operations: Amount = None
    sparsity: Share = None
    actor_sparsity: Share = None
    seconds: Number = None


FIELDS = {field.alias or name: field for name, field in CurveRow.model_fields.items()}
NEEDED = [name for name, field in FIELDS.items() if field.is_required()]
ROWS = TypeAdapter(list[CurveRow])


def load(path: Path) -> tuple[list[Run], list[str]]:
    """Return the runs of a file, and a note if columns were ignored.

    Raises UserError for a file in another layout, a value that no run can have, an agent step that a run has twice, or
    seeds whose rows have different agent steps.
    """
    cells = validation.read_csv(path)
    for old, new in OTHER_NAMES.items():
        if new not in cells.columns:
            cells = cells.rename(columns={old: new})
    _check_columns(path, cells)
    others = [column for column in cells.columns if column not in FIELDS.keys() | IGNORED]
    notes = [f"{path}: columns that are not known were left out: {', '.join(others)}."] if others else []
    if "row" in cells:
        cells["method"] = cells["row"].fillna(cells["method"])
    cells = cells[[column for column in cells.columns if column in FIELDS]]
    rows = validation.rows(path, cells, CurveRow)
    frame = pd.DataFrame(ROWS.dump_python(rows, by_alias=True, exclude_unset=True))
    runs = [_run(path, part) for _, part in frame.groupby(RUN, sort=False)]
    for who, part in frame.groupby(["method", "task"], sort=False):
        _check_steps(f"{path}: {', '.join(map(str, who))}", part)
    return runs, notes


def _check_columns(path: Path, cells: pd.DataFrame) -> None:
    """Raise UserError for a file without a column that is needed, or without rows."""
    missing = [column for column in NEEDED if column not in cells.columns]
    if not {"return", "evaluation_return"} & set(cells.columns):
        missing.append("return")
    if missing:
        raise UserError(f"{path}: has no column {', '.join(missing)}; needed are {', '.join(NEEDED)} and return")
    if cells.empty:
        raise UserError(f"{path}: holds no row")


def _check_steps(who: str, rows: pd.DataFrame) -> None:
    """Raise UserError if the rows of different seeds, which are compared, are more than an epoch apart.

    Small differences are allowed, as an epoch may end with an episode.
    """
    rows = rows.sort_values("agent_step")
    steps = rows.assign(epoch=rows.groupby("seed").cumcount()).pivot(index="epoch", columns="seed", values="agent_step")
    lowest, highest = steps.min(axis=1), steps.max(axis=1)
    apart = highest - lowest > np.fmax(ALIKE * highest, steps.diff().stack().median())
    if apart.any():
        epoch = apart.idxmax()
        raise UserError(
            f"{who}: row {epoch + 1} of one seed is at agent step {lowest[epoch]:,.0f} and of another at"
            f" {highest[epoch]:,.0f}; seeds need rows at about the same steps, each with the mean return since the last"
        )


def _run(path: Path, rows: pd.DataFrame) -> Run:
    """Make a run of its rows. Raises UserError if they contradict each other."""
    method, task, seed = rows[RUN].iloc[0]
    who = f"{path}: {method}, {task}, seed {seed}"
    rows = rows.sort_values("agent_step", kind="stable")
    repeated = rows["agent_step"].duplicated()
    if repeated.any():
        step = rows["agent_step"][repeated].iloc[0]
        raise UserError(f"{who} has agent step {step:,} twice; a seed should be one run")
    stated: dict[str, Any] = {}
    for column in DESCRIPTION:
        values = rows[column].dropna().unique() if column in rows else []
        if len(values) > 1:
            raise UserError(f"{who} has more than one {column}: {', '.join(map(str, values))}")
        stated |= {column: values[0]} if len(values) else {}
    status = stated.get("status", FINISHED)
    version = version_of(task)
    planned = stated.get("planned_agent_steps", rows["agent_step"].iloc[-1] if status == FINISHED else None)
    return Run(
        name=stated.get("name", f"{path.name} {method} {task} {seed}"),
        task=task_named(task) or task,
        method=method,
        seed=int(seed),
        options={},
        versions=_versions(stated),
        status=status,
        reason="" if status == FINISHED else f"so {path.name} says",
        source="csv",
        protocol=stated.get("protocol", f"{f'environment {version}, ' if version else ''}not stated in {path.name}"),
        agent_steps=None if planned is None else int(planned),
        history=history(_epochs(rows)),
    )


def _versions(stated: Mapping[str, Any]) -> dict[str, str]:
    """Return the versions of packages, and the commit as that of the project."""
    packages = dict(package.split(" ") for package in stated["versions"].split(", ")) if "versions" in stated else {}
    return packages | ({"project": stated["commit"]} if "commit" in stated else {})


def _epochs(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a run with epochs 1, 2, 3, ..."""
    return [{**line, "epoch": epoch} for epoch, line in enumerate(rows.to_dict("records"), start=1)]
