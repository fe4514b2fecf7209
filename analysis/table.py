"""The comparison table: python -m analysis.table --runs runs/atari-laptop --sweep sweeps/atari/laptop.yaml

Reads runs (analysis.data.sources says from where) and writes comparison.md, .tex and .csv, costs.csv, details.csv (what
the notes count), curves.png and .pdf, and what figures are drawn from: curves.csv, efficiency.csv, profiles.csv.

Exits with 0; with 1 when cells have no result (the files are written all the same; --allow-missing accepts it, but for
those that --require names); with 2 for bad input.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os.path import expanduser
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.arguments import finite_number, seed_list, visible_difference
from analysis.data import cells, protocol, runs, scores, sources
from analysis.figures import style
from analysis.render import tables, tidy
from analysis.settings import Settings
from analysis.stats import costs, profiles
from analysis.stats.comparison import SCORE, Comparison, compare, final_values
from analysis.stats.profiles import Curve
from suite.errors import Parser, UserError, expanded, one_line, whole_number
from suite.program.command import start

PROCESSES = 2  # that read records, where there are many
COMPARED = ("IQM", "mean", "median")  # aggregates whose difference may be compared
BAND_REPETITIONS = 500  # a band has many points, and its reader's eye is less exact than a table's


@dataclass(frozen=True)
class Selection:
    """Which runs are compared. `methods` None takes all; `agent_steps` is where runs are cut; the final return is the
    mean of the `last` epochs; `required` are (methods, tasks, seeds) that must have a result."""

    places: Sequence[str]
    sweep: Path | None = None
    which: str = "training"  # returns, a key of runs.RETURNS
    methods: Sequence[str] | None = None
    agent_steps: int | None = None
    required: Sequence[tuple[list[str], list[str], list[int]]] = field(default_factory=list)
    last: int = 1


def select(selection: Selection, out: Path, mix: bool = False) -> cells.Grid:
    """The grid of the runs. Raises UserError for places that cannot be read and for runs that cannot be compared."""
    found, notes = sources.load(selection.places, out, PROCESSES)
    if selection.methods is not None:
        known = sorted({run.method for run in found})
        for method in selection.methods:
            if method not in known:
                raise UserError(f"--methods: no run of {method!r}; there are {', '.join(map(repr, known))}")
        left_out = [method for method in known if method not in selection.methods]
        found = [run for run in found if run.method in selection.methods]
        notes += [f"Methods left out (--methods): {', '.join(left_out)}."] * bool(left_out)
    if selection.agent_steps is not None:
        found = [protocol.cut(run, selection.agent_steps) for run in found]
        notes.append(f"Runs are cut at the first epoch that ends at agent step {selection.agent_steps:,} or later.")
    if not mix:
        protocol.check_returns(found, selection.which)
    if selection.sweep:
        grid = cells.expected(found, selection.sweep, selection.which, mix)
    else:
        grid = cells.seen(found, selection.which, mix)
    for required in selection.required:
        cells.require(grid, *required)
    grid.notes[:0] = notes
    return replace(grid, last=selection.last)


@dataclass(frozen=True)
class Results:
    """A comparison, its finished runs as a tidy frame, its curves by row, and the costs of its runs. In `drawn`, the
    `return` of the frame is the one that is compared."""

    comparison: Comparison
    frame: pd.DataFrame
    drawn: pd.DataFrame
    profiles: Mapping[str, Curve]
    efficiency: Mapping[str, Curve]
    which: str
    costs: pd.DataFrame
    x: str = "agent_step"  # of `efficiency`


def gather(
    selection: Selection, out: Path, command: str, settings: Settings, say: Callable[[str], None] = lambda _: None
) -> Results:
    """All numbers; `say` is told what is being done. Raises UserError as `select` and `compare` do."""
    say("reading runs")
    grid = select(selection, out, settings.mix)
    say("comparing")
    comparison = compare(grid, command, settings)
    say("profiles and sample efficiency")
    frame = runs.tidy((cell.row, run) for cell, run in grid.finished())
    drawn = frame.assign(**{"return": np.concatenate([[], *(grid.returns(run) for _, run in grid.finished())])})
    found, curves = _curves(grid, comparison, drawn, settings)
    finished = ((cell.row, cell.task, cell.seed, run.folder) for cell, run in grid.finished() if run.folder)
    return Results(comparison, frame, drawn, found, curves, selection.which, costs.frame(finished), settings.x)


def _curves(
    grid: cells.Grid, comparison: Comparison, drawn: pd.DataFrame, settings: Settings
) -> tuple[dict[str, Curve], Mapping[str, Curve]]:
    """Performance profiles and sample efficiency by row; adds their notes to those of the comparison.

    Raises UserError where the x axis is in frames and a run does not say them.
    """
    if settings.x == "frame" and drawn["frame"].isna().any():
        raise UserError("--x frame: not all runs say their frames; agent steps are known of all")
    rows = grid.rows if comparison.scored else []
    by_task = {row: final_values(grid, row, comparison.scored, [], settings.references)[SCORE] for row in rows}
    taus = profiles.thresholds(by_task.values())
    found = {}
    for row in rows:
        curve, _ = profiles.profile(by_task[row], settings.seed, settings.repetitions, taus)  # its notes are the IQM's
        if curve is not None:
            found[row] = curve
    curves, notes = profiles.sample_efficiency(
        drawn, comparison.scored, settings.seed, BAND_REPETITIONS, settings.references, settings.x
    )
    comparison.notes.extend(f"{note}." for note in notes)
    return found, curves


def write(results: Results, out: Path) -> str:
    """Write the numbers into `out`; their Markdown. Raises OSError where that is not possible."""
    comparison = results.comparison
    more = costs.tables(results.costs)
    markdown = tables.markdown(comparison, more)
    files = {
        "comparison.md": markdown,
        "comparison.tex": tables.latex(comparison, more),
        "comparison.csv": tidy.tidy_csv(comparison),
        "details.csv": tidy.details_csv(comparison),
        "costs.csv": results.costs.to_csv(index=False),
        "profiles.csv": profiles.tidy(results.profiles, "score", "fraction_above").to_csv(index=False),
        "efficiency.csv": profiles.tidy(results.efficiency, results.x, "IQM").to_csv(index=False),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (out / name).write_text(text, encoding="utf-8")
    results.frame.to_csv(out / "curves.csv", index=False)  # may be too long to be held as text
    return markdown


def report(selection: Selection, out: Path, command: str, settings: Settings | None = None) -> tuple[Comparison, str]:
    """Write all files into `out`; (the comparison, its Markdown). Raises UserError before anything is written."""
    settings = settings or Settings()
    results = gather(selection, out, command, settings)
    grid, panels = results.comparison.grid, {"return": f"{selection.which} return", "sparsity": "sparsity"}
    curves = style.curves(
        results.drawn, grid.methods, grid.tasks, panels, settings.seed, BAND_REPETITIONS, x=settings.x
    )
    try:
        markdown = write(results, out)
        style.save(curves, [out / "curves.png", out / "curves.pdf"])
    except OSError as error:
        raise UserError(f"{error.filename or out}: cannot be written ({error.strerror})") from None
    return results.comparison, markdown


def parser(program: str, description: str) -> argparse.ArgumentParser:
    """The options that say which runs are compared, and how."""
    found = Parser(prog=f"python -m {program}", description=description)
    add = found.add_argument
    add(
        "--runs",
        action="append",
        required=True,
        type=expanduser,
        metavar="PLACE",
        help="run folders, wandb:entity/project, W&B offline folder, Dopamine's JSON files, CSV file; may be repeated",
    )
    add("--sweep", type=expanded, metavar="FILE", help="sweep file that says which cells there should be")
    add("--out", type=expanded, metavar="FOLDER", help="where to write (default: report in the first folder of --runs)")
    add(
        "--return",
        dest="which",
        choices=tuple(runs.RETURNS),
        default="training",
        help="of the last epoch's training episodes, or of the last evaluation (default: training)",
    )
    add("--last", type=whole_number(1, 10**6), default=1, metavar="K", help="mean of the last K epochs (default: 1)")
    add("--methods", nargs="+", metavar="METHOD", help="compare only these")
    add("--agent-steps", type=whole_number(1, 2**62), metavar="N", help="cut all runs after so many agent steps")
    add("--raw", action="store_true", help="returns as they are: no scores, and no aggregates over tasks")
    add("--references", type=expanded, metavar="FILE", help="CSV file with task, random, reference: the scores 0 and 1")
    add(
        "--video-pinball-random",
        type=finite_number,
        metavar="RETURN",
        help="VideoPinball's random return (default: 16256.9)",
    )
    add("--reference", default="dense", metavar="METHOD", help="what the others are compared with (default: dense)")
    add("--statistic", choices=COMPARED, default="IQM", help="aggregate whose difference is compared (default: IQM)")
    add("--effect", type=visible_difference, default=0.1, help="difference of it that is to be detected (default: 0.1)")
    add("--paired", action="store_true", help="pair runs of equal seeds; without it seeds are labels")
    add("--x", choices=("agent_step", "frame"), default="agent_step", help="x axis of curves (default: agent_step)")
    add("--mix", action="store_true", help="compare runs of different protocols too; the table says so")
    add("--allow-missing", action="store_true", help="exit with 0 although cells have no result")
    add(
        "--require",
        nargs=3,
        action="append",
        default=[],
        metavar=("METHODS", "TASKS", "SEEDS"),
        help="cells that must have a result: 'dense gmp' 'atari/Pong' '0-4'; may be repeated",
    )
    add("--seed", type=whole_number(0, 2**32 - 1), default=0, help="of the bootstrap (default: 0)")
    add("--repetitions", type=whole_number(1, 10**6), default=2000, help="of the bootstrap (default: 2000)")
    return found


def chosen(options: argparse.Namespace) -> tuple[Selection, Path, Settings]:
    """What the options say: which runs, where to write, how to compare. Raises UserError for values that do not fit."""
    first = Path(options.runs[0])
    out = options.out or (first if first.is_dir() else Path()) / "report"
    references = scores.from_file(options.references) if options.references else scores.PUBLISHED
    if options.video_pinball_random is not None:
        references = scores.with_video_pinball(references, options.video_pinball_random)
    keys = ("seed", "repetitions", "raw", "reference", "statistic", "effect", "paired", "mix", "x")
    named = {key: getattr(options, key) for key in keys}
    required = [(methods.split(), tasks.split(), seed_list(seeds)) for methods, tasks, seeds in options.require]
    limits = options.agent_steps, required, options.last
    selection = Selection(options.runs, options.sweep, options.which, options.methods, *limits)
    return selection, out, Settings(**named, references=references)


def main(argv: Sequence[str]) -> int:
    command = shlex.join(["python", "-m", "analysis.table", *argv])
    try:
        options = parser("analysis.table", "Compare runs in a table.").parse_args(argv)
        selection, out, settings = chosen(options)
        comparison, markdown = report(selection, out, command, settings)
    except (UserError, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    print(markdown)
    names = (
        "comparison.md, .tex and .csv; costs.csv; details.csv; curves.png, .pdf and .csv; efficiency.csv, profiles.csv"
    )
    print(f"Written to {out}: {names}", flush=True)
    return missing(comparison, options.allow_missing)


def missing(comparison: Comparison, allowed: bool) -> int:
    """The exit code, and a line on what is missing."""
    gaps, total = comparison.gaps, len(comparison.grid.runs)
    required = [cell for cell in gaps if cell in comparison.grid.required]
    if required:
        some = "; ".join(map(str, required[:5])) + "; ..." * (len(required) > 5)
        print(f"{len(required)} required cells have no result: {some}", file=sys.stderr)
        return 1
    if gaps and not allowed:
        print(
            f"{len(gaps)} of {total} cells have no result; run them, or accept it with --allow-missing", file=sys.stderr
        )
        return 1
    return 0


if __name__ == "__main__":
    start(lambda: main(sys.argv[1:]))
