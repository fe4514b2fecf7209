"""Runs, whatever they were read from (analysis.data.sources), and one tidy frame of them with a row an epoch."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FINISHED, FAILED, UNFINISHED = "finished", "failed", "unfinished"

#: The returns there are: the column that holds them, and what they are.
RETURNS = {
    "training": (
        "return",
        "mean undiscounted training return over the episodes of the last epoch (no separate evaluation)",
    ),
    "evaluation": (
        "evaluation_return",
        "mean undiscounted return over the episodes of the last evaluation (greedy actions, in an environment of its"
        " own)",
    ),
}

#: Columns of a run's history: numbers, a row an epoch, NaN where there is none.
HISTORY = {
    "epoch": "1, 2, 3, ...",
    "agent_step": "at the end of the epoch, after frame skip",
    "frame": "emulator frames or physics steps",
    "gradient_step": "",
    "return": "mean undiscounted training return of the episodes that ended in the epoch",
    "evaluation_return": "mean undiscounted return of the evaluation after the epoch",
    "sparsity": "fraction of zeros in the kernels of the elected network (of the critics, where there is an actor)",
    "actor_sparsity": "the same of the actor; NaN where there is none",
    "operations": "operations of training so far; NaN where they are not known",
    "seconds": "wall time since the start",
}

#: Columns of the tidy frame: which run a row is of, then its history. Runs of different `protocol` are never
#: aggregated together or compared, unless the user asks for it.
COLUMNS = {
    "row": "row of the table: the method, and the swept options if any",
    "method": "its label",
    "task": "atari/Pong",
    "seed": "",
    "name": "of the run, unique within its source",
    "status": "finished, failed or unfinished; only finished runs enter statistics",
    "source": "records, wandb, dopamine or csv",
    "protocol": "short canonical text: environment, its options, and the physics' version; not which return is taken",
    **HISTORY,
}


@dataclass(frozen=True, eq=False)
class Run:
    """One run. `options` is flat ("agent.width"), empty where they are not known; `agent_steps` is how long it is, or
    should have become; `reason` says what is wrong with a run that is not finished; `history` has the columns HISTORY.
    """

    name: str
    task: str
    method: str
    seed: int
    options: dict[str, Any]
    versions: dict[str, str]
    status: str
    reason: str
    source: str
    protocol: str
    agent_steps: int | None
    history: pd.DataFrame
    folder: Path | None = None  # of its record, if that is at hand

    def final(self, column: str) -> float | None:
        """The value of a column in the last epoch; None when it is no number."""
        value = float(self.history[column].iloc[-1]) if len(self.history) else math.nan
        return None if math.isnan(value) else value


def history(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Rows with some or all of the columns HISTORY -> a run's history; what is absent, None or infinite becomes NaN."""
    values = np.array([[row.get(column) for column in HISTORY] for row in rows], dtype=float).reshape(-1, len(HISTORY))
    values[np.isinf(values)] = np.nan
    columns = dict(zip(HISTORY, values.T, strict=True))
    return pd.DataFrame(columns | {key: columns[key].astype(int) for key in ("epoch", "agent_step")})


def tidy(rows: Iterable[tuple[str, Run]]) -> pd.DataFrame:
    """(row of the table, run) pairs -> one frame with a line an epoch and the columns COLUMNS."""
    rows = list(rows)
    lengths = [len(run.history) for _, run in rows]
    named = {"row": [row for row, _ in rows]}
    for key in ("method", "task", "seed", "name", "status", "source", "protocol"):
        named[key] = [getattr(run, key) for _, run in rows]
    measured = pd.concat([run.history for _, run in rows], ignore_index=True) if rows else history([])
    whole = [key for key in ("frame", "gradient_step") if measured[key].notna().all()]
    # Repeated texts are shared as objects; numpy's own strings would take gigabytes.
    frame = pd.DataFrame({key: np.repeat(np.array(values, dtype=object), lengths) for key, values in named.items()})
    frame = frame.astype({"seed": int})
    return pd.concat([frame, measured.astype(dict.fromkeys(whole, int))], axis=1)[list(COLUMNS)]
