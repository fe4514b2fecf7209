"""The sources of runs: a table of readers, with a module for each kind of source.

| place | what |
|---|---|
| `runs/atari-laptop`, `runs/atari-laptop/<run>` | run folders of this benchmark, or one of them (runfolder.py) |
| `wandb:entity/project` | a W&B project with runs of this benchmark, over the network (wandb.py) |
| a folder with `.wandb` files | the same, as W&B wrote them offline (wandb.py) |
| `*.csv`, `*.csv.gz`, or a folder of them | our curves.csv, and what other programs write (csvfile.py) |
| `*.json`, or a folder of them | Dopamine's published baselines (dopamine.py) |
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from analysis.data.runs import Run
from analysis.data.sources import csvfile, dopamine, runfolder, wandb
from analysis.data.sources.layouts import SUFFIXES, CsvOptions
from suite.errors import UserError
from suite.record import schema
from suite.tasks import TASKS, Task

Found = tuple[list[Run], list[str]]  # runs, and notes on what was left out


class Context(NamedTuple):
    """What readers need besides the place."""

    report: Path | None = None  # the folder of the report, which is not read
    processes: int = 1  # that read large folders
    csv: CsvOptions = CsvOptions()
    tasks: Mapping[str, Task] = TASKS  # that are known


class Reader(NamedTuple):
    """A kind of source. `reads` tells whether a place is of this kind; `load` reads it, or raises UserError."""

    reads: Callable[[str], bool]
    load: Callable[[str, Context], Found]


def _holds_runs(place: str) -> bool:
    folder = Path(place)
    return folder.is_dir() and any((f / schema.CONFIG).exists() for f in (folder, *schema.subfolders(folder)[0]))


def _holds_wandb(place: str) -> bool:
    return any(wandb.files_below(Path(place), []))


def _read_folders(place: str, context: Context) -> Found:
    return runfolder.load(Path(place), context.report, context.processes)


def _read_csv(place: str, context: Context) -> Found:
    found, notes = csvfile.load(Path(place), context.csv, context.report, context.tasks)
    if _holds_json(place):
        notes = [*notes, f"{place}: its CSV files were read; the .json files beside them were left out."]
    return found, notes


def _read_json(place: str, _: Context) -> Found:
    return dopamine.load(Path(place))


def _holds_json(place: str) -> bool:
    return any(Path(place).glob("*.json"))


def _holds_csv(place: str) -> bool:
    return bool(Path(place).is_dir() and csvfile.files(Path(place), Path(place) / "report"))


#: The first reader that reads a place is used. Run folders hold .wandb files too, so their records come first. Many
#: programs put a .json with their options beside their CSV files.
READERS = (
    Reader(lambda place: place.startswith(wandb.PREFIX), lambda place, _: wandb.project(place)),
    Reader(lambda place: place.endswith(SUFFIXES), _read_csv),
    Reader(lambda place: place.endswith(".json"), _read_json),
    Reader(_holds_runs, _read_folders),
    Reader(_holds_wandb, lambda place, _: wandb.offline(Path(place))),
    Reader(_holds_csv, _read_csv),
    Reader(_holds_json, _read_json),
    Reader(lambda _: True, _read_folders),
)


def load(places: Iterable[str], context: Context | None = None) -> Found:
    """Return the runs of all places, in their order, and notes on what was left out.

    With more than one process the main module must be importable. Raises UserError for a place that cannot be read,
    holds no run, or is damaged.
    """
    context = context or Context()
    found: list[Run] = []
    notes: list[str] = []
    for place in places:
        if not place:
            raise UserError("--runs: an empty name; name a folder, a file, or wandb:entity/project")
        reader = next(reader for reader in READERS if reader.reads(place))
        runs, said = reader.load(place, context)
        found += runs
        notes += said
    return found, notes
