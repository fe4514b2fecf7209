"""Where the numbers of a table come from, for its footer."""

from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import metadata

from analysis.data import protocol, scores
from analysis.data.cells import Grid
from analysis.data.returns import RETURNS
from analysis.data.runs import Run, version_word
from analysis.settings import Settings
from analysis.stats.metrics import COVERAGE, FEW_SEEDS, some
from analysis.stats.planning import PLANNED, POWER

UNKNOWN = "unknown"

#: Source of a run -> what the footer calls it.
SOURCES = {"records": "run folders", "wandb": "W&B", "dopamine": "Dopamine's published results", "csv": "CSV file"}


def source(
    grid: Grid,
    command: str,
    settings: Settings,
    scored: list[str],
    actors: bool,
    paired: bool,
    blocks: list[tuple[list[str], str]],
) -> list[tuple[str, str]]:
    """Return the footer as (heading, text) pairs. `blocks` are the rows of each protocol, and the protocol in words."""
    versions = _versions(run for _, run in grid.finished())
    commits = versions.pop("project", [UNKNOWN])
    tools = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "scipy", "pandas"))
    seeds = sorted({cell.seed for cell in grid.runs})
    counts, noun = seed_counts(grid), scores.noun(grid.tasks)
    pairs = "runs of equal seeds are paired" if settings.paired else "seeds are labels, and runs are not paired"
    protocols = (
        [("Protocol", f"{blocks[0][1]}.")]
        if len(blocks) == 1
        else [(f"Protocol {letter(i)}", f"{'; '.join(rows)}: {text}.") for i, (rows, text) in enumerate(blocks)]
    )
    return [
        ("Normaliser", f"{_normaliser(grid, settings, scored)}."),
        ("Return", f"{_return(grid)}."),
        ("Rows", f"{_rows(grid)}."),
        *protocols,
        ("Statistics", _statistics(grid, settings, scored, actors)),
        *([("Comparison", _compared(grid, settings))] if paired else []),
        ("Bold", _bold(noun)),
        ("Seeds", f"{spanned(counts)} a method and {noun} (labels {some(map(str, seeds))}); {pairs}."),
        ("Versions", f"{_listed(versions) or UNKNOWN}; this table: {tools}."),
        ("Commit", f"{', '.join(commits)}."),
        ("Command", command),
    ]


def _return(grid: Grid) -> str:
    several = f"mean of the last {grid.last} epochs of a run: " if grid.last > 1 else ""
    return several + RETURNS[grid.which][1]


def substituted(grid: Grid) -> dict[str, str]:
    """Return {row: kind of return} of the rows without a return of the kind `grid.which`, so another is taken."""
    column = RETURNS[grid.which][0]
    kinds = {other: kind for kind, (other, _) in RETURNS.items()}
    found = {cell.row: protocol.measured(run, grid.which) for cell, run in grid.finished()}
    return {row: kinds[measured] for row, measured in found.items() if measured != column}


def _rows(grid: Grid) -> str:
    """State how many runs each row has, where they are from, and which return is taken."""
    others = substituted(grid)
    parts = []
    for row in grid.rows:
        own = [(cell, run) for cell, run in grid.finished() if cell.row == row]
        tasks = {cell.task for cell, _ in own}
        kind = f"{others[row]} return, as it has no {grid.which} return" if row in others else f"{grid.which} return"
        noun = scores.noun(grid.tasks) + "s" * (len(tasks) != 1)
        sources = " and ".join(_distinct(SOURCES.get(run.source, run.source) for _, run in own)) or "no source"
        parts.append(f"{row}: {len(own)} finished runs on {len(tasks)} {noun} ({sources}), {kind}")
    return "; ".join(parts)


def letter(i: int) -> str:
    """Return the name of a block of the table, counted from 0: A, B, ..., Z, and then its number, 27, 28, ..."""
    return chr(ord("A") + i) if i < 26 else str(i + 1)


def mixed_versions(grid: Grid) -> list[str]:
    """Name the packages of which the runs state more than one version."""
    versions = _versions(run for _, run in grid.finished())
    return [name for name, values in versions.items() if len({*values} - {UNKNOWN}) > 1]


