"""Write the report: python -m analysis.report --runs runs/atari-laptop --sweep sweeps/atari/laptop.yaml

Takes the options of analysis.table and writes the same tables, report.html (one page that needs no other file), and the
figures of the page as PDF and PNG in figures/. The exit codes are those of analysis.table.
"""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from analysis import table
from analysis.data import scores
from analysis.data.cells import Grid
from analysis.figures import index
from analysis.page import costs as cost_sections
from analysis.page import elections as election_sections
from analysis.page import sections as page_sections
from analysis.page import sparsity as sparsity_sections
from analysis.page.page import Picture, Section, page
from analysis.settings import Settings
from analysis.stats.comparison import Comparison
from analysis.stats.pareto import KEPT
from analysis.table import Results, Selection
from suite.errors import UserError, one_line
from suite.program import terminal
from suite.program.command import start

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
        results = table.gather(
            selection, out, command, settings, lambda doing: progress.update(step, description=doing)
        )
        progress.update(step, description="sparsity, elections, tables")
        parts = sections(results, selection, settings, kept, asked)
        pictures = [part for section in parts for part in section.parts if isinstance(part, Picture)]
        progress.update(step, description="tables", total=len(pictures), completed=0)
        try:
            (out / FIGURES).mkdir(parents=True, exist_ok=True)
            with index.drawn(pictures, out / FIGURES) as wait:
                table.write(results, out)  # meanwhile

                def show(picture: Picture) -> Markup:
                    progress.update(step, description=f"figure {picture.name}")
                    element = wait(picture)
                    progress.advance(step)
                    return element

                (out / PAGE).write_text(page(_title(results.comparison.grid), parts, show), encoding="utf-8")
        except OSError as error:
            raise UserError(f"{error.filename or out}: cannot be written ({error.strerror})") from None
        progress.update(step, description="written")
    return results.comparison


def sections(
    results: Results, selection: Selection, settings: Settings, kept: float, asked: Sequence[str]
) -> list[Section]:
    """Return the sections of the page in their order. Raises UserError for a damaged record."""
    comparison, grid = results.comparison, results.comparison.grid
    folders = page_sections.folders(grid)
    names = {run.name for _, run in grid.present() if run.folder}
    for name in asked:
        if name not in names:
            raise UserError(f"--elections: no run folder {name!r}; the page lists the runs by name")
    return [
        page_sections.summary(comparison),
        page_sections.aggregates(results),
        sparsity_sections.two_axes(comparison, settings, kept),
        cost_sections.buys(results, settings),
        page_sections.by_task(results, settings),
        election_sections.layers(grid, folders if selection.agent_steps is None else {}),
        election_sections.elections(grid, folders, asked),
        page_sections.runs(grid),
        page_sections.missing(comparison, selection.sweep, selection.places),
        page_sections.about(comparison),
    ]


def _title(grid: Grid) -> str:
    tasks = page_sections.counted(len(grid.tasks), scores.noun(grid.tasks))
    return f"{page_sections.counted(len(grid.rows), 'method')} of deep reinforcement learning on {tasks}"


def _progress() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    console = terminal.console(stderr=True)
    return Progress(*columns, console=console, disable=not console.is_terminal)


def percent(text: str) -> float:
    value = float(text)
    if not 0 <= value < 100:
        raise ValueError
    return value


percent.__name__ = "percentage from 0 to 100"  # as argparse names it


def main(argv: Sequence[str]) -> int:
    parser = table.parser("analysis.report", "Compare runs on one page with tables, figures and all runs.")
    within = "how much of the reference's score may be lost and still count as kept (default: 5)"
    parser.add_argument("--within", type=percent, default=5.0, metavar="PERCENT", help=within)
    drawn = "runs whose elections are drawn (default: the lowest seed of each method and task)"
    parser.add_argument("--elections", nargs="+", default=[], metavar="RUN", help=drawn)
    command = shlex.join(["python", "-m", "analysis.report", *argv])
    try:
        options = parser.parse_args(argv)
        selection, out, settings = table.chosen(options)
        comparison = report(selection, out, command, settings, 1 - options.within / 100, options.elections)
    except (UserError, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    print(f"Written to {out}: {PAGE}, its figures in {FIGURES}/, and the tables of analysis.table")
    return table.missing(comparison, options.allow_missing)


if __name__ == "__main__":
    start(lambda: main(sys.argv[1:]))
