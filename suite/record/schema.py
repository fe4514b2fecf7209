"""The names and columns of a run's record: one folder of small files, the source of every table and figure.

    config.json         what was run, with which options and versions (written first)
    metrics.jsonl       one JSON object a line, only ever appended to; see ROWS
    progress.json       where the run is now (rewritten while it runs)
    policy.safetensors  the elected network at the end, or the actor, described by policy.json
    costs.json          model size and operations of the run (suite.deploy.costs)
    status.json         "finished" or "failed" (written last; a folder without it is running or was interrupted), with
                        the size and SHA-256 of the files above, except progress.json and costs.json
    videos/             of the policy, if they were asked for
    checkpoints/        while the run is not finished; see suite.tracking.checkpoint
    lock.json           the process that works on the run; not part of the record; see suite.record.lock

suite.record.models declares the fields of each JSON file, and suite.record.reader reads them. This module needs neither
JAX, W&B nor pydantic: an exported policy is read with it. NaN and infinity are written as null.
"""

import json
import math
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from reprlib import repr as shortened  # a value that a file holds may be very long
from typing import Any, NamedTuple, NoReturn, TextIO

from suite.errors import UserError
from suite.record import files

SCHEMA = 2
CONFIG, METRICS, PROGRESS, STATUS = "config.json", "metrics.jsonl", "progress.json", "status.json"
LOCK = "lock.json"
RESUMABLE = 75  # exit code of a run that was asked to end and can be resumed: EX_TEMPFAIL
POLICY, POLICY_CARD = "policy.safetensors", "policy.json"
MOST_BYTES, MOST_BYTES_OF_ROWS = 2**26, 2**32  # that are read of a file, and of metrics.jsonl
FIXED = (CONFIG, METRICS, POLICY, POLICY_CARD)  # files that do not change once the run has ended
COSTS, EXPORT = "costs.json", "export"  # EXPORT: the folder of the formats that sweeps.export makes of the policy
VIDEOS = "videos"
LARGEST = 2**53  # whole numbers below it are exact as floats

Row = dict[str, Any]  # a line of metrics.jsonl: "kind", the clocks, and the columns of its kind


class Column(NamedTuple):
    """The values that a column may hold."""

    words: str
    holds: Callable[[Any], bool]


def number(value: Any) -> bool:
    """Return whether a value that was read is a finite number that numpy takes."""
    if type(value) is float:
        return math.isfinite(value)
    return type(value) is int and abs(value) < 2**63


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < LARGEST


def _is_share(value: Any) -> bool:
    return (type(value) is float or type(value) is int) and 0 <= value <= 1


def _is_histogram(value: Any) -> bool:
    return (
        type(value) is dict
        and number(value.get("low"))
        and number(value.get("high"))
        and type(value.get("counts")) is list
        and all(map(_is_count, value["counts"]))
    )


def _or_null(column: Column) -> Column:
    words, holds = column
    return Column(f"{words} or null", lambda value: value is None or holds(value))


def _list(item: Column) -> Column:
    words, holds = item
    return Column(f"a list, each {words}", lambda value: type(value) is list and all(map(holds, value)))


def _by_layer(item: Column) -> Column:
    words, holds = item
    return Column(
        f"an object of layers, each {words}", lambda value: type(value) is dict and all(map(holds, value.values()))
    )


NUMBER_TYPES = frozenset((int, float))
COUNT = Column("a whole number from 0", _is_count)
INDEX = Column("a whole number from -1", lambda value: value == -1 or _is_count(value))
NUMBER = Column("a number", number)
SHARE = Column("a number from 0 to 1", _is_share)
NUMBERS = Column(  # of any size: only their types are checked, since there may be very many
    "a list of numbers", lambda value: type(value) is list and NUMBER_TYPES.issuperset(map(type, value))
)
FLAG = Column("true or false", lambda value: type(value) is bool)
HISTOGRAM = Column("a histogram with low, high and counts", _is_histogram)

