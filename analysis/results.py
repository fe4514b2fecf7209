"""What a comparison computes and writes: the numbers of the selected runs, their tables and curves.

`evaluate` computes all numbers and `write` writes them, for analysis.table and for the report.
"""

import argparse
import contextlib
import functools
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import plane
from analysis.data import cells, protocol, runs, scores
from analysis.data.sources import csvfile
from analysis.data.sources.layouts import CsvOptions
from analysis.figures import plane as plane_figures
from analysis.figures import style
from analysis.options import named_columns, required_cells
from analysis.processes import pool
from analysis.render import tables, tidy
from analysis.render.markup import Table
from analysis.selection import Selection, select
from analysis.settings import Settings
from analysis.stats import costs, diagnostics, profiles
from analysis.stats.comparison import SCORE, Comparison, compare
from analysis.stats.profiles import Curve
from suite.errors import UserError, writing

PLANE = "pareto"  # the main figure
MANY_EPOCHS = 100_000  # whose curves are worth a process of their own
BAND_REPETITIONS = 500  # a band has many points, and its reader's eye is less exact than a table's


@dataclass(frozen=True)
class Results:
    """A comparison, its finished runs as a tidy frame, its curves by row, and the costs of its runs. In `drawn`, the
    `return` of the frame is the one that is compared."""

    comparison: Comparison
    frame: pd.DataFrame
    drawn: pd.DataFrame
    profiles: Mapping[str, Curve]
    efficiency: Mapping[str, Curve]
    costs: pd.DataFrame


def gather(
    selection: Selection, out: Path, command: str, settings: Settings, say: Callable[[str], None] = lambda _: None
) -> Results:
    """Read runs and compute all numbers; `say` receives each step. Raises UserError as `select` and `evaluate` do."""
    say("reading runs")
    grid = select(selection, out, settings.mix, settings.references)
    say("comparing")
    return evaluate(grid, *_tidy(grid), command, settings)


