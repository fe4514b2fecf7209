"""The CSV files that other programs write -> frames with our columns, a row for each row or point of a file.

| layout | recognised by |
|---|---|
| stable-baselines3's monitor.csv | a first line `#{"t_start": ...}`, then `r,l,t`: a row for each episode |
| TensorBoard's scalars | `Wall time,Step,Value`, in a file run-NAME-tag-TAG.csv for each run and tag |
| W&B's charts | `Step`, then `NAME - METRIC`, with `__MIN` and `__MAX`, for each run |
| stable-baselines3's progress.csv | its name: a long table whose run has the name of the folder |
| a long table | anything else: curves.csv of this benchmark, W&B's tables, CleanRL, Open RL Benchmark |

The index of a frame is the line of the file, and the header is line 1.
"""

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ValidationError

from analysis.data import validation
from analysis.data.sources import names
from suite.errors import UserError

TENSORBOARD = ["Wall time", "Step", "Value"]
TAGGED = re.compile(r"run[-_](?P<run>.*)-tag-(?P<tag>.*)")
CHARTED = re.compile(r"(?P<run>.+) - (?P<metric>[^ ].*?)")
SUFFIXES = (".csv", ".csv.gz")
#: Columns of text; others are numbers.
TEXTS = ("row", "method", "task", "name", "status", "protocol", "source", "commit", "versions")


class Monitored(BaseModel):
    """The first line of a monitor.csv: when its environment started, in seconds since 1970, and its name."""

    t_start: float
    env_id: str | None = None


@dataclass(frozen=True)
class CsvOptions:
    """How CSV files are read.

    `columns` maps our columns to those of the files, and `constants` to the text of all rows. `names` is the pattern
    of the names of runs or files (names.pattern), `protocol` is that of files that state none, and `epoch` is how many
    agent steps are averaged.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    names: str | None = None
    protocol: str | None = None
    epoch: int | None = None


@dataclass(frozen=True)
class Content:
    """The rows of a file, whose columns had the names `header`. `name` says what run they are of if no column does;
    `episodes` is True if each row is an episode."""

    path: Path
    name: str
    rows: pd.DataFrame
    episodes: bool = False
    note: str = ""
    header: Sequence[str] = ()


def read(path: Path, options: CsvOptions) -> Content | None:
    """Read a file; None for TensorBoard's scalars that are no returns. Raises UserError if it cannot be read."""
    (first,) = validation.lines(path)
    if first.startswith("#{"):
        return _monitor(path, first)
    header = validation.header(path)
    if header == TENSORBOARD:
        return _tensorboard(path, options)
    has_seeds = any(names.column_named(column) == "seed" for column in header)
    if not has_seeds and any(CHARTED.fullmatch(column) for column in header[1:]):
        _check_repeated(path, first)
        return _chart(path, header, options)
    return _table(path, header, options)


def stem(path: Path) -> str:
    """Return a path without the suffix of a CSV file."""
    return re.sub(r"\.csv(\.gz)?$", "", path.as_posix())


def is_progress(path: Path) -> bool:
    """Return whether stable-baselines3's logger wrote the file, in the folder of its run."""
    return Path(stem(path)).name == "progress"


def _monitor(path: Path, first: str) -> Content:
    """Read the episodes of one environment. `time` orders those of several environments, as in stable-baselines3."""
    try:
        about = Monitored.model_validate_json(first[1:])
    except ValidationError:
        raise UserError(f"{path}: its first line is not that of stable-baselines3's monitor.csv") from None
    rows = validation.read_csv(path, skip=1)
    if not {"r", "l", "t"} <= set(rows):
        raise UserError(f"{path}: should have the columns r, l and t of stable-baselines3's monitor.csv, {found(rows)}")
    made = pd.DataFrame(
        {
            "return": validation.numbers(path, rows["r"], validation.NUMBER),
            "length": validation.numbers(path, rows["l"], validation.COUNT, needed=True),
            "time": about.t_start + validation.numbers(path, rows["t"], validation.NUMBER, needed=True),
        }
    )
    if about.env_id not in (None, "None"):
        made["task"] = about.env_id
    return Content(path, path.parent.absolute().as_posix(), made, episodes=True)


def _tensorboard(path: Path, options: CsvOptions) -> Content | None:
    match = TAGGED.search(Path(stem(path)).name)
    tag = match["tag"] if match else "return"
    wanted = {column: theirs.replace("/", "_") for column, theirs in options.columns.items()}
    known = {theirs.replace("/", "_"): theirs for several in names.COLUMN_NAMES.values() for theirs in several}
    column = next((ours for ours, theirs in wanted.items() if theirs == tag), names.column_named(known.get(tag, tag)))
    if column not in ("return", "evaluation_return"):
        return None
    rows = validation.read_csv(path).rename(columns={"Step": "agent_step", "Value": column})
    name = f"{path.parent.absolute().as_posix()}/{match['run']}" if match else stem(path.absolute())
    return Content(path, name, rows[["agent_step", column]], known.get(tag) in names.EPISODES)


