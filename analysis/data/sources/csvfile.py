"""CSV files -> runs: the curves.csv that analysis.table writes, and the files of other programs (layouts.py).

    method,task,seed,agent_step,return
    my method,atari/Pong,0,250000,-20.1

A row is an epoch of a run. The columns method, task, seed, agent_step, and return or evaluation_return are needed; a
file's name may say the first three (names.py). Other columns of analysis.data.runs.COLUMNS are optional (status:
finished by default; protocol; row, which replaces method); a note names the columns that are ignored. The seeds of a
method on a task need rows at about the same agent steps. Rows of single episodes are averaged over epochs, and rows of
one agent step are joined (epochs.py).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from reprlib import repr as shortened  # a value that a file holds may be very long
from typing import Any

import numpy as np
import pandas as pd

from analysis.data import validation
from analysis.data.protocol import ALIKE, NOT_STATED
from analysis.data.runs import DESCRIPTION, FAILED, FINISHED, HISTORY, TABLES, UNFINISHED, Run, columns_of
from analysis.data.sources import epochs, layouts, names
from analysis.data.sources.epochs import RETURNS
from analysis.data.sources.layouts import SUFFIXES, Content, CsvOptions
from analysis.data.validation import AMOUNT, COUNT, NUMBER, SHARE, WHOLE, Kind
from suite.errors import UserError
from suite.program.terminal import counted
from suite.tasks import TASKS, Task

RUN = ["method", "task", "seed"]
NEEDED = (*RUN, "agent_step")
IGNORED = {"row", "source"}  # `row` replaces `method`
NUMBERS: dict[str, Kind] = {
    "seed": WHOLE, "agent_step": COUNT, "return": NUMBER, "evaluation_return": NUMBER, "epoch": AMOUNT, "frame": AMOUNT,
    "gradient_step": AMOUNT, "operations": AMOUNT, "sparsity": SHARE, "actor_sparsity": SHARE, "seconds": NUMBER,
    "planned_agent_steps": COUNT,
}  # fmt: skip
TEXTS = ("method", "task", "name", "status", "protocol", "commit", "versions")
VERSIONS = re.compile(r"[^, ]+ [^, ]+(, [^, ]+ [^, ]+)*")
#: W&B's states of a run, too.
STATES = {"finished": FINISHED, "failed": FAILED, "unfinished": UNFINISHED, "crashed": FAILED, "killed": FAILED}
STATES |= dict.fromkeys(names.NOT_ENDED, UNFINISHED)
EPISODES, EPOCHS = 5, 100  # that an epoch has on average, and a run about: for rows of single episodes


def load(
    place: Path, options: CsvOptions | None = None, report: Path | None = None, tasks: Mapping[str, Task] = TASKS
) -> tuple[list[Run], list[str]]:
    """Return the runs of a file or of the files in a folder, and notes on what was left out.

    Args:
        place: a file, or a folder whose files are read at any depth.
        options: how columns and runs are named.
        report: the folder that is written to; it is not read.
        tasks: the tasks that are known. Rows of others are left out.

    Raises UserError for a file in another layout, a value that no run can have, an agent step at which a run has two
    values, the same return of a run twice, or seeds whose rows have different agent steps.
    """
    options = options or CsvOptions()
    notes: list[str] = []
    contents = []
    for path in files(place, report):
        content = layouts.read(path, options)
        if content is None:
            notes.append(f"{path}: no returns; it was left out (--columns return=TAG takes another tag).")
        else:
            contents.append(content)
    if not contents:
        raise UserError(f"{place}: holds no returns; --columns return=NAME names the column or tag that holds them")
    frames = [_typed(content, options, tasks, notes) for content in _one_a_run(contents, notes)]
    frame = _known_tasks(place, pd.concat(frames), tasks, notes)
    lengths = _epochs(frame, options.epoch)
    if lengths and options.epoch is None:
        said = ", ".join(dict.fromkeys(f"{length:,.0f}" for length in lengths.values()))
        notes.append(f"{place}: returns of episodes were averaged over epochs of {said} agent steps (--epoch N).")
    elif frame["episodes"].any() and not lengths:
        notes.append(f"{place}: each return is that of a run's last episode; export the history for means of several.")
    runs = [rows.sort_values("agent_step", kind="stable") for _, rows in frame.groupby(RUN, sort=False)]
    for rows in runs:
        epochs.check_files(_who(place, rows), rows)
    for who, part in frame.groupby(["method", "task"], sort=False):
        if who[1] not in lengths:
            _check_steps(f"{place}: {', '.join(map(str, who))}", part)
    return [_run(place, rows, lengths.get(rows["task"].iloc[0])) for rows in runs], notes


def files(place: Path, report: Path | None = None) -> list[Path]:
    """Return a file, or the CSV files in a folder but those in `report` and this benchmark's tables."""
    if not place.is_dir():
        return [place]
    found = sorted(path for path in place.rglob("*.csv*") if path.name.endswith(SUFFIXES))
    kept = [path for path in found if path.name.removesuffix(".gz") not in TABLES]
    return [path for path in kept if report is None or report.resolve() not in path.resolve().parents]


