"""The rows of a run in CSV files -> its epochs: rows of one step are joined, single episodes are averaged."""

import numpy as np
import pandas as pd

from analysis.data.validation import EXACT
from suite.errors import UserError

RETURNS = ("return", "evaluation_return")
#: Columns in which rows of one step may differ: the clock may tick between two rows, and a file may hold one return.
MAY_DIFFER = ["seconds", "file", "episodes"]


def check_files(who: str, rows: pd.DataFrame) -> None:
    """Raise UserError if a run has the same return twice: episodes and means, or overlapping agent steps.

    A log may continue in another file, and a file may hold parts of a log in any order. The index is the line of the
    file; where agent steps fall from one line to the next, another part begins.
    """
    for column in rows.columns.intersection(RETURNS):
        known = rows[rows[column].notna()].drop_duplicates()
        if known["episodes"].nunique() > 1:
            raise UserError(
                f"{who} has single episodes and means in the column {column} (in {_files(rows)}); a run should have one"
                " of them: name its file with --runs"
            )
        lines = known.sort_index(kind="stable").sort_values("file", kind="stable")
        starts = (lines["agent_step"].diff() < 0) | (lines["file"] != lines["file"].shift())
        parts = lines.groupby(starts.cumsum()).agg(
            file=("file", "first"), low=("agent_step", "min"), high=("agent_step", "max")
        )
        parts = parts.sort_values("low")
        overlaps = parts["low"].iloc[1:].to_numpy() <= parts["high"].cummax().iloc[:-1].to_numpy()
        if overlaps.any():
            one, other = parts["file"].iloc[int(overlaps.argmax()) :][:2]
            where = f"in {one} and in {other}" if one != other else f"twice in {one}, where they do not rise"
            raise UserError(
                f"{who} has a {column} for the same agent steps {where}; each seed of a method should be one run"
            )


def joined(who: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Join the rows of one agent step, as logs have a row for the rollout and another one for the evaluation.

    Raises UserError if two rows of a step have different values of a column.
    """
    repeated = rows[rows["agent_step"].duplicated(keep=False)]
    if repeated.empty:
        return rows
    for column in repeated.columns.drop(MAY_DIFFER, errors="ignore"):
        counts = repeated.groupby("agent_step")[column].nunique()
        if (counts > 1).any():
            step = counts.idxmax()
            same = repeated[repeated["agent_step"] == step]
            values = " and ".join(map(str, same[column].dropna().unique()[:2]))
            several = f" (in {_files(same)})" if same["file"].nunique() > 1 else ""
            raise UserError(
                f"{who} has agent step {step:,.0f} twice{several}, with {column} {values}; each seed of a"
                " method should be one run"
            )
    return rows.groupby("agent_step", as_index=False).last()  # the last values that are not missing


def carried(rows: pd.DataFrame) -> pd.DataFrame:
    """Fill in the last value of a return where a row has the other one alone: logs have both at steps of their own.

    Rows with a number of their epoch stay as they are: a return that they lack is one that does not exist.
    """
    if not set(RETURNS) <= set(rows) or ("epoch" in rows and rows["epoch"].notna().any()):
        return rows
    returns = rows[list(RETURNS)]
    filled = rows.copy()
    filled[list(RETURNS)] = returns.ffill().where(returns.notna().any(axis=1), returns)
    return filled


def numbers(rows: pd.DataFrame) -> np.ndarray:
    """Return the number of each epoch of a run [epochs]: the file's own if they are whole and rise, else 1, 2, 3, ...

    A file of curves leaves out epochs of long runs, and seeds of unequal length are compared at equal numbers.
    """
    if "epoch" in rows:
        own: np.ndarray = rows["epoch"].to_numpy()
        if ((own == np.floor(own)) & (own < EXACT)).all() and (np.diff(own) > 0).all():
            return own
    return np.arange(1, len(rows) + 1)


def averaged(rows: pd.DataFrame, epoch: float) -> pd.DataFrame:
    """Average returns over epochs of so many agent steps; a last one that is less than half full joins the one before.

    The last epoch ends with the run. Other columns are counts and states, so they have their last value in the epoch.
    """
    end = rows["agent_step"].iloc[-1]
    count = max(1, round(end / epoch))
    places = ((rows["agent_step"] - 1) // epoch).clip(0, count - 1)
    columns = {column: "mean" if column in RETURNS else "last" for column in rows}
    epochs = rows.groupby(places).agg(columns).reindex(range(count))
    return epochs.assign(agent_step=[*(epoch * np.arange(1, count)).round(), end])


def _files(rows: pd.DataFrame) -> str:
    return ", ".join(rows["file"].unique()[:3])