def _check_repeated(path: Path, first: str) -> None:
    """Raise UserError if runs of a chart have the same name: pandas would rename the columns of the second."""
    columns = next(csv.reader([first], delimiter=validation.separator_of(first)))
    counts = Counter(column for column in columns if not column.endswith(("__MIN", "__MAX")))
    if repeated := [column for column, count in counts.items() if count > 1]:
        raise UserError(
            f"{path}: several runs have the same name, as the columns {', '.join(repeated[:3])} are repeated; give each"
            " run a name of its own in W&B, and export again"
        )


def _chart(path: Path, header: Sequence[str], options: CsvOptions) -> Content:
    """Make a row for each point of each run. Columns __MIN and __MAX are not read: they are of points that the chart
    leaves out. Raises UserError for means of groups, and if the axis or the return is not clear."""
    lines = {column: CHARTED.fullmatch(column) for column in header[1:] if not column.endswith(("__MIN", "__MAX"))}
    runs = {column: match.groupdict() for column, match in lines.items() if match}
    metrics = list(dict.fromkeys(each["metric"] for each in runs.values() if each["metric"] != "_step"))
    if grouped := next((each["run"] for each in runs.values() if each["run"].startswith("Group: ")), None):
        raise UserError(f"{path}: holds means of groups of runs ({grouped}); ungroup the runs in W&B, and export again")
    wanted = {theirs: ours for ours, theirs in options.columns.items()}
    returns = {metric: wanted.get(metric, names.column_named(metric)) for metric in metrics}
    returns = {metric: ours for metric, ours in returns.items() if ours in ("return", "evaluation_return")}
    asked = {"return", "evaluation_return"} & options.columns.keys()  # another metric is not what was meant
    if not returns and len(metrics) == 1 and not asked:
        returns = {metrics[0]: "return"}
    axis = wanted.get(header[0], names.column_named(header[0]))
    if len(returns) != 1 or axis != "agent_step":
        raise UserError(
            f"{path}: a chart of W&B should have agent steps as its x axis and one metric that is a return, found the x"
            f" axis {header[0]!r} and the metrics {', '.join(metrics)}; name them with --columns agent_step={header[0]}"
            " return=METRIC"
        )
    ((metric, column),) = returns.items()
    cells = validation.read_csv(path)
    kept = {name: each["run"] for name, each in runs.items() if each["metric"] == metric}
    rows = cells[[header[0], *kept]].rename(columns={header[0]: "agent_step", **kept})
    rows = rows.melt("agent_step", var_name="name", value_name=column, ignore_index=False).dropna(subset=[column])
    note = f"{path}: W&B's Step is taken as the agent step; if it is not, export the chart over global_step."
    return Content(path, stem(path.absolute()), rows, metric in names.EPISODES, note * (header[0] == "Step"))


def _table(path: Path, header: Sequence[str], options: CsvOptions) -> Content:
    """Read a table that has our columns, or columns of other projects whose names are known or given in `options`."""
    if missing := [f"{ours}={theirs}" for ours, theirs in options.columns.items() if theirs not in header]:
        raise UserError(f"{path}: no column for --columns {' '.join(missing)}; {found(header)}")
    renamed: dict[str, str] = {theirs: ours for ours, theirs in options.columns.items()}
    for ours, several in names.COLUMN_NAMES.items():
        if ours not in header and ours not in renamed.values():
            lower = {column.lower(): column for column in reversed(header) if column not in renamed}
            theirs = next((lower[name] for name in (ours, *several) if name in lower), None)
            renamed |= {theirs: ours} if theirs is not None else {}
    hidden = [column for column in options.columns if column in header and column not in renamed]
    text = [theirs for theirs in header if renamed.get(theirs, theirs) in TEXTS]
    rows = validation.read_csv(path, text=text).drop(columns=hidden).rename(columns=renamed)
    episodes = any(theirs.lower() in names.EPISODES for theirs, ours in renamed.items() if ours == "return")
    name = path.absolute().parent.as_posix() if is_progress(path) else stem(path.absolute())
    return Content(path, name, rows, episodes, header=header)


def found(columns: Sequence[str] | pd.DataFrame) -> str:
    """Say which columns a file has."""
    return f"found: {', '.join(map(str, columns)) or 'no column'}"
