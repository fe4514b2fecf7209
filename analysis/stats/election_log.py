"""The election log: in a run with several online networks, which one won when, and why pruning stopped.

Between two target updates the kept copy holds the target's sparsity and the others are sparser. A step of sparsity is
taken when a network sparser than the target is elected, and refused when sparser ones stood but none of them was.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from suite.errors import UserError
from suite.program.terminal import counted
from suite.record import schema

TAKEN, REFUSED, IDLE = "taken", "refused", "idle"
SAME = 1e-7  # sparsities that differ by less are equal: they are recorded in single precision
SURPRISE = 0.05  # refusals in a row less likely than this, at the run's own rate of steps, count as a stop (ours)

#: A row an election.
COLUMNS = {
    "agent_step": "when",
    "rank": "of the elected network by sparsity among the K: 0 is the least sparse, the kept copy where there is one",
    "outcome": "taken, refused, or idle: no network sparser than the target stood",
    "level": "sparsity of the elected network",
    "step": "how much it is above the target's until then",
    "smallest_offer": "step of the least sparse of the networks that are sparser than the target; NaN if none is",
    "challenge": "lowest loss of those, over the kept copy's: below 1, it does better; NaN where one has none",
    "kept_loss": "that of the kept copy; NaN where there is none",
    "diverged": "networks whose loss is not finite",
}


def read(folder: Path) -> pd.DataFrame:
    """Return the election log of a run folder, with the columns COLUMNS; empty for a run with one online network.

    Raises UserError if the record is damaged.
    """
    path = folder / schema.METRICS
    if not path.exists() or not _has_elections(path):
        return elections([])
    rows = schema.read_rows(path, ("target_update",))
    for number, row in enumerate(rows, start=1):
        if not _is_valid(row):
            raise UserError(f"{path}: target update {number} is no valid election; the file is damaged")
    return elections(rows)


def _is_valid(row: schema.Row) -> bool:
    """Return whether a row that fits the schema is that of an election: a value of each list for each network, and one
    of these elected, or -1 where the run diverged."""
    networks = len(row["losses"])
    lengths = {networks, len(row["sparsities_before"]), len(row["reset"])}
    return len(lengths) == 1 and row["elected"] in range(-1, networks)


def _has_elections(path: Path) -> bool:
    """Return whether the first target update has several networks: most runs have one, and their files are long."""
    with path.open(encoding="utf-8", errors="replace") as file:
        first = next((line for line in file if '"target_update"' in line[:40]), "")
    return first.endswith("\n") and len(schema.parse_row(first, str(path)).get("losses", [])) > 1


def elections(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Make the election log, with the columns COLUMNS, of rows of kind target_update."""
    lines = []
    target: float | None = None
    for row in rows:
        if row["elected"] < 0:  # no loss was finite, and the run ended there
            continue
        sparsities = np.array(row["sparsities_before"], dtype=float)
        losses = np.array([math.nan if loss is None else loss for loss in row["losses"]], dtype=float)
        target = sparsities.min() if target is None else target
        lines.append(_election(row, sparsities, losses, target))
        target = sparsities[row["elected"]]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _election(row: Mapping[str, Any], sparsities: np.ndarray, losses: np.ndarray, target: float) -> list[Any]:
    elected = row["elected"]
    sparser = sparsities - target > SAME
    kept = losses[0] if abs(sparsities[0] - target) <= SAME else math.nan  # some variants keep no copy
    challengers = losses[sparser & np.isfinite(losses)]
    return [
        row["agent_step"],
        int((sparsities < sparsities[elected] - SAME).sum()),
        TAKEN if sparser[elected] else REFUSED if sparser.any() else IDLE,
        sparsities[elected],
        sparsities[elected] - target,
        sparsities[sparser].min() - target if sparser.any() else math.nan,
        challengers.min() / kept if len(challengers) and kept > 0 else math.nan,
        kept,
        int((~np.isfinite(losses)).sum()),
    ]


class Summary(NamedTuple):
    """Counts of a run's elections; `last_taken` is the agent step of its last step of sparsity."""

    held: int
    taken: int
    refused: int
    idle: int
    sparsity: float
    typical_step: float  # median of those taken; NaN without one
    last_taken: int | None


