"""Runs from any source (analysis.data.sources), and their tidy frame with one row for each epoch."""

import functools
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.data.returns import RETURNS

#: The files that analysis.table writes beside curves.csv, which hold no curves of runs.
TABLES = ("comparison.csv", "details.csv", "costs.csv", "profiles.csv", "efficiency.csv", "measurements.csv")
FINISHED, FAILED, UNFINISHED = "finished", "failed", "unfinished"

#: Columns of a run's history, which has a row for each epoch: numbers, NaN if a value is unknown.
HISTORY = {
    "epoch": "1, 2, 3, ...; some are left out of long runs in a file of curves",
    "agent_step": "at the end of the epoch, after frame skip",
    "frame": "emulator frames or physics steps",
    "gradient_step": "",
    "return": "mean undiscounted training return of the episodes that ended in the epoch",
    "evaluation_return": "mean undiscounted return of the evaluation after the epoch",
    "sparsity": "fraction of zeros in the kernels of the elected network (of the critics, where there is an actor)",
    "actor_sparsity": "the same of the actor; NaN if there is no actor",
    "operations": "operations of training so far; NaN if unknown",
    "seconds": "wall time since the start",
}

#: Columns of the tidy frame: first those that identify the run, then its history. Runs of different protocols are
#: neither aggregated nor compared, unless the user asks for it.
COLUMNS = {
    "row": "row of the table: the method, and the swept options if any",
    "method": "its label",
    "task": "atari/Pong",
    "seed": "",
    "name": "of the run, unique within its source",
    "status": "finished, failed or unfinished; only finished runs enter statistics",
    "source": "records, wandb, dopamine or csv",
    "protocol": "short text: environment, its options, and the version of the physics; not the kind of return",
    "planned_agent_steps": "planned length of the run; empty if unknown",
    "commit": "of the code; empty if unknown",
    "versions": "of the packages: jax 0.10.2, flax 0.12.8; empty if unknown",
    **HISTORY,
}
#: Epochs of a run that a file of curves holds: the last MOST_LAST_EPOCHS, and at most MOST_EPOCHS in all.
MOST_EPOCHS, MOST_LAST_EPOCHS = 100, 10

#: Columns that describe a run as a whole: files hold them in the first row of each run alone, as they are long.
DESCRIPTION = ["name", "status", "source", "protocol", "planned_agent_steps", "commit", "versions"]


@dataclass(frozen=True, eq=False)
class Run:
    """One run, and what it returned."""

    name: str
    task: str
    method: str
    seed: int
    options: dict[str, Any]  # flat, such as "agent.width"; empty if unknown
    versions: dict[str, str]
    status: str
    reason: str  # why the run is not finished; empty if it is
    source: str
    protocol: str
    agent_steps: int | None  # planned length; None if unknown
    history: pd.DataFrame  # with the columns HISTORY
    folder: Path | None = None  # of its record, if there is one
    file: Path | None = None  # the CSV file that it was read from, if there is one
    is_cut: bool = False  # whether epochs at its end were left out, so that what is known of the whole run is not its

    @functools.cached_property
    def returns(self) -> frozenset[str]:
        """The columns of returns that have a number in some epoch."""
        columns = (column for column, _ in RETURNS.values())
        return frozenset(column for column in columns if not np.isnan(self.history[column].to_numpy()).all())

    def final(self, column: str) -> float | None:
        """Return the value of a column in the last epoch; None if it is not a number."""
        value = float(self.history[column].to_numpy()[-1]) if len(self.history) else math.nan
        return None if math.isnan(value) else value


def versions_text(versions: Mapping[str, str | None]) -> str | None:
    """Return the versions of packages as a text, without the commit; None if none is known.

    >>> versions_text({"jax": "0.10.2", "flax": "0.12.8", "torch": None, "project": "0a1b2c3"})
    'jax 0.10.2, flax 0.12.8'
    """
    known = {name: version_word(version) for name, version in versions.items() if version}
    return ", ".join(f"{name} {version}" for name, version in known.items() if name != "project") or None


def version_word(version: str) -> str:
    """Return a version as one word, as files of curves have it: a name such as NVIDIA H200 has more."""
    return re.sub("[, ]+", "-", version)


def history(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Make a run's history of rows with some of the columns HISTORY. Absent, null and infinite values become NaN."""
    rows = list(rows)
    return columns_of(len(rows), {column: [row.get(column) for row in rows] for column in HISTORY})


def columns_of(rows: int, columns: Mapping[str, Any]) -> pd.DataFrame:
    """Make a run's history of some of the columns HISTORY, each with a value for each of the rows."""
    values = np.full((rows, len(HISTORY)), np.nan)
    for i, column in enumerate(HISTORY):
        if column in columns:
            values[:, i] = np.array(columns[column], dtype=float)
    values[np.isinf(values)] = np.nan
    made = pd.DataFrame(values, columns=list(HISTORY))
    return made.astype({"epoch": int, "agent_step": int})


def tidy(rows: Iterable[tuple[str, Run]]) -> pd.DataFrame:
    """Make the tidy frame, with the columns COLUMNS, of (row of the table, run) pairs."""
    rows = list(rows)
    lengths = [len(run.history) for _, run in rows]
    named: dict[str, list[Any]] = {"row": [row for row, _ in rows]}
    for key in ("method", "task", "seed", "name", "status", "source", "protocol"):
        named[key] = [getattr(run, key) for _, run in rows]
    named["planned_agent_steps"] = [run.agent_steps for _, run in rows]
    named["commit"] = [run.versions.get("project") for _, run in rows]
    named["versions"] = [versions_text(run.versions) for _, run in rows]
    measured = pd.concat([run.history for _, run in rows], ignore_index=True) if rows else history([])
    whole = [key for key in ("frame", "gradient_step") if measured[key].notna().all()]
    # Objects share repeated texts; numpy's own strings would take gigabytes.
    frame = pd.DataFrame({key: np.repeat(np.array(values, dtype=object), lengths) for key, values in named.items()})
    frame = frame.astype({"seed": int})
    return pd.concat([frame, measured.astype(dict.fromkeys(whole, int))], axis=1)[list(COLUMNS)]


def thin(frame: pd.DataFrame, most: int, last: int = 1) -> pd.DataFrame:
    """Keep at most `most` epochs of each run of a tidy frame: the last ones, and evenly spaced ones before them.

    The seeds of a row keep the same epochs of a task, also where their lengths differ; if none is longer, all.
    """
    runs = frame.groupby(["row", "task", "seed", "name"], sort=False, dropna=False)["epoch"]
    length = runs.transform("size")
    left = length - 1 - runs.cumcount()  # epochs that follow
    seeds = frame.assign(length=length).groupby(["row", "task"], sort=False)
    place = seeds["epoch"].rank(method="dense").astype(int)  # a file of curves has not all epochs
    longest = frame.assign(place=place).groupby(["row", "task"], sort=False)["place"].transform("max")
    every = np.ceil(longest / (most - last + 1)).astype(int)
    whole = seeds["length"].transform("max") <= most
    return frame[whole | (left < last) | ((longest - place) % every == 0)]


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a tidy frame as a CSV file that analysis.data.sources.csvfile reads: numbers of seven digits, and what
    describes a run in its first row alone. Long runs are thinned. Raises OSError."""
    kept = thin(frame, MOST_EPOCHS, MOST_LAST_EPOCHS)
    later = kept.duplicated(["row", "task", "seed", "name"])
    text = kept.assign(**{column: kept[column].mask(later) for column in DESCRIPTION})
    text.to_csv(path, index=False, float_format="%.7g")
