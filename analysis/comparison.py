"""What a comparison says: the numbers, what is missing, what to know when reading them, and where they come from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from analysis import metrics, scores
from analysis.cells import Cell, Grid
from analysis.metrics import Estimate
from analysis.runs import RETURNS, Run

RETURN, SCORE, SPARSITY, ACTOR_SPARSITY = "return", "score", "sparsity", "actor_sparsity"


@dataclass(frozen=True)
class Comparison:
    """`overall[row][statistic]` and `on_task[row, task][statistic]` are estimates, in the order of the tables; `scored`
    the tasks whose scores are aggregated; `actors` those whose agent has an actor, so that `sparsity` is the critics';
    `gaps` the cells without a result; `notes` full sentences; `source` (heading, text) pairs for the footer."""

    grid: Grid
    scored: list[str]
    actors: list[str]
    overall: dict[str, dict[str, Estimate]]
    on_task: dict[tuple[str, str], dict[str, Estimate]]
    gaps: dict[Cell, str]
    notes: list[str]
    source: list[tuple[str, str]]

    def expected_seeds(self, row: str, task: str) -> int:
        return sum(cell.row == row and cell.task == task for cell in self.grid.runs)


def compare(
    grid: Grid, command: str, *, seed: int, repetitions: int, which: str = "training", raw: bool = False
) -> Comparison:
    """All numbers of the report; `raw` leaves out the scores. `which` returns the runs hold is named in the footer.

    Raises UserError for a task that is not in the tables.
    """
    families = scores.by_family(grid.tasks)
    scored = [] if raw else [task for task in grid.tasks if scores.is_scored(task)]
    actors = _with_actor(grid, families)
    overall: dict[str, dict[str, Estimate]] = {}
    on_task: dict[tuple[str, str], dict[str, Estimate]] = {}
    remarks: dict[str, list[str]] = {}  # remark -> the rows it holds for
    for row in grid.rows:
        values = {name: _final(grid, row, name) for name in (RETURN, SPARSITY)}
        if scored:
            values[SCORE] = scores.normalised_by_task(values[RETURN])
        if actors:
            values[ACTOR_SPARSITY] = {t: v for t, v in _final(grid, row, ACTOR_SPARSITY).items() if t in actors}
        overall[row], said = _overall(values, seed, repetitions)
        for remark in said:
            remarks.setdefault(remark, []).append(row)
        parts = {name: metrics.task_means(by_task, seed, repetitions) for name, by_task in values.items()}
        for task in grid.tasks:
            on_task[row, task] = {
                name: parts[name][task]
                for name in (RETURN, SCORE, SPARSITY, ACTOR_SPARSITY)
                if name in parts and task in parts[name]
            }
    notes = [f"{'; '.join(rows)} - {remark}." for remark, rows in remarks.items()]
    return Comparison(
        grid,
        scored,
        actors,
        overall,
        on_task,
        grid.gaps(),
        notes + _more_notes(grid, raw),
        _source(grid, scored, actors, command, seed, repetitions, which),
    )


def _with_actor(grid: Grid, families: dict[str, list[str]]) -> list[str]:
    """The tasks of the families whose runs have an actor: also of what has no finished run yet."""
    seen = {cell.task for cell, run in grid.finished() if run.final(ACTOR_SPARSITY) is not None}
    return [task for tasks in families.values() if seen.intersection(tasks) for task in tasks]


def _overall(
    values: Mapping[str, metrics.ByTask], seed: int, repetitions: int
) -> tuple[dict[str, Estimate], list[str]]:
    """Aggregates over tasks of all but the returns, whose units differ, and remarks."""
    mean = metrics.SCORE_STATISTICS["mean"]
    wanted = {SCORE: metrics.SCORE_STATISTICS, SPARSITY: {SPARSITY: mean}, ACTOR_SPARSITY: {ACTOR_SPARSITY: mean}}
    estimates: dict[str, Estimate] = {}
    remarks: dict[str, str] = {}  # as aggregate has it -> with what it holds for
    present = [name for name in wanted if name in values]
    for name in present:
        found, said = metrics.aggregate(values[name], wanted[name], seed, repetitions)
        estimates |= found
        # All are taken from the same runs, so their remarks are mostly the same: said once.
        for remark in said:
            remarks.setdefault(remark, remark if name == present[0] else f"{name.replace('_', ' ')}: {remark}")
    return estimates, list(remarks.values())


def _final(grid: Grid, row: str, column: str) -> dict[str, dict[int, float | None]]:
    """{task: {seed: value}} of the finished runs of a row. A run without a return counts for nothing else either."""
    values: dict[str, dict[int, float | None]] = {cell.task: {} for cell in grid.runs if cell.row == row}
    for cell, run in grid.finished():
        if cell.row == row:
            done = run.final(grid.column)
            values[cell.task][cell.seed] = done if done is None or column == RETURN else run.final(column)
    return values


def _more_notes(grid: Grid, raw: bool) -> list[str]:
    notes = list(grid.notes)
    unscored = [task for task in grid.tasks if not scores.is_scored(task)]
    if raw:
        notes.append("Returns are not normalised, and none is aggregated over tasks, as their units differ.")
    elif unscored:
        notes.append(
            f"No reference return is known for {', '.join(unscored)}: no score, so not in the aggregates of scores; the"
            " returns are shown as they are."
        )
    holes = {cell: int(run.history[grid.column].isna().sum()) for cell, run in grid.finished()}
    named = [f"{cell} ({count})" for cell, count in holes.items() if count]
    if named:
        notes.append(f"Epochs without a return, gaps in the curves: {'; '.join(named)}.")
    mixed = [name for name, values in _versions(run for _, run in grid.finished()).items() if len(values) > 1]
    if mixed:
        notes.append(f"The runs were made with more than one version of: {', '.join(mixed)}.")
    return notes


def _source(
    grid: Grid, scored: list[str], actors: list[str], command: str, seed: int, repetitions: int, which: str
) -> list[tuple[str, str]]:
    versions = _versions(run for _, run in grid.finished())
    commits = versions.pop("project", ["unknown"])
    tools = ", ".join(f"{name} {metadata.version(name)}" for name in ("rliable", "arch", "numpy", "pandas"))
    return [
        ("Normaliser", f"{_normaliser(grid, scored)}."),
        ("Protocol", f"{_protocol(grid, which)}."),
        ("Statistics", _statistics(grid, scored, actors, seed, repetitions)),
        ("Seeds", f"{len(grid.seeds)} expected a cell of the table ({', '.join(map(str, grid.seeds))})."),
        ("Versions", f"{_listed(versions) or 'unknown'}; this table: {tools}."),
        ("Commit", f"{', '.join(commits)}."),
        ("Command", command),
    ]


def _normaliser(grid: Grid, scored: list[str]) -> str:
    references = scores.references(grid.tasks)
    what = f"score = (return - random) / ({' or '.join(references)} - random)" if scored else "none, returns are raw"
    return f"{what}{', with' if len(references) == 1 else ':'} {scores.source(grid.tasks)}"


def _statistics(grid: Grid, scored: list[str], actors: list[str], seed: int, repetitions: int) -> str:
    noun = scores.noun(grid.tasks)
    apart = (
        "; where there is an actor, that of the elected critics and that of the actor are told apart" if actors else ""
    )
    one = f"mean over seeds on one {noun}"
    what = (
        f"IQM, median, mean and optimality gap (threshold 1) of the normalised scores over {noun}s and seeds; the {one}"
        if scored
        else one.capitalize()
    )
    return (
        f"{what}. Brackets are 95 % intervals of a stratified bootstrap over seeds within each {noun}"
        f" (percentile, {repetitions:,} repetitions, seed {seed}, rliable). Sparsity is the fraction of zeros in all"
        f" kernels of the elected network at the end of training{apart}."
    )


def _protocol(grid: Grid, which: str) -> str:
    """Which return was taken, and the environment and length of training, as the records have them."""
    runs = [run for _, run in grid.finished()] or [run for _, run in grid.present()]
    families = scores.by_family(dict.fromkeys(run.task for run in runs))
    parts = [f"return = {RETURNS[which][1]}"]
    for family, tasks in families.items():
        listed = _options([run for run in runs if run.task in tasks])
        if listed:
            parts.append(listed if len(families) == 1 else f"{family}: {listed}")
    return "; ".join(parts)


def _options(runs: list[Run]) -> str:
    """The options by their names. Where they differ (tasks may have their own), every value is named."""
    kept = ("environment.", "trainer.epochs", "trainer.epoch_agent_steps")
    options = {key for run in runs for key in run.options if key.startswith(kept)}
    values = {key.split(".", 1)[1]: _distinct(run.options.get(key) for run in runs) for key in sorted(options)}
    return _listed(values, "=")


def _versions(runs: Iterable[Run]) -> dict[str, list[str]]:
    runs = list(runs)
    names = dict.fromkeys(name for run in runs for name in run.versions)
    return {name: _distinct(run.versions.get(name, "unknown") for run in runs) for name in names}


def _distinct(values: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(str(value) for value in values))


def _listed(values: dict[str, list[str]], sign: str = " ") -> str:
    return ", ".join(f"{name}{sign}{' or '.join(several)}" for name, several in values.items())