def _one_a_run(contents: Sequence[Content], notes: list[str]) -> list[Content]:
    """Join the episodes of the environments of one run, and count the agent steps of all of them together.

    The progress.csv of such a run is left out, as its returns are moving averages of the same episodes.
    """
    monitors: dict[str, list[Content]] = {}
    for content in contents:
        if "length" in content.rows:
            monitors.setdefault(content.name, []).append(content)
    joined = []
    for content in contents:
        if content.name in monitors and layouts.is_progress(content.path):
            beside = monitors[content.name][0].path.name
            notes.append(
                f"{content.path}: left out, as {beside} beside it has the episodes of the same run; name the file with"
                " --runs to read it instead."
            )
        elif "length" not in content.rows:
            joined.append(content)
    for name, several in monitors.items():
        rows = pd.concat([content.rows for content in several]).sort_values("time", kind="stable", ignore_index=True)
        rows["agent_step"] = rows["length"].cumsum()
        joined.append(Content(several[0].path, name, rows.drop(columns=["length", "time"]), episodes=True))
    return joined


def _typed(content: Content, options: CsvOptions, tasks: Mapping[str, Task], notes: list[str]) -> pd.DataFrame:
    """Return the rows of a file with valid cells, and what its name and the options say of them."""
    rows, path = content.rows.assign(**dict(options.constants)), content.path
    if options.protocol is not None and "protocol" not in rows:
        rows["protocol"] = options.protocol
    if "row" in rows:
        rows["method"] = rows["row"].fillna(rows["method"]) if "method" in rows else rows["row"]
    if not set(RUN) <= set(rows):
        _name_runs(content, rows, options, tasks)
    _check_columns(content, rows)
    others = [str(column) for column in rows if column not in (*TEXTS, *NUMBERS, *IGNORED)]
    notes += [f"{path}: columns that are not known were left out: {', '.join(others)}."] if others else []
    notes += [content.note] if content.note else []
    typed = {}
    for column in TEXTS:
        if column in rows:
            typed[column] = rows[column]
            if column in NEEDED and (empty := typed[column].isna()).any():
                raise UserError(f"{path}:{rows.index[empty.to_numpy().argmax()]}: {column} is empty")
    for column, kind in NUMBERS.items():
        if column in rows:
            typed[column] = validation.numbers(path, rows[column], kind, needed=column in NEEDED)
    if "status" in typed:
        typed["status"] = typed["status"].str.lower()
        _check_texts(path, typed["status"], lambda text: text in STATES, "finished, failed or unfinished")
        typed["status"] = typed["status"].map(STATES)
    if "versions" in typed:
        words = "versions of packages: jax 0.10.2, flax 0.12.8"
        _check_texts(path, typed["versions"], lambda text: bool(VERSIONS.fullmatch(text)), words)
    return pd.DataFrame(typed).assign(file=path.as_posix(), episodes=content.episodes)


def _check_texts(path: Path, cells: pd.Series, fits: Callable[[str], bool], words: str) -> None:
    """Raise UserError, which names line and column, for the first text that does not fit. Empty cells do."""
    for line, text in cells.dropna().items():
        if not fits(text):
            raise UserError(f"{path}:{line}: {cells.name} should be {words}, found {shortened(text)}")


def _name_runs(content: Content, rows: pd.DataFrame, options: CsvOptions, tasks: Mapping[str, Task]) -> None:
    """Add method, task and seed to rows without them, as the names of their runs or of their file say them."""
    runs = rows["name"].astype(str) if "name" in rows else pd.Series("", rows.index)
    said = {run: names.parsed(f"{content.name}/{run}".rstrip("/"), options.names, tasks) for run in runs.unique()}
    for column in RUN:
        if column not in rows and any(column in parts for parts in said.values()):
            rows[column] = runs.map({run: parts.get(column) for run, parts in said.items()})


def _check_columns(content: Content, rows: pd.DataFrame) -> None:
    """Raise UserError for a file without a column that is needed, or without rows."""
    path = content.path
    missing = [column for column in NEEDED if column not in rows]
    if not set(RETURNS) & set(rows):
        missing.append("return")
    if missing:
        named = ", or say how files or runs are named with --names '{method}/{task}_{seed}'"
        raise UserError(
            f"{path}: has no column {', '.join(missing)}; needed are {', '.join(NEEDED)} and return (or"
            f" evaluation_return), {layouts.found(content.header or content.rows)}. Name columns with --columns"
            f" {missing[0]}=THEIRS or {missing[0]}:=TEXT for all rows" + named * bool({*RUN} & {*missing})
        )
    if rows.empty:
        raise UserError(f"{path}: holds no row")


def _known_tasks(place: Path, frame: pd.DataFrame, tasks: Mapping[str, Task], notes: list[str]) -> pd.DataFrame:
    """Return the rows of known tasks, with the version of the environment that the task's name states."""
    known = {name: names.task_named(name, tasks) for name in frame["task"].unique()}
    unknown = [name for name, task in known.items() if task is None]
    said = f"tasks without a random and a reference return: {', '.join(unknown)} (--references FILE gives them)"
    if len(unknown) == len(known):
        raise UserError(f"{place}: {said}")
    kept = frame[~frame["task"].isin(unknown)]
    if unknown:
        notes.append(f"{place}: {counted(len(frame) - len(kept), 'row')} left out: {said}.")
    versions = {name: names.version_of(name) if task != name else None for name, task in known.items()}
    return kept.assign(task=kept["task"].map(known), version=kept["task"].map(versions))


