"""Make the report of a comparison: one page that needs no other file, and the files beside it."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from analysis import results
from analysis.data import scores
from analysis.data.cells import Grid
from analysis.figures import index
from analysis.page import costs as cost_sections
from analysis.page import diagnostics as diagnostic_sections
from analysis.page import elections as election_sections
from analysis.page import sections as page_sections
from analysis.page import sparsity as sparsity_sections
from analysis.page.page import Facts, Filters, Picture, Section, page
from analysis.results import Results
from analysis.selection import Selection
from analysis.settings import Settings
from analysis.stats.comparison import Comparison
from analysis.stats.pareto import KEPT
from suite.errors import UserError, writing
from suite.program import terminal
from suite.program.terminal import counted

PAGE, FIGURES = "report.html", "figures"


def report(
    selection: Selection, out: Path, command: str, settings: Settings, kept: float = KEPT, asked: Sequence[str] = ()
) -> Comparison:
    """Write the page and all files beside it. Return the comparison.

    Args:
        selection: which runs are compared.
        out: the folder to write to.
        command: the command line, for the page's last section.
        settings: how runs are compared.
        kept: share of the reference's score that a method needs to count as keeping it.
        asked: names of runs whose elections are drawn; by default one run for each method and task.

    Raises UserError for bad input, before anything is written, and for files that cannot be written.
    """
    with _progress() as progress:
        step = progress.add_task("", total=None)
        found = results.gather(
            selection, out, command, settings, lambda doing: progress.update(step, description=doing)
        )
        progress.update(step, description="sparsity, elections, tables")
        grid = found.comparison.grid
        parts = sections(found, selection, kept, asked)
        pictures = [part for section in parts for part in section.parts if isinstance(part, Picture)]
        progress.update(step, description="tables", total=len(pictures), completed=0)
        with writing(out):
            (out / FIGURES).mkdir(parents=True, exist_ok=True)
            with index.drawn(pictures, out / FIGURES) as wait:
                results.write(found, out)  # meanwhile
                results.save_plane(found.comparison, out)

                def show(picture: Picture) -> Markup:
                    progress.update(step, description=f"figure {picture.name}")
                    element = wait(picture)
                    progress.advance(step)
                    return element

                text = page(_title(grid), parts, show, Filters(scores.short_names(grid.tasks), grid.rows))
                (out / PAGE).write_text(text, encoding="utf-8")
        progress.update(step, description="written")
    return found.comparison


def sections(found: Results, selection: Selection, kept: float, asked: Sequence[str]) -> list[Section]:
    """Return the sections of the page in their order.

    Raises UserError for a damaged record, and if a run in `asked` has no folder or holds no election.
    """
    comparison, grid = found.comparison, found.comparison.grid
    folders = {cell: run.folder for cell, run in grid.present() if run.folder}
    whole = {cell: run.folder for cell, run in grid.present() if run.folder and not run.is_cut}
    names = {run.name for _, run in grid.present() if run.folder}
    for name in asked:
        if name not in names:
            raise UserError(f"--elections: no run folder {name!r}; the page lists the runs by name")
    return [
        page_sections.summary(found),
        page_sections.aggregates(found),
        sparsity_sections.two_axes(comparison, kept),
        cost_sections.buys(found),
        page_sections.by_task(found),
        election_sections.layers(grid, whole),
        election_sections.elections(grid, folders, asked),
        diagnostic_sections.section(grid, whole),
        page_sections.runs(grid),
        page_sections.missing(comparison, selection.sweep, selection.places),
        Section("About", [Facts(comparison.source)]),
    ]


def _title(grid: Grid) -> str:
    tasks = counted(len(grid.tasks), scores.noun(grid.tasks))
    return f"{counted(len(grid.rows), 'method')} of deep reinforcement learning on {tasks}"


def _progress() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    console = terminal.console(stderr=True)
    return Progress(*columns, console=console, disable=not console.is_terminal)


def write_report(options: argparse.Namespace, command: str) -> int:
    """Do what analysis.report was asked for, and return its exit code. `command` is quoted on the page."""
    selection, out, settings = results.chosen(options)
    comparison = report(selection, out, command, settings, 1 - options.within / 100, options.elections)
    print(f"Written to {out}: {PAGE}, its figures in {FIGURES}/, and the tables of analysis.table")
    return results.missing(comparison, options.allow_missing)