def _normaliser(grid: Grid, settings: Settings, scored: list[str]) -> str:
    tasks = scored or grid.tasks  # raw returns stand beside the random and reference ones
    names, source = scores.names(tasks, settings.references), scores.source(tasks, settings.references)
    what = f"score = (return - random) / ({' or '.join(names)} - random)" if scored else "none, returns are raw"
    return f"{what}{', with' if len(names) == 1 else ':'} {source}" if source else what


def _statistics(grid: Grid, settings: Settings, scored: list[str], actors: bool) -> str:
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
        f"{what}. Each {noun} weighs the same, and so does each run of a {noun}. Brackets are 95 % intervals of a"
        f" stratified bootstrap over the runs of each {noun} (percentile, {settings.repetitions:,} repetitions, seed"
        f" {settings.seed}; as rliable's where all {noun}s have equally many runs); on one {noun} with fewer than"
        f" {FEW_SEEDS} runs they are the lowest and the highest run. Intervals are too narrow with few seeds:"
        f" {coverage(seed_counts(grid), noun, bool(scored))}. Sparsity is the fraction of zeros in all kernels of the"
        f" elected network at the end of training{apart}."
    )


def seed_counts(grid: Grid) -> list[int]:
    """Return how many runs with a final return a row has on a task: each number above 0 that occurs, once, rising."""
    there = Counter((cell.row, cell.task) for cell, run in grid.finished() if grid.final_return(run) is not None)
    return sorted(set(there.values()))


def spanned(counts: Sequence[int]) -> str:
    """Return "3", or "3 to 5"; "0" without any."""
    return " to ".join(dict.fromkeys((str(counts[0]), str(counts[-1])))) if counts else "0"


def coverage(counts: Iterable[int], noun: str, scored: bool) -> str:
    """State how often intervals over these numbers of seeds contain the true value, as simulated (metrics.COVERAGE).

    The nearest simulated numbers are named, and always 5 and 10.
    """
    known = sorted({min(COVERAGE, key=lambda seeds: abs(seeds - max(count, 2))) for count in counts} | {5, 10})
    parts = []
    for seeds in known:
        one, ten = COVERAGE[seeds]
        figures = [f"{one:.0f} % (mean on one {noun})"] * (seeds >= FEW_SEEDS) + [
            f"{ten:.0f} % (IQM over ten)"
        ] * scored
        if figures:
            parts.append(f"with {seeds} seeds {' and '.join(figures)}")
    return f"simulated, the true value lies in them {', '.join(parts)} of the time"


def _compared(grid: Grid, settings: Settings) -> str:
    noun, statistic, reference = scores.noun(grid.tasks), settings.statistic, grid.label(settings.reference)
    test = "paired t test" if settings.paired else "Welch's test"
    return (
        f"difference and ratio of the {statistic} of the scores, and probability that a run has the higher score than"
        f" one of {reference} on the same {noun}, averaged over the {noun}s; all over the {noun}s"
        " that both methods have, with the runs of both resampled (a probability that no resample varies has a score"
        f" interval, Newcombe 2006); better and worse: {noun}s where both have at least {FEW_SEEDS} runs and the means"
        " differ"
        f" ({test} at 5 %, with Holm's correction over the {noun}s); seeds that show {settings.effect:g}: how many of"
        f" each method a two-sided test at 5 % needs to detect such a difference of {statistic} with probability"
        f" {POWER:g}, simulated from these runs{', unpaired' if settings.paired else ''}, with the variance between"
        f" seeds at the upper end of what they allow ({PLANNED:.0%} confidence; Browne 1995)."
    )


def _bold(noun: str) -> str:
    return (
        f"on a {noun}, the highest mean, where it differs from every other method's and all have at least {FEW_SEEDS}"
        f" runs (Welch's test at 5 %, with Holm's correction over the {noun}s); over all {noun}s, the best value whose"
        " interval overlaps no other's, with as many seeds."
    )


def _versions(runs: Iterable[Run]) -> dict[str, list[str]]:
    runs = [run for run in runs if run.versions]
    names = dict.fromkeys(name for run in runs for name in run.versions)
    return {name: _distinct(_word(run.versions.get(name, UNKNOWN)) for run in runs) for name in names}


def _word(version: str | None) -> str:
    return "not installed" if version is None else version_word(version)


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _listed(values: dict[str, list[str]]) -> str:
    return ", ".join(f"{name} {' or '.join(several)}" for name, several in values.items())
