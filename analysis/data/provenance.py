"""Where the numbers of a table come from, for its footer."""

from collections.abc import Iterable
from importlib import metadata
from typing import Any

from analysis.data import scores
from analysis.data.cells import Grid
from analysis.data.returns import RETURNS
from analysis.data.runs import Run
from analysis.settings import Settings
from analysis.stats.metrics import COVERAGE, FEW_SEEDS


def source(
    grid: Grid,
    command: str,
    settings: Settings,
    scored: list[str],
    actors: bool,
    paired: bool,
    blocks: list[tuple[list[str], str]],
) -> list[tuple[str, str]]:
    """(heading, text) pairs. `blocks` are the rows of each protocol, and the protocol in words."""
    versions = _versions(run for _, run in grid.finished())
    commits = versions.pop("project", ["unknown"])
    tools = ", ".join(f"{name} {metadata.version(name)}" for name in ("rliable", "arch", "numpy", "scipy", "pandas"))
    seeds = sorted({cell.seed for cell in grid.runs})
    counts = seed_counts(grid)
    protocols = (
        [("Protocol", f"{blocks[0][1]}.")]
        if len(blocks) == 1
        else [(f"Protocol {letter(i)}", f"{'; '.join(rows)}: {text}.") for i, (rows, text) in enumerate(blocks)]
    )
    return [
        ("Normaliser", f"{_normaliser(grid, settings, scored)}."),
        ("Return", f"{RETURNS[grid.which][1]}."),
        *protocols,
        ("Statistics", _statistics(grid, settings, scored, actors)),
        *([("Comparison", _compared(grid, settings))] if paired else []),
        ("Bold", _bold()),
        (
            "Seeds",
            f"{' or '.join(map(str, counts))} expected a cell of the table ({', '.join(map(str, seeds))}).",
        ),
        ("Versions", f"{_listed(versions) or 'unknown'}; this table: {tools}."),
        ("Commit", f"{', '.join(commits)}."),
        ("Command", command),
    ]


def letter(i: int) -> str:
    """The name of a block of the table: A, B, ..."""
    return chr(ord("A") + i) if i < 26 else str(i + 1)


def mixed_versions(grid: Grid) -> list[str]:
    """What the runs have more than one version of."""
    return [name for name, values in _versions(run for _, run in grid.finished()).items() if len(values) > 1]


def _normaliser(grid: Grid, settings: Settings, scored: list[str]) -> str:
    names = scores.names(grid.tasks, settings.references)
    what = f"score = (return - random) / ({' or '.join(names)} - random)" if scored else "none, returns are raw"
    return f"{what}{', with' if len(names) == 1 else ':'} {scores.source(grid.tasks, settings.references)}"


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
        f"{what}. Brackets are 95 % intervals of a stratified bootstrap over seeds within each {noun}"
        f" (percentile, {settings.repetitions:,} repetitions, seed {settings.seed}, rliable). They are too narrow with"
        f" few seeds: {coverage(seed_counts(grid), noun, bool(scored))}. Sparsity is the fraction of zeros in all"
        f" kernels of the elected network at the end of training{apart}."
    )


def seed_counts(grid: Grid) -> list[int]:
    """How many seeds the rows should have."""
    return sorted({grid.seeds(row) for row in grid.rows})


def coverage(counts: Iterable[int], noun: str, scored: bool) -> str:
    """How much of the time an interval over so many seeds holds the true value, as simulated
    (analysis.stats.metrics)."""
    known = sorted({min(COVERAGE, key=lambda seeds: abs(seeds - max(count, 2))) for count in counts} | {5, 10})
    parts = [
        f"with {seeds} seeds {COVERAGE[seeds][0]:.0f} % (mean on one {noun})"
        + f" and {COVERAGE[seeds][1]:.0f} % (IQM over ten)" * scored
        for seeds in known
    ]
    return f"simulated, the true value lies in them {', '.join(parts)} of the time"


def _compared(grid: Grid, settings: Settings) -> str:
    noun = scores.noun(grid.tasks)
    return (
        f"difference of the mean scores on a {noun}, and probability that a run has the higher score than one of"
        f" {settings.reference}, both averaged over the {noun}s that both methods have; both methods' seeds are"
        f" resampled; better and worse: {noun}s where both have at least {FEW_SEEDS} seeds and the interval of the"
        f" difference excludes 0 (not corrected for their number); seeds needed: of each method, for a two-sided test"
        f" at 5 % to see a difference of {settings.effect:g} with probability 0.8, with the variance between seeds at"
        " the upper end of what these seeds allow (80 % confidence; Browne 1995)."
    )


def _bold() -> str:
    return (
        "the best of a table's methods, where its interval overlaps no other's and all rest on at least"
        f" {FEW_SEEDS} seeds (stricter than a test of their difference at 5 %); nothing otherwise."
    )


def _versions(runs: Iterable[Run]) -> dict[str, list[str]]:
    runs = [run for run in runs if run.versions]
    names = dict.fromkeys(name for run in runs for name in run.versions)
    return {name: _distinct(run.versions.get(name, "unknown") for run in runs) for name in names}


def _distinct(values: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys("not installed" if value is None else str(value) for value in values))


def _listed(values: dict[str, list[str]]) -> str:
    return ", ".join(f"{name} {' or '.join(several)}" for name, several in values.items())
