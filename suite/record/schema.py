"""The record of a run: one folder of small files, the source of truth for every table and figure.

    config.json         what was run, with which options and versions (written first)
    metrics.jsonl       one JSON object a line, only ever appended to; see ROWS
    progress.json       where the run is now (rewritten while it runs)
    policy.safetensors  the elected network at the end, described by policy.json
    costs.json          what its sparsity is worth (suite.deploy.costs)
    status.json         "finished" or "failed" (written last; a folder without it is running or was interrupted), with
                        the size and SHA-256 of each of the files above but progress.json and costs.json
    videos/             of the elected network, where they were asked for
    checkpoints/        while the run is not finished; see suite.tracking.checkpoint
    lock.json           while a process works on the run: who it is; no part of the record; see suite.record.lock

Reading a record needs neither JAX nor W&B. NaN and infinity are written as null.
"""

import json
import math
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NoReturn

from suite.errors import UserError
from suite.record import files

SCHEMA = 2
CONFIG, METRICS, PROGRESS, STATUS = "config.json", "metrics.jsonl", "progress.json", "status.json"
LOCK = "lock.json"
RESUMABLE = 75  # exit code of a run that was asked to end and goes on when it is started again: EX_TEMPFAIL
POLICY, POLICY_CARD = "policy.safetensors", "policy.json"
MOST_BYTES, MOST_BYTES_OF_ROWS = 2**26, 2**32  # that are read of a file, and of metrics.jsonl
FIXED = (CONFIG, METRICS, POLICY, POLICY_CARD)  # what does not change once the run has ended
COSTS, EXPORT = "costs.json", "export"  # EXPORT: the folder of the forms that sweeps.export makes of the policy

VIDEOS = "videos"

#: The kinds of rows in metrics.jsonl and their columns. Every row has the three clocks agent_step (after frame skip),
#: frame (emulator frames or physics steps) and gradient_step. Learning offline takes no step in an environment: there
#: agent_step counts the batches drawn from the data set, and frame stays 0.
CLOCKS = ("agent_step", "frame", "gradient_step")
ROWS: dict[str, tuple[str, ...]] = {
    "epoch": (
        "epoch",
        "return",  # mean undiscounted training return of the episodes that ended in this epoch; null if none did, as
        #            offline, where only the evaluation has returns
        "episodes",
        "episode_returns",
        "episode_lengths",  # agent steps
        "loss",  # mean TD loss a gradient step of the elected network over the last election window; null before
        "sparsity",  # elected network, all kernels together
        "layer_sparsity",
        "actor_sparsity",  # null where the agent has no actor
        "actor_layer_sparsity",
        "seconds",  # wall time since the start
    ),
    "target_update": (
        "losses",  # [K], cumulated over the election window, order before the election; null where not finite
        "sparsities_before",  # [K], order before the election
        "elected",  # index into the order before the election
        "sparsities",  # [K], order after the election; [0] is the elected network
        "reset",  # [K], whose optimizer starts afresh, order after the election
        "actor_sparsity",  # after the election; null where the agent has no actor
    ),
    "evaluation": ("epoch", "return", "episodes", "episode_returns"),
    "weights": (
        "epoch",
        "layers",  # of the elected network: {kernel: {low, high, counts}}, a histogram of the weights that are kept
    ),
}


def video(epoch: int) -> str:
    """Where a run's folder has the film of an epoch."""
    return f"{VIDEOS}/epoch-{epoch}.webm"


def plain(value: Any) -> Any:
    """`value` with arrays as lists, numpy numbers as Python's, and None for what is not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(path: Path, value: Any, *, lasting: bool = True) -> None:
    """Write atomically: a reader sees the old file or the new one, never a part."""
    files.write(path, [(json.dumps(plain(value), indent=1, allow_nan=False) + "\n").encode()], lasting=lasting)


def parse(text: str) -> Any:
    """A JSON value; NaN and Infinity, which some write, are none. Raises ValueError for anything else."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def number(value: Any, kind: type = float) -> bool:
    """Whether a value that was read is a finite number, or with `kind` int a whole one, that numpy takes."""
    if type(value) is float:
        return kind is float and math.isfinite(value)
    return type(value) is int and abs(value) < 2**63


def subfolders(root: Path) -> tuple[list[Path], list[str]]:
    """The folders in a folder that are not hidden, by name, and a note for each that cannot be read, such as a file
    system's lost+found. Raises OSError."""
    found, notes = [], []
    for path in sorted(root.iterdir()):
        try:
            if path.name.startswith(".") or not path.is_dir():
                continue
            with os.scandir(path):
                found.append(path)
        except OSError as error:
            notes.append(f"The folder {path} cannot be read ({error.strerror}) and was left out.")
    return found, notes


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file. Raises UserError when the file is missing, too large, or holds no JSON object."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path}: too large for a file of a record; it is damaged")
        value = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}); the file is damaged") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected a JSON object, found {type(value).__name__}")
    return value


def row(kind: str, clocks: Mapping[str, int], **columns: Any) -> dict[str, Any]:
    """One row of metrics.jsonl, checked against ROWS."""
    if set(columns) != set(ROWS[kind]):
        raise ValueError(f"a row of kind {kind!r} has the columns {ROWS[kind]}, not {tuple(columns)}")
    return plain({"kind": kind, **{clock: clocks[clock] for clock in CLOCKS}, **columns})


def append(path: Path, line: Mapping[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, allow_nan=False) + "\n")


def read_rows(path: Path, kinds: Collection[str] = ROWS) -> list[dict[str, Any]]:
    """All complete rows of these kinds in a metrics file; a last line without its newline was being written and is left
    out. Lines of the other kinds are not looked into, as there may be very many.

    Raises UserError when the file is missing or a complete line is damaged.
    """
    try:
        if path.stat().st_size > MOST_BYTES_OF_ROWS:
            raise UserError(f"{path}: too large for the metrics of a run; it is damaged")
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file; the file is damaged") from None
    rows = []
    passed = tuple(f'{{"kind": "{kind}",' for kind in ROWS if kind not in kinds)  # as `row` and `append` write it
    for number, line in enumerate(lines[:-1], start=1):
        if line.startswith(passed):
            continue
        try:
            value = parse(line)
        except ValueError:
            value = None
        if not isinstance(value, dict) or value.get("kind") not in tuple(ROWS):
            raise UserError(f"{path}:{number}: not a row of a record; the file is damaged")
        if value["kind"] in kinds:
            rows.append(value)
    return rows


def cut(path: Path, size: int) -> None:
    """Leave the first `size` bytes of a metrics file."""
    with path.open("r+b") as file:
        file.truncate(size)


def fingerprints(folder: Path) -> dict[str, files.Fingerprint]:
    """Of the files of a record that do not change once the run has ended."""
    return {name: files.fingerprint(folder / name) for name in FIXED if (folder / name).exists()}


def is_finished(folder: Path) -> bool:
    """Whether the run in a folder ended well, and its record is complete: each file is the one that was written."""
    try:
        if not (folder / STATUS).exists():
            return False
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from None
    status = read_json(folder / STATUS)
    return status.get("status") == "finished" and not changed(folder, status)


def changed(folder: Path, status: Mapping[str, Any], names: Collection[str] = FIXED) -> list[str]:
    """The files of these that are not what they were when the run ended, as its status.json says."""
    known = status.get("files", {})
    if not isinstance(known, dict):
        return list(names)
    return [name for name in names if name in known and not files.unchanged(folder / name, known[name])]