def _epochs(frame: pd.DataFrame, given: int | None) -> dict[str, float]:
    """Return {task: agent steps of an epoch} of the tasks whose rows are single episodes; of all tasks if `given`."""
    if given is not None:
        return dict.fromkeys(frame["task"].unique(), given)
    lengths = {}
    for task, part in frame.groupby("task", sort=False):
        runs = part.groupby(RUN)["agent_step"].agg(["size", "max"])
        if part["episodes"].any() and runs["size"].max() > 1:
            longest = max(runs["max"].max(), 1)
            least = max(longest / EPOCHS, longest * EPISODES / runs["size"].min())
            power = 10.0 ** np.floor(np.log10(least))
            lengths[str(task)] = min(next(n * power for n in (1, 2, 5, 10) if n * power >= least), longest)
    return lengths


def _check_steps(who: str, rows: pd.DataFrame) -> None:
    """Raise UserError if the rows of different seeds, which are compared, are more than an epoch apart.

    Small differences are allowed, as an epoch may end with an episode.
    """
    rows = rows.drop_duplicates(["seed", "agent_step"]).sort_values("agent_step")
    seeds = rows.groupby("seed")
    steps = pd.DataFrame({seed: pd.Series(own["agent_step"].array, epochs.numbers(own)) for seed, own in seeds})
    lowest, highest = steps.min(axis=1), steps.max(axis=1)
    apart = highest - lowest > np.fmax(ALIKE * highest, steps.diff().stack().median())
    if apart.any():
        epoch = apart.idxmax()
        raise UserError(
            f"{who}: epoch {epoch} of one seed is at agent step {lowest[epoch]:,.0f} and of another at"
            f" {highest[epoch]:,.0f}; seeds need rows at about the same steps, each with the mean return since the"
            " last: --epoch N averages rows over epochs of N agent steps"
        )


def _who(place: Path, rows: pd.DataFrame) -> str:
    """Name the run of some rows."""
    method, task, seed = rows[RUN].iloc[0]
    return f"{place}: {method}, {task}, seed {seed:.0f}"


def _run(place: Path, rows: pd.DataFrame, epoch: float | None) -> Run:
    """Make a run of its rows, averaged over epochs if `epoch` is given. Raises UserError if they contradict."""
    method, task, seed = rows[RUN].iloc[0]
    who = _who(place, rows)
    if epoch is None:
        rows = epochs.joined(who, rows)
    stated: dict[str, Any] = {}
    for column in (*DESCRIPTION, "version"):
        values = rows[column].dropna().unique() if column in rows else []
        if len(values) > 1:
            raise UserError(f"{who} has more than one {column}: {', '.join(map(str, values))}")
        stated |= {column: values[0]} if len(values) else {}
    status, version = stated.get("status", FINISHED), stated.get("version")
    measured = rows[[column for column in HISTORY if column in rows]]
    history = epochs.carried(measured if epoch is None else epochs.averaged(measured, epoch))
    numbers = epochs.numbers(history) if epoch is None else np.arange(1, len(history) + 1)
    last = history["agent_step"].iloc[-1] if status == FINISHED else None
    planned = stated.get("planned_agent_steps", last)
    if last is not None and planned is not None:
        _check_end(who, rows, last, planned)
    return Run(
        name=stated.get("name", f"{place.name} {method} {task} {seed:.0f}"),
        task=task,
        method=method,
        seed=int(seed),
        options={},
        versions=_versions(stated),
        status=status,
        reason="" if status == FINISHED else f"stated in {place.name}",
        source="csv",
        protocol=stated.get("protocol", f"{f'environment {version}, ' if version else ''}{NOT_STATED} {place.name}"),
        agent_steps=None if planned is None else int(planned),
        history=columns_of(len(history), {**history, "epoch": numbers}),
        file=Path(rows["file"].iloc[0]),
    )


def _check_end(who: str, rows: pd.DataFrame, last: float, planned: float) -> None:
    """Raise UserError if the last rows of a finished run are lost. If epochs are numbered, each has about the same
    agent steps."""
    numbered = "epoch" in rows and rows["epoch"].iloc[-1] > 0
    allowed = min(ALIKE, 0.5 / rows["epoch"].iloc[-1]) if numbered else ALIKE
    if last * (1 + allowed) < planned:
        raise UserError(
            f"{who} is finished, but its last row is at agent step {last:,.0f} of {planned:,.0f}; the file is damaged"
        )


def _versions(stated: Mapping[str, Any]) -> dict[str, str]:
    """Return the versions of packages, and the commit as that of the project."""
    packages = dict(package.split(" ") for package in stated["versions"].split(", ")) if "versions" in stated else {}
    return packages | ({"project": stated["commit"]} if "commit" in stated else {})
