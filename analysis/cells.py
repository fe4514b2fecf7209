"""Which runs there should be, and which there are: a grid of cells (row of the table, task, seed).

With a sweep file the grid is the product of its parameters. Without one it is the product of the tasks, methods
and seeds that were seen.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from analysis.runs import FINISHED, Run
from suite.errors import UserError

#: Options that must agree between all runs of a task, whatever their method: a comparison needs one protocol.
PROTOCOL = ("environment.", "trainer.epochs", "trainer.epoch_agent_steps")
NAMED = ("task", "method", "seed")


class Cell(NamedTuple):
    row: str  # the method, and the swept options if any: "eaudeqn, width=32"
    task: str
    seed: int

    def __str__(self) -> str:
        return f"{self.row}, {self.task}, seed {self.seed}"


@dataclass(frozen=True)
class Grid:
    """`runs` holds every expected cell, in the order of the table; None where there is no folder."""

    runs: dict[Cell, Run | None]
    methods: dict[str, str]  # row -> its method
    notes: list[str] = field(default_factory=list)
    column: str = "return"  # of the runs' histories: which returns are compared

    @property
    def rows(self) -> list[str]:
        return list(self.methods)

    @property
    def tasks(self) -> list[str]:
        return list(dict.fromkeys(cell.task for cell in self.runs))

    @property
    def seeds(self) -> list[int]:
        return sorted({cell.seed for cell in self.runs})

    def present(self) -> Iterator[tuple[Cell, Run]]:
        return ((cell, run) for cell, run in self.runs.items() if run is not None)

    def finished(self) -> Iterator[tuple[Cell, Run]]:
        """Only these enter the statistics and the curves."""
        return ((cell, run) for cell, run in self.present() if run.status == FINISHED)

    def gaps(self) -> dict[Cell, str]:
        """The cells without a final return, and why."""
        gaps = {}
        for cell, run in self.runs.items():
            if run is None:
                gaps[cell] = "missing (there is no such run)"
            elif run.status != FINISHED:
                gaps[cell] = f"{run.status} ({run.reason})"
            elif run.final(self.column) is None:
                gaps[cell] = "without a number (its last return is null)"
        return gaps


def seen(runs: Iterable[Run], column: str = "return") -> Grid:
    """The grid of the product of the tasks, methods and seeds that occur. Raises UserError as `check_options` does."""
    runs = list(runs)
    check_options((run.method, run) for run in runs)
    axes = [sorted({getattr(run, key) for run in runs}) for key in ("method", "task", "seed")]
    cells: dict[Cell, Run | None] = {Cell(*values): None for values in itertools.product(*axes)}
    for run in runs:
        _place(cells, Cell(run.method, run.task, run.seed), run)
    return Grid(cells, {method: method for method in axes[0]}, column=column)


def expected(runs: Iterable[Run], sweep: Path, column: str = "return") -> Grid:
    """The grid of a sweep file. Runs that are no cell of it are left out, with a note that says why."""
    parameters = read_sweep(sweep)
    swept = tuple(key for key, values in parameters.items() if key not in NAMED and len(values) > 1)
    cells: dict[Cell, Run | None] = {}
    methods: dict[str, str] = {}
    for method, *options in itertools.product(parameters["method"], *(parameters[key] for key in swept)):
        row = label(method, dict(zip(swept, options, strict=True)))
        methods[row] = method
        for task, seed in itertools.product(parameters["task"], parameters["seed"]):
            cells[Cell(row, task, seed)] = None
    notes, placed = [], []
    for run in runs:
        reason = _foreign(run, parameters)
        if reason:
            notes.append(f"The run {run.name} is no cell of {sweep} and was left out: {reason}.")
            continue
        method = next(method for method in parameters["method"] if is_method(run, method))
        values = {key: next(v for v in parameters[key] if same(run.options[key], v)) for key in swept}
        placed.append((Cell(label(method, values), run.task, run.seed), run))
    check_options(((cell.row, run) for cell, run in placed), swept)
    for cell, run in placed:
        _place(cells, cell, run)
    return Grid(cells, methods, notes, column)


def read_sweep(path: Path) -> dict[str, list[Any]]:
    """The values of each parameter of a W&B grid sweep file. Raises UserError when it is none."""
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a YAML file ({' '.join(str(error).split())})") from None
    given = content.get("parameters") if isinstance(content, Mapping) else None
    if not isinstance(given, Mapping):
        raise UserError(f"{path}: not a sweep file: it has no `parameters`")
    parameters = {}
    for key, entry in given.items():
        if isinstance(entry, Mapping) and "value" in entry:
            parameters[key] = [entry["value"]]
        elif isinstance(entry, Mapping) and isinstance(entry.get("values"), list) and entry["values"]:
            parameters[key] = entry["values"]
        else:
            raise UserError(f"{path}: parameter {key}: a grid needs `value: ...` or `values: [...]`, found {entry!r}")
    for key in NAMED:
        if key not in parameters:
            raise UserError(f"{path}: `parameters` should name the {key}s, so that the cells are known")
    try:
        parameters["seed"] = [int(str(seed)) for seed in parameters["seed"]]
    except ValueError:
        raise UserError(f"{path}: parameter seed: whole numbers are needed, found {parameters['seed']}") from None
    for key in ("task", "method"):
        parameters[key] = [str(value) for value in parameters[key]]
    return parameters


def label(method: str, options: Mapping[str, Any]) -> str:
    """("eaudeqn", {"agent.width": 32}) -> "eaudeqn, width=32"; the whole name where two options end alike."""
    ends = [key.rsplit(".", 1)[-1] for key in options]
    names = [end if ends.count(end) == 1 else key for end, key in zip(ends, options, strict=True)]
    return ", ".join([method, *(f"{name}={value}" for name, value in zip(names, options.values(), strict=True))])


def same(recorded: Any, asked: Any) -> bool:
    """Whether a recorded option is what was asked for. YAML reads 1e-3 as text, so numbers are compared as numbers."""
    if recorded == asked:
        return True
    if recorded is None:
        return str(asked).lower() in ("none", "null")
    try:
        return float(recorded) == float(asked)
    except (TypeError, ValueError):
        return str(recorded).lower() == str(asked).lower()


def is_method(run: Run, asked: str) -> bool:
    """Whether a run's method is what was asked for.

    A record has the label's one spelling, without options at their default ("gmp" for "gmp:final_sparsity=0.95"), and
    all options of the method beside it.
    """

    def parse(text: str) -> tuple[str, dict[str, str]]:
        name, _, rest = text.partition(":")
        pairs = (part.partition("=") for part in rest.split(",") if part)
        return name.strip(), {key.strip(): value.strip() for key, _, value in pairs}

    (name, given), (own, changed) = parse(asked), parse(run.method)
    agree = all(same(run.options.get(f"method.{key}"), value) for key, value in given.items())
    return run.method == asked or (name == own and changed.keys() <= given.keys() and agree)


def _foreign(run: Run, parameters: Mapping[str, list[Any]]) -> str:
    """Why a run is no cell of the sweep; empty when it is one."""
    for key, values in parameters.items():
        if key == "method":
            recorded, known = run.method, any(is_method(run, value) for value in values)
        elif key in NAMED or key in run.options:
            recorded = getattr(run, key) if key in NAMED else run.options[key]
            known = recorded in values if key in NAMED else any(same(recorded, value) for value in values)
        elif len(values) > 1:
            return f"the sweep varies {key}, which its record does not hold"
        else:
            continue  # a parameter of the entry that is no option of a run
        if not known:
            return f"its {key} is {recorded}, the sweep has {', '.join(map(str, values))}"
    return ""


def _place(cells: dict[Cell, Run | None], cell: Cell, run: Run) -> None:
    other = cells[cell]
    if other is not None:
        raise UserError(f"{cell}: two folders hold this cell, {other.name} and {run.name}; keep one of them")
    cells[cell] = run


def check_options(runs: Iterable[tuple[str, Run]], swept: tuple[str, ...] = ()) -> None:
    """Raises UserError when a (row, task) mixes options, or a task mixes protocols."""
    first_of_row: dict[tuple[str, str], Run] = {}
    first_of_task: dict[str, Run] = {}
    for row, run in runs:
        _agree(row, first_of_row.setdefault((row, run.task), run), run, swept)
    for run in first_of_row.values():
        _agree("the methods", first_of_task.setdefault(run.task, run), run, swept, PROTOCOL)


def _agree(who: str, a: Run, b: Run, swept: tuple[str, ...], prefixes: tuple[str, ...] = ("",)) -> None:
    for key in sorted(a.options.keys() | b.options.keys()):
        absent = "not recorded"
        left, right = a.options.get(key, absent), b.options.get(key, absent)
        if key.startswith(prefixes) and key not in swept and left != right:
            raise UserError(
                f"{who} on {a.task}: {key} is {left} in {a.name} but {right} in {b.name}; such runs are not compared:"
                " name the sweep that varies it (--sweep FILE), or keep them in folders of their own"
            )