def summary(log: pd.DataFrame) -> Summary:
    """Count what happened in a log with one election or more."""
    outcome = log["outcome"]
    taken = log[outcome == TAKEN]
    return Summary(
        len(log),
        len(taken),
        int((outcome == REFUSED).sum()),
        int((outcome == IDLE).sum()),
        float(log["level"].iloc[-1]),
        _median(taken["step"]),
        int(taken["agent_step"].iloc[-1]) if len(taken) else None,
    )


def _median(values: pd.Series) -> float:
    """Return the median of the values that are not NaN; NaN without any."""
    there = values.dropna()
    return float(there.median()) if len(there) else math.nan


def stopped(log: pd.DataFrame) -> int | None:
    """Return the position of the last election that took a step, if pruning stopped there; None if it did not stop.

    Pruning stopped if the refusals since then are unlikely (SURPRISE) for sparser networks that win as often as before.
    -1 means that no sparser network ever won.
    """
    taken = np.flatnonzero(log["outcome"] == TAKEN)
    refused = np.flatnonzero(log["outcome"] == REFUSED)
    if len(taken) == 0:
        return -1
    last = int(taken[-1])
    rate = (len(taken) + 1) / (len(taken) + int((refused < last).sum()) + 2)  # Laplace's: never 1, however few
    after = len(log) - 1 - last  # with idle elections, as they do not prune either
    return last if after and (1 - rate) ** after < SURPRISE else None


def why(log: pd.DataFrame) -> str:
    """State in a few sentences where pruning stopped, and why."""
    if log.empty:
        return "No election was held."
    count, last = summary(log), stopped(log)
    level = f"a sparsity of {count.sparsity:.3f}"
    if last is None:
        since = int((log["agent_step"] > count.last_taken).sum())
        rest = f", {counted(since, 'election')} before the end" if since else ", at the last election"
        return (
            f"Pruning did not stop: it reached {level}, and its last step was at agent step {count.last_taken:,}{rest};"
            f" {count.taken} of {count.held} elections took a step."
        )
    after = log.iloc[last + 1 :]
    start = (
        f"Pruning stopped at agent step {count.last_taken:,}, at {level}"
        if last >= 0
        else f"Pruning never began: the sparsity stayed at {count.sparsity:.3f}"
    )
    return f"{start}. {_against(after, count.typical_step)}"


def _against(after: pd.DataFrame, typical: float) -> str:
    """Describe the elections since the last step."""
    refused = after[after["outcome"] == REFUSED]
    idle = len(after) - len(refused)
    parts = [f"Of the {len(after)} elections since, the sparser networks lost {len(refused)}"]
    challenge, offer = _median(refused["challenge"]), _median(refused["smallest_offer"])
    if not math.isnan(challenge):
        parts.append(f": the best of them had {challenge:.2f} times the kept copy's loss (median)")
    if not math.isnan(offer):
        parts.append(f", for a step of {offer:.4f} or more (median)")
        if not math.isnan(typical):
            parts.append(f", where the steps taken had been {typical:.4f}")
    if idle:
        parts.append(f"; in {idle} no sparser network stood")
    if lost := int(refused["diverged"].sum()):
        parts.append(f"; {lost} losses were not finite")
    return "".join(parts) + "."


def final_layers(folder: Path) -> dict[str, float]:
    """Return {layer: sparsity} of a run folder's last epoch, with an actor's layers last; empty if there is none.

    Raises UserError if the record is damaged.
    """
    path = folder / schema.METRICS
    if not path.exists():
        return {}
    last = next((line for line in reversed(_last_lines(path)) if _is_epoch(line)), None)
    epoch = schema.parse_row(last, f"{path}: its last epoch") if last is not None else {}
    found = (epoch.get("layer_sparsity") or {}) | (epoch.get("actor_layer_sparsity") or {})
    return {name.removesuffix("/kernel"): float(value) for name, value in found.items()}


def _is_epoch(line: str) -> bool:
    return '"kind": "epoch"' in line[:40]


def _last_lines(path: Path, size: int = 1 << 16) -> list[str]:
    """Return the complete lines at the end of a file, or all of its lines if those hold no epoch."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        file.seek(max(0, end - size))
        lines = file.read().decode(errors="replace").split("\n")[:-1]
    whole = lines[1:] if end > size else lines
    if end > size and not any(map(_is_epoch, whole)):
        return _last_lines(path, end)
    return whole
