"""The sections of the report beside those on sparsity and costs: summary, scores, tasks, runs, missing cells."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from analysis import plane
from analysis.data.cells import OWN, Grid
from analysis.data.runs import Run, thin
from analysis.figures import plane as plane_figures
from analysis.figures import scores as score_figures
from analysis.figures import style
from analysis.page import charts
from analysis.page.answer import answer
from analysis.page.page import Command, Listing, Paragraph, Part, Picture, Section, SortableTable
from analysis.render import tables
from analysis.render.markup import Table
from analysis.results import BAND_REPETITIONS, Results
from analysis.stats.comparison import SPARSITY, Comparison
from analysis.stats.metrics import NOTHING, SCORE_STATISTICS
from analysis.stats.pairwise import Pairwise
from analysis.stats.profiles import Curve

ON_A_COLUMN = 6  # tasks whose curves still fit in a column
ON_A_PAGE = 20  # tasks of one figure


def summary(results: Results) -> Section:
    """Answer the question, draw the main figure, and list the aggregates with what to know when reading them."""
    comparison = results.comparison
    grid, panels = comparison.grid, plane.planes(comparison)
    finished = sum(1 for _ in grid.finished())
    parts: list[Part] = [answer(comparison, panels)]
    if panels:
        over = f"IQM of the {plane.score_name(comparison)}"
        shown = panels, grid.methods, over, comparison.settings.reference, grid.variants
        draw, chart = partial(plane_figures.plane, *shown), charts.plane(*shown)
        parts.append(Picture("pareto", plane_figures.CAPTION, draw, chart))
    gaps = len(comparison.gaps)
    parts.append(Paragraph(f"{finished} of {len(grid.runs)} runs are finished, {gaps} have no result."))
    of_methods = (table for table in tables.all_tables(comparison) if table.header[0] == "method")
    listed: list[Part] = [SortableTable(table) for table in of_methods]
    caveats: list[Part] = [Listing(comparison.notes, "Caveats")] if comparison.notes else []
    return Section("Summary", [*parts, *listed[:1], *caveats, *listed[1:]])


def aggregates(results: Results) -> Section:
    """Draw the figures over all tasks. The section is empty without scores."""
    comparison, methods = results.comparison, results.comparison.grid.methods
    if not comparison.scored:
        return Section("Scores", [])
    over = plane.score_name(comparison)
    found = {
        name: {row: overall.get(name, NOTHING) for row, overall in comparison.overall.items()}
        for name in SCORE_STATISTICS
    }
    parts: list[Part] = [
        Picture(
            "aggregates",
            f"Aggregates of the {over}, with 95 % intervals over seeds. Lower is better for the optimality gap.",
            partial(score_figures.intervals, found, methods, over=over),
            charts.intervals(found, methods, over),
        )
    ]
    if comparison.against:
        parts.append(_improvement(comparison.against, methods))
    x = style.x_label(comparison.settings.x, comparison.scored)
    axes = {"profiles": (over, "share of runs above"), "efficiency": (x, f"IQM of the {over}")}
    curves: list[tuple[str, Mapping[str, Curve], str, Callable[..., Figure]]] = [
        (
            "profiles",
            results.profiles,
            f"Share of runs above each {over}, with pointwise 95 % bands.",
            partial(score_figures.profiles, over=over),
        ),
        (
            "efficiency",
            results.efficiency,
            f"IQM of the {over} over training, with pointwise 95 % bands.",
            partial(score_figures.efficiency, label=f"IQM of the {over}", x=x),
        ),
    ]
    for name, drawn, caption, draw in curves:
        if drawn:
            chart = charts.lines(drawn, methods, *axes[name])
            parts.append(Picture(name, caption, partial(draw, drawn, methods), chart))
    return Section("Scores", parts)


def _improvement(against: dict[str, tuple[str, Pairwise]], methods: dict[str, str]) -> Picture:
    title = "P(better than the reference)"
    found = {title: {row: pair.improvement for row, (_, pair) in against.items()}}
    others = ", ".join(dict.fromkeys(other for other, _ in against.values()))
    caption = f"Probability that a run has a higher score than one of {others} on the same task, with 95 % intervals."
    return Picture("improvement", caption, partial(score_figures.intervals, found, methods, {title: 0.5}))


def by_task(results: Results) -> Section:
    """Draw learning curves and sparsity over training, and list the tables of each task."""
    grid, settings, frame = results.comparison.grid, results.comparison.settings, results.drawn
    width = style.COLUMN if len(grid.tasks) <= ON_A_COLUMN else style.PAGE
    count = -(-len(grid.tasks) // ON_A_PAGE)
    chunks = [list(chunk) for chunk in np.array_split(np.array(grid.tasks, dtype=object), count)]
    epochs, frame = charts.epochs(frame, grid.tasks, settings.x), thin(frame, style.MOST_EPOCHS)
    x = style.x_label(settings.x, grid.tasks)
    several = (frame.groupby(["task", "row"])["seed"].nunique() > 1).any()
    bands = ", with 95 % intervals" if several else ""
    parts: list[Part] = []
    for name, column, label, said in (
        ("curves", "return", f"{grid.which} return", "Learning curves: mean returns of the seeds"),
        ("sparsity", SPARSITY, "sparsity", "Sparsity over training: means over the seeds"),
    ):
        if frame[column].notna().any():
            for i, chunk in enumerate(chunks, start=1):
                own = frame.loc[frame["task"].isin(chunk), [*style.PLACED, column]]
                picture = partial(
                    style.curves,
                    own,
                    grid.methods,
                    chunk,
                    {column: label},
                    settings.seed,
                    BAND_REPETITIONS,
                    width,
                    settings.x,
                    settings.references,
                )
                suffix = f"-{i}" * (count > 1)
                chart = charts.curves(epochs, grid.methods, column, label, x) if i == 1 else None
                parts.append(Picture(name + suffix, f"{said}{bands}.", picture, chart))
    parts += [SortableTable(table) for table in tables.all_tables(results.comparison) if table.header[0] != "method"]
    return Section("Tasks", parts)


# Runs ----------


def runs(grid: Grid) -> Section:
    """List every run with its status and the command that repeats it."""
    header = ["run", "method", "task", "status", "source", "seed", "return", "sparsity", "agent steps", "hours"]
    body: list[list[str]] = []
    commands: list[str | Command] = []
    present = list(grid.present())
    common = shared_options([run for _, run in present])
    for cell, run in present:
        last = {key: run.final(key) for key in (SPARSITY, "agent_step", "seconds")}
        numbers = [
            str(cell.seed),
            tables.number(grid.final_return(run), ",.1f"),
            tables.number(last[SPARSITY], ".3f"),
            tables.number(last["agent_step"], ",.0f"),
            tables.number(None if last["seconds"] is None else last["seconds"] / 3600, ".2f"),
        ]
        status = run.status + (f": {run.reason}" if run.reason else "")
        body.append([run.name, cell.row, cell.task, status, run.source, *numbers])
        words = reproduce(run, common)
        commands.append(Command(words) if words else "")
    listed = SortableTable(Table("Every run, and the command that repeats it", header, body, words=5), {"": commands})
    if not common:
        return Section("Runs", [listed])
    first = Paragraph("Options that all runs share. Give a shell this line, and then the command of a run:")
    return Section("Runs", [first, Command(f"options=({command_words(common)})"), listed])


def shared_options(runs: Sequence[Run]) -> dict[str, Any]:
    """Return the options which all runs of this benchmark have with one value; none for a single run."""
    own = [_options(run) for run in runs if run.source in OWN]
    if len(own) < 2:
        return {}
    return {key: value for key, value in own[0].items() if all(key in o and o[key] == value for o in own)}


def reproduce(run: Run, common: Mapping[str, Any]) -> str:
    """Return the command line that repeats a run of this benchmark, with every option; empty for other runs.

    Options of `common` come from the shell's array `options`.
    """
    if run.source not in OWN:
        return ""
    rest = {key: value for key, value in _options(run).items() if key not in common}
    words = command_words({"task": run.task, "method": run.method, "seed": run.seed, **rest})
    return f"python -m sweeps.run {words}" + ' "${options[@]}"' * bool(common)


def _options(run: Run) -> dict[str, Any]:
    return {key: value for key, value in run.options.items() if not key.startswith("method.")}


def command_words(options: Mapping[str, Any]) -> str:
    """Write options as words of a command line."""
    return shlex.join(f"--{key}={'none' if value is None else value}" for key, value in options.items())


def missing(comparison: Comparison, sweep: Path | None, places: Sequence[str]) -> Section:
    """List the cells without a result, and the command that runs them."""
    if not comparison.gaps:
        return Section("Missing", [Paragraph("Nothing: every cell has a result.")])
    required = comparison.grid.required
    body = [
        [cell.row, cell.task, why, "required" if cell in required else "", str(cell.seed)]
        for cell, why in comparison.gaps.items()
    ]
    header = ["method", "task", "why", "", "seed"]
    title = f"Cells without a result ({len(body)} of {len(comparison.grid.runs)})"
    parts: list[Part] = [SortableTable(Table(title, header, body, words=4))]
    if sweep is not None and len(places) == 1 and Path(places[0]).is_dir():
        again = shlex.join(["python", "-m", "sweeps.launch", str(sweep), "--folder", places[0]])
        parts[:0] = [Paragraph("Rerun this command to resume or start the runs that are not finished:"), Command(again)]
    return Section("Missing", parts)
