"""What a comparison says: the numbers, what is missing, what to know when reading them, and where they come from."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from analysis import metrics, scores
from analysis.cells import Cell, Grid
from analysis.metrics import NOTHING, Estimate
from analysis.runs import Run

SPARSITY = "sparsity"
#: Statistics of a row over all tasks, and of a row on one task, in the order of the tables.
OVERALL = (*metrics.SCORE_STATISTICS, SPARSITY)
ON_TASK = ("return", "score", SPARSITY)


@dataclass(frozen=True)
class Comparison:
    """`overall[row][statistic]` and `on_task[row, task][statistic]` are estimates; `gaps` the cells without a result;
    `notes` full sentences; `source` (heading, text) pairs for the footer."""

    grid: Grid
    overall: dict[str, dict[str, Estimate]]
    on_task: dict[tuple[str, str], dict[str, Estimate]]
    gaps: dict[Cell, str]
    notes: list[str]
    source: list[tuple[str, str]]

    def expected_seeds(self, row: str, task: str) -> int:
        return sum(cell.row == row and cell.task == task for cell in self.grid.runs)


def compare(grid: Grid, command: str, seed: int, repetitions: int) -> Comparison:
    """All numbers of the report. Raises UserError for a task without reference scores."""
    overall: dict[str, dict[str, Estimate]] = {}
    on_task: dict[tuple[str, str], dict[str, Estimate]] = {}
    remarks: dict[str, list[str]] = {}  # remark -> the rows it holds for
    for row in grid.rows:
        returns, sparsities = _final(grid, row, "return"), _final(grid, row, SPARSITY)
        score = scores.normalised_by_task(returns)
        # Sparsity and score are taken from the same runs, so they get the same remarks: said once.
        overall[row], said = metrics.aggregate(score, metrics.SCORE_STATISTICS, seed, repetitions)
        overall[row] |= metrics.aggregate(sparsities, {SPARSITY: metrics.SCORE_STATISTICS["mean"]}, seed, repetitions)[
            0
        ]
        for remark in said:
            remarks.setdefault(remark, []).append(row)
        parts = {
            name: metrics.task_means(values, seed, repetitions)
            for name, values in zip(ON_TASK, (returns, score, sparsities), strict=True)
        }
        for task in grid.tasks:
            on_task[row, task] = {name: parts[name].get(task, NOTHING) for name in ON_TASK}
    notes = [f"{'; '.join(rows)} - {remark}." for remark, rows in remarks.items()]
    return Comparison(
        grid,
        overall,
        on_task,
        grid.gaps(),
        notes + _more_notes(grid),
        _source(grid, command, seed, repetitions),
    )


def _final(grid: Grid, row: str, column: str) -> dict[str, dict[int, float | None]]:
    """{task: {seed: value}} of the finished runs of a row. A run without a return counts for nothing else either."""
    values: dict[str, dict[int, float | None]] = {cell.task: {} for cell in grid.runs if cell.row == row}
    for cell, run in grid.finished():
        if cell.row == row:
            values[cell.task][cell.seed] = None if run.final("return") is None else run.final(column)
    return values


def _more_notes(grid: Grid) -> list[str]:
    notes = list(grid.notes)
    holes = {cell: sum(epoch["return"] is None for epoch in run.epochs) for cell, run in grid.finished()}
    named = [f"{cell} ({count})" for cell, count in holes.items() if count]
    if named:
        notes.append(f"Epochs without a return, gaps in the curves: {'; '.join(named)}.")
    mixed = [name for name, values in _versions(run for _, run in grid.finished()).items() if len(values) > 1]
    if mixed:
        notes.append(f"The runs were made with more than one version of: {', '.join(mixed)}.")
    return notes


def _source(grid: Grid, command: str, seed: int, repetitions: int) -> list[tuple[str, str]]:
    versions = _versions(run for _, run in grid.finished())
    commits = versions.pop("project", ["unknown"])
    tools = ", ".join(f"{name} {metadata.version(name)}" for name in ("rliable", "arch", "numpy", "pandas"))
    return [
        ("Normaliser", f"{scores.source()}."),
        ("Protocol", f"{_protocol(grid)}."),
        (
            "Statistics",
            "IQM, median, mean and optimality gap (threshold 1) of the normalised scores over games and seeds;"
            " the mean over seeds on one game. Brackets are 95 % intervals of a stratified bootstrap over seeds"
            f" within each game (percentile, {repetitions:,} repetitions, seed {seed}, rliable). Sparsity is the"
            " fraction of zeros in all kernels of the elected network at the end of training.",
        ),
        ("Seeds", f"{len(grid.seeds)} expected a cell of the table ({', '.join(map(str, grid.seeds))})."),
        ("Versions", f"{_listed(versions) or 'unknown'}; this table: {tools}."),
        ("Commit", f"{', '.join(commits)}."),
        ("Command", command),
    ]


def _protocol(grid: Grid) -> str:
    """What was measured, and the environment and length of training, as the records have them."""
    runs = [run for _, run in grid.finished()] or [run for _, run in grid.present()]
    # The options by their names. Where they differ (tasks may have their own), every value is named.
    kept = ("environment.", "trainer.epochs", "trainer.epoch_agent_steps")
    options = {key for run in runs for key in run.options if key.startswith(kept)}
    values = {key.split(".", 1)[1]: _distinct(run.options.get(key) for run in runs) for key in sorted(options)}
    text = "return = mean undiscounted training return over the episodes of the last epoch (no separate evaluation)"
    return f"{text}; {_listed(values, '=')}" if values else text


def _versions(runs: Iterable[Run]) -> dict[str, list[str]]:
    runs = list(runs)
    names = dict.fromkeys(name for run in runs for name in run.versions)
    return {name: _distinct(run.versions.get(name, "unknown") for run in runs) for name in names}


def _distinct(values: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(str(value) for value in values))


def _listed(values: dict[str, list[str]], sign: str = " ") -> str:
    return ", ".join(f"{name}{sign}{' or '.join(several)}" for name, several in values.items())
