"""CSV files -> runs, in the layout of the curves.csv that analysis.table writes: a row an epoch of a run.

    method,task,seed,agent_step,return
    my method,atari/Pong,0,250000,-20.1

Needed are method, task, seed, agent_step, and return or evaluation_return. Further columns of
analysis.data.runs.COLUMNS are taken too (status: finished unless stated; protocol; row, which then is the method),
others are left out and named. The seeds of a method on a task need their rows at about the same agent steps. Columns
and tasks may also have the names of Open RL Benchmark: exp_name, env_id (HalfCheetah-v4), global_step, episodic_return.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.data.protocol import ALIKE
from analysis.data.runs import FAILED, FINISHED, HISTORY, UNFINISHED, Run, history
from analysis.data.sources.names import task_named, version_of
from suite.errors import UserError

OTHER_NAMES = {
    "exp_name": "method",
    "env_id": "task",
    "global_step": "agent_step",
    "episodic_return": "return",
    "charts/episodic_return": "return",
}
NEEDED = ("method", "task", "seed", "agent_step")
RUN = ["method", "task", "seed"]
EXACT = 2**53  # below, a float tells every whole number from the next
COUNTS = ("epoch", "agent_step", "frame", "gradient_step", "operations")
SHARES = ("sparsity", "actor_sparsity")
TEXTS = ("method", "task", "name", "status", "protocol")


def load(path: Path) -> tuple[list[Run], list[str]]:
    """The runs of a file, and a note for columns that were left out.

    Raises UserError for a file in another layout, a value that no run can have, an agent step that a run has twice, or
    seeds whose rows stand at different agent steps.
    """
    frame = _read(path)
    known = {*TEXTS, *RUN, *HISTORY, "row", "source"}
    others = [column for column in frame.columns if column not in known]
    notes = [f"{path}: columns that are not known were left out: {', '.join(others)}."] if others else []
    frame = frame.drop(columns=others)
    if "row" in frame:
        frame["method"] = frame["row"].fillna(frame["method"])
    numbers = [column for column in frame.columns if column in HISTORY or column == "seed"]
    for column in numbers:
        frame[column] = _numbers(path, frame[column], whole=column in ("seed", "agent_step"))
    runs = [_run(path, rows) for _, rows in frame.groupby(RUN, sort=False)]
    for who, rows in frame.groupby(["method", "task"], sort=False):
        _check_steps(f"{path}: {', '.join(map(str, who))}", rows)
    return runs, notes


def _read(path: Path) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row that is longer than the header
            frame = pd.read_csv(path, dtype=str, index_col=False)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, pd.errors.ParserWarning) as error:
        raise UserError(f"{path}: not a CSV file ({' '.join(str(error).split())})") from None
    for old, new in OTHER_NAMES.items():
        if new not in frame.columns:
            frame = frame.rename(columns={old: new})
    missing = [column for column in NEEDED if column not in frame.columns]
    if not {"return", "evaluation_return"} & set(frame.columns):
        missing.append("return")
    if missing:
        raise UserError(f"{path}: has no column {', '.join(missing)}; needed are {', '.join(NEEDED)} and return")
    if frame.empty:
        raise UserError(f"{path}: holds no row")
    for column in NEEDED:
        if frame[column].isna().any():
            raise UserError(f"{path}:{_line(frame[column].isna())}: {column} is empty")
    return frame


def _numbers(path: Path, column: pd.Series, whole: bool) -> pd.Series:
    values = pd.to_numeric(column, errors="coerce")
    wrong = values.isna() & column.notna()
    if whole:
        wrong |= (values % 1 != 0) | (values.abs() >= EXACT)
    kind = "whole number" if whole else "number"
    if column.name in SHARES:
        kind += " from 0 to 1"
        wrong |= (values < 0) | (values > 1)
    elif column.name in COUNTS:
        kind += " from 0 on"
        wrong |= values < 0
    if wrong.any():
        raise UserError(f"{path}:{_line(wrong)}: {column.name} should be a {kind}, found {column[wrong].iloc[0]!r}")
    return values.astype("int64") if whole else values


def _line(wrong: pd.Series) -> int:
    return int(wrong.to_numpy().argmax()) + 2  # after the header, from 1


def _check_steps(who: str, rows: pd.DataFrame) -> None:
    """Raises UserError when the epochs of seeds, which are compared with each other, lie more than an epoch apart (and
    more than is usual where an epoch ends with an episode)."""
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
    method, task, seed = rows[RUN].iloc[0]
    who = f"{path}: {method}, {task}, seed {seed}"
    rows = rows.sort_values("agent_step", kind="stable")
    repeated = rows["agent_step"].duplicated()
    if repeated.any():
        step = rows["agent_step"][repeated].iloc[0]
        raise UserError(f"{who} has agent step {step:,} twice; a seed should be one run")
    stated: dict[str, str] = {}
    for column in ("name", "status", "protocol"):
        values = rows[column].dropna().unique() if column in rows else []
        if len(values) > 1:
            raise UserError(f"{who} has more than one {column}: {', '.join(values)}")
        stated |= {column: values[0]} if len(values) else {}
    status = stated.get("status", FINISHED)
    if status not in (FINISHED, FAILED, UNFINISHED):
        raise UserError(f"{who}: the status should be finished, failed or unfinished, found {status!r}")
    version = version_of(task)
    return Run(
        name=stated.get("name", f"{path.name} {method} {task} {seed}"),
        task=task_named(task) or task,
        method=method,
        seed=int(seed),
        options={},
        versions={},
        status=status,
        reason="" if status == FINISHED else f"so {path.name} says",
        source="csv",
        protocol=stated.get("protocol", f"{f'environment {version}, ' if version else ''}not stated in {path.name}"),
        agent_steps=int(rows["agent_step"].iloc[-1]) if status == FINISHED else None,
        history=history(_epochs(rows)),
    )


def _epochs(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Epochs are counted here: those of a file may have gaps."""
    return [{**line, "epoch": epoch} for epoch, line in enumerate(rows.to_dict("records"), start=1)]