def _tidy(grid: cells.Grid) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return `frame` and `drawn` of the results. A distribution that the sweep varies is not part of the protocol."""
    frame = runs.tidy(
        (cell.row, replace(run, protocol=protocol.stated(run, grid.swept))) for cell, run in grid.finished()
    )
    return frame, frame.assign(**{"return": np.concatenate([[], *(grid.returns(run) for _, run in grid.finished())])})


def evaluate(grid: cells.Grid, frame: pd.DataFrame, drawn: pd.DataFrame, command: str, settings: Settings) -> Results:
    """Compute the numbers of a grid, whose epochs are `frame` and `drawn` (see `Results`).

    Raises UserError as `compare` does, and for an x axis in frames if a run does not say them or is offline.
    """
    comparison = compare(grid, command, settings)
    return Results(comparison, frame, drawn, *_curves(comparison, drawn), _costs(grid))


def _costs(grid: cells.Grid) -> pd.DataFrame:
    """Collect the costs of the finished runs, in the order of the rows: from their records, and from the costs.csv
    beside a file of curves."""
    rows: dict[Path, dict[tuple[str, str, int], str]] = {}  # folder of a file of curves -> {its row, task, seed: row}
    for cell, run in grid.finished():
        if run.file and not run.is_cut:
            rows.setdefault(run.file.parent, {})[run.method, cell.task, cell.seed] = cell.row
    found = [costs.frame(_whole(grid)), *(costs.beside(folder, own) for folder, own in rows.items())]
    spent = pd.concat([part for part in found if len(part)] or found[:1])
    return spent.sort_values("row", key=lambda row: row.map(grid.rows.index), kind="stable", ignore_index=True)


def _whole(grid: cells.Grid) -> Iterator[tuple[str, str, int, Path]]:
    """Yield row, task, seed and run folder of the finished runs that are not cut."""
    for cell, run in grid.finished():
        if run.folder and not run.is_cut:
            yield cell.row, cell.task, cell.seed, run.folder


def _curves(comparison: Comparison, drawn: pd.DataFrame) -> tuple[dict[str, Curve], Mapping[str, Curve]]:
    """Compute performance profiles and sample efficiency by row; add their notes to those of the comparison.

    Raises UserError if the x axis is in frames, and a run does not say them or is offline.
    """
    settings = comparison.settings
    if settings.x == "frame" and drawn["frame"].isna().any():
        raise UserError("--x frame: not all runs have frames in their records; use --x agent_step")
    if settings.x == "frame" and (offline := scores.offline(comparison.grid.tasks)):
        raise UserError(f"--x frame: {offline[0]} has no frames, but batches; use --x agent_step")
    rows = comparison.grid.rows if comparison.scored else []
    by_task = {row: comparison.values[row][SCORE] for row in rows}
    taus = profiles.thresholds(by_task.values())
    found = {}
    for row in rows:
        curve = profiles.profile(by_task[row], settings.seed, settings.repetitions, taus)
        if curve is not None:
            found[row] = curve
    curves, notes = profiles.sample_efficiency(
        drawn, comparison.scored, settings.seed, BAND_REPETITIONS, settings.references, settings.x
    )
    comparison.notes.extend(f"{note}." for note in notes)
    return found, curves


def write(results: Results, out: Path, further: Sequence[Table] = ()) -> str:
    """Write the numbers and further tables into `out`; return them as Markdown. Raises OSError if it cannot write."""
    comparison, settings = results.comparison, results.comparison.settings
    more = [*costs.tables(results.costs), *further]
    markdown = tables.markdown(comparison, more)
    files = {
        "comparison.md": markdown,
        "comparison.tex": tables.latex(comparison, more, settings.latex),
        "comparison.csv": tidy.tidy_csv(comparison),
        "details.csv": tidy.details_csv(comparison),
        "costs.csv": results.costs.to_csv(index=False),
        "profiles.csv": profiles.tidy(results.profiles, "score", "fraction_above").to_csv(index=False),
        "efficiency.csv": profiles.tidy(results.efficiency, settings.x, "IQM").to_csv(index=False),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (out / name).write_text(text, encoding="utf-8")
    runs.write_csv(results.frame, out / "curves.csv")
    return markdown


def report(
    selection: Selection, out: Path, command: str, settings: Settings, diagnose: bool = False
) -> tuple[Comparison, str]:
    """Write all files into `out`; return the comparison and its Markdown.

    `diagnose` adds tables of the networks' diagnostics. Raises UserError for bad input, before anything is written, and
    if a file cannot be written or the process that draws ends early.
    """
    grid = select(selection, out, settings.mix, settings.references)
    frame, drawn = _tidy(grid)
    further = diagnostics.tables(diagnostics.frame(_whole(grid))) if diagnose else []
    panels = {"return": f"{selection.which} return", "sparsity": "sparsity"}
    shown = runs.thin(drawn, style.MOST_EPOCHS)[[column for column in drawn if column in (*style.PLACED, *panels)]]
    draw = functools.partial(draw_curves, shown, grid.methods, grid.tasks, panels, settings)
    with pool(1) if len(drawn) > MANY_EPOCHS else contextlib.nullcontext() as other:
        begun = other.submit(draw) if other else None  # meanwhile
        results = evaluate(grid, frame, drawn, command, settings)
        try:
            with writing(out):
                markdown = write(results, out, further)
                for name, content in (begun.result() if begun else draw()).items():
                    (out / name).write_bytes(content)
                save_plane(results.comparison, out)
        except BrokenProcessPool:
            raise UserError("curves: the process ended while drawing (too little memory?)") from None
    return results.comparison, markdown


def draw_curves(
    drawn: pd.DataFrame, methods: Mapping[str, str], tasks: Sequence[str], panels: Mapping[str, str], settings: Settings
) -> dict[str, bytes]:
    """Draw the figure of all curves, and return {name of a file: its content}."""
    figure = style.curves(
        drawn,
        methods,
        tasks,
        panels,
        settings.seed,
        BAND_REPETITIONS,
        x=settings.x,
        references=settings.references,
    )
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("curves.png", "curves.pdf")]
        style.save(figure, paths)
        return {path.name: path.read_bytes() for path in paths}


def save_plane(comparison: Comparison, out: Path) -> None:
    """Write the main figure, score against sparsity, if both are known; if not, remove that of an earlier comparison.

    Raises OSError where that is not possible.
    """
    paths, panels = [out / f"{PLANE}{suffix}" for suffix in (".png", ".pdf", ".svg")], plane.planes(comparison)
    if not panels:
        for path in paths:
            path.unlink(missing_ok=True)
        return
    over, grid = f"IQM of the {plane.score_name(comparison)}", comparison.grid
    figure = plane_figures.plane(panels, grid.methods, over, comparison.settings.reference, grid.variants)
    style.save(figure, paths)


def chosen(options: argparse.Namespace) -> tuple[Selection, Path, Settings]:
    """Return which runs to compare, where to write and how to compare. Raises UserError for options that do not fit."""
    first = Path(options.runs[0])
    out = options.out or (first if first.is_dir() else Path()) / "report"
    references = scores.from_file(options.references) if options.references else scores.PUBLISHED
    if options.video_pinball_random is not None:
        references = scores.with_video_pinball(references, options.video_pinball_random)
    keys = ("seed", "repetitions", "raw", "reference", "statistic", "effect", "paired", "mix", "x", "latex")
    named = {key: getattr(options, key) for key in keys}
    required = [required_cells(*texts) for texts in options.require]
    columns, constants = named_columns(options.columns, list(csvfile.NUMBERS) + list(csvfile.TEXTS))
    selection = Selection(
        options.runs,
        options.sweep,
        options.which,
        options.methods,
        options.tasks,
        options.agent_steps,
        required,
        options.last,
        CsvOptions(columns, constants, options.names, options.protocol, options.epoch),
    )
    return selection, out, Settings(**named, references=references)


def table(options: argparse.Namespace, command: str) -> int:
    """Do what analysis.table was asked for, and return its exit code. `command` is quoted in the table."""
    selection, out, settings = chosen(options)
    comparison, markdown = report(selection, out, command, settings, options.diagnostics)
    print(markdown)
    names = "comparison.md, .tex, .csv; costs.csv, details.csv, efficiency.csv, profiles.csv; curves.csv, .png and .pdf"
    if (out / f"{PLANE}.svg").exists():
        names += "; pareto.png, .pdf and .svg"
    print(f"Written to {out}: {names}", flush=True)
    return missing(comparison, options.allow_missing)


def missing(comparison: Comparison, allowed: bool) -> int:
    """Print a line on cells without a result, and return the exit code: 1 if any is required or not `allowed`."""
    gaps, total = comparison.gaps, len(comparison.grid.runs)
    required = [cell for cell in gaps if cell in comparison.grid.required]
    if required:
        some = "; ".join(map(str, required[:5])) + "; ..." * (len(required) > 5)
        print(f"{len(required)} required cells have no result: {some}", file=sys.stderr)
        return 1
    if gaps and not allowed:
        print(
            f"{len(gaps)} of {total} cells have no result; run them, or accept it with --allow-missing"
            " (make: ARGS=--allow-missing)",
            file=sys.stderr,
        )
        return 1
    return 0