#: The kinds of rows in metrics.jsonl and their columns. Every row has the three clocks agent_step (after frame skip),
#: frame (emulator frames or physics steps) and gradient_step. Learning offline takes no step in an environment: there
#: agent_step counts the batches drawn from the data set, and frame stays 0.
CLOCKS = ("agent_step", "frame", "gradient_step")
ROWS: dict[str, dict[str, Column]] = {
    "epoch": {
        "epoch": COUNT,
        "return": _or_null(NUMBER),  # mean undiscounted training return of the episodes that ended in this epoch; null
        #                              if none did, as offline, where only the evaluation has returns
        "episodes": COUNT,
        "episode_returns": NUMBERS,
        "episode_lengths": NUMBERS,  # agent steps
        "loss": _or_null(NUMBER),  # mean TD loss a gradient step of the elected network over the last election window;
        #                            null before
        "sparsity": _or_null(SHARE),  # elected network, all kernels together
        "layer_sparsity": _or_null(_by_layer(SHARE)),
        "actor_sparsity": _or_null(SHARE),  # null where the agent has no actor
        "actor_layer_sparsity": _or_null(_by_layer(SHARE)),
        "seconds": _or_null(NUMBER),  # wall time since the start
    },
    "target_update": {
        "losses": _list(_or_null(NUMBER)),  # [K], cumulated over the election window, order before the election; null
        #                                     where not finite
        "sparsities_before": _list(SHARE),  # [K], order before the election
        "elected": INDEX,  # into the order before the election; -1 if no loss is finite
        "sparsities": _list(SHARE),  # [K], order after the election; [0] is the elected network
        "reset": _list(FLAG),  # [K], whose optimizer starts afresh, order after the election
        "actor_sparsity": _or_null(SHARE),  # after the election; null where the agent has no actor
    },
    "evaluation": {
        "epoch": COUNT,
        "return": _or_null(NUMBER),
        "episodes": COUNT,
        "episode_returns": NUMBERS,
    },
    "weights": {
        "epoch": COUNT,
        "layers": _by_layer(HISTOGRAM),  # of the elected network: a histogram of the weights that are kept
    },
    # Measures on a batch of the replay (suite.diagnostics), by network: "0" is the elected one, "actor" the actor. A
    # layer follows as in "0/Dense_0". Records of versions before 0.2 have no such rows.
    "diagnostics": {
        "epoch": COUNT,
        "transitions": COUNT,
        "dormant": _by_layer(_or_null(SHARE)),  # units of a hidden layer
        "effective_rank": _by_layer(_or_null(NUMBER)),  # of the activations of the last hidden layer
        "weight_norm": _by_layer(_or_null(NUMBER)),  # L2, of all kernels of a network
        "gradient_norm": _by_layer(_or_null(NUMBER)),  # of the loss, at the weights that are kept
        "disconnected": _by_layer(SHARE),  # units of a hidden layer that masks cut off
        "mask_overlap": _by_layer(SHARE),  # kept weights that were kept an epoch ago
        "agreement": _or_null(SHARE),  # of greedy actions, over pairs of networks; null with one network or an actor
    },
}
#: Columns that a row may lack, or have as null, when it is read: W&B's copy of a record does not hold them.
OPTIONAL = (
    "episodes", "episode_returns", "episode_lengths", "loss", "layer_sparsity", "actor_layer_sparsity", "seconds",
)  # fmt: skip
CHECKS = {
    kind: [(name, column.holds) for name, column in {**dict.fromkeys(CLOCKS, COUNT), **columns}.items()]
    for kind, columns in ROWS.items()
}


def video(epoch: int) -> str:
    """Return the path of an epoch's film in a run's folder."""
    return f"{VIDEOS}/epoch-{epoch}.webm"


def plain(value: Any) -> Any:
    """Return `value` with arrays as lists, numpy numbers as Python's, and None for what is not finite."""
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
    """Return a JSON value. Raises ValueError for anything else, such as NaN and Infinity, which some programs write."""
    try:
        return DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


DECODER = json.JSONDecoder(parse_constant=_refuse)  # one for all rows: json.loads would make one for each


def subfolders(root: Path) -> tuple[list[Path], list[str]]:
    """Return the folders in a folder that are not hidden, by name, and a note for each that cannot be read, such as a
    file system's lost+found. Raises OSError."""
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
    """Return the object in a file. Raises UserError when the file is missing, too large, or holds no JSON object."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path}: too large for a file of a record; it is damaged")
        value = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}); the file is damaged") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected a JSON object, found {type(value).__name__}; the file is damaged")
    return value


def row(kind: str, clocks: Mapping[str, int], **columns: Any) -> Row:
    """Return one row of metrics.jsonl, with the columns that ROWS lists. Raises ValueError for other columns."""
    if set(columns) != set(ROWS[kind]):
        raise ValueError(f"a row of kind {kind!r} has the columns {tuple(ROWS[kind])}, not {tuple(columns)}")
    line: Row = plain({"kind": kind, **{clock: clocks[clock] for clock in CLOCKS}, **columns})
    return line


def append(file: TextIO, line: Row) -> None:
    """Write a row to an open metrics file, where others can read it at once."""
    file.write(json.dumps(line, allow_nan=False) + "\n")
    file.flush()


def read_rows(path: Path, kinds: Collection[str] = ROWS) -> list[Row]:
    """Return all complete rows of these kinds in a metrics file, checked against ROWS. A last line without its newline
    was being written and is left out. Lines of the other kinds are not parsed, as there may be very many.

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
    skipped = tuple(f'{{"kind": "{kind}",' for kind in ROWS if kind not in kinds)  # as `row` and `append` write it
    for number, line in enumerate(lines[:-1], start=1):
        if not line.startswith(skipped):
            value = parse_row(line, f"{path}:{number}")
            if value["kind"] in kinds:
                rows.append(value)
    return rows


def parse_row(line: str, where: str) -> Row:
    """Return the row in a line of metrics.jsonl. Raises UserError, which names `where` and the column that is wrong."""
    try:
        value = parse(line)
    except ValueError:
        value = None
    if not isinstance(value, dict) or value.get("kind") not in tuple(ROWS):
        raise UserError(f"{where}: not a row of a record; the file is damaged")
    check_row(value, where)
    return value


def check_row(row: Row, where: str) -> None:
    """Raise UserError, which names `where` and the column, unless a row of a known kind fits ROWS."""
    kind = row["kind"]
    for name, holds in CHECKS[kind]:
        if name not in row:
            if name not in OPTIONAL:
                raise UserError(f"{where}: {kind} without {name!r}; the file is damaged")
        elif not holds(row[name]) and (row[name] is not None or name not in OPTIONAL):
            words, found = ROWS[kind].get(name, COUNT).words, shortened(row[name])
            raise UserError(f"{where}: {kind}: {name!r} should be {words}, found {found}; the file is damaged")


def cut(path: Path, size: int) -> None:
    """Leave the first `size` bytes of a metrics file."""
    with path.open("r+b") as file:
        file.truncate(size)
