"""The section of the report on the networks' health."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from analysis.data import scores
from analysis.data.cells import Cell, Grid
from analysis.figures import diagnostics as figures
from analysis.page.page import Paragraph, Part, Picture, Section, SortableTable
from analysis.stats import diagnostics

MEANING = (
    "Measured after each epoch on transitions of the replay. Dormant units: mean activation at most 0.025 of their"
    " layer's (Sokar et al. 2023). Disconnected units: masks leave no path from the input to the output through them."
    " Mask overlap: share of the kept weights that were kept an epoch before. Effective rank: singular values of the"
    " last hidden layer that make 99 % of their sum (Kumar et al. 2021). Agreement: share of observations on which two"
    " online networks choose the same action."
)


def section(grid: Grid, folders: Mapping[Cell, Path]) -> Section:
    """Draw the measures over training, for each family and part, and list their last values.

    The section is empty where no record has diagnostics. Raises UserError for a damaged record.
    """
    found = diagnostics.frame(
        (cell.row, cell.task, cell.seed, folders[cell]) for cell, _ in grid.finished() if cell in folders
    )
    parts: list[Part] = []
    for family, tasks in scores.by_family(grid.tasks).items():
        for part in diagnostics.PARTS.values():
            own = found[found["task"].isin(tasks) & (found["part"] == part)]
            if len(own):
                caption = f"The {part} on {family} over training: means over tasks and seeds."
                name = f"diagnostics-{family}-{part.replace(' ', '-')}"
                parts.append(Picture(name, caption, partial(figures.over_training, own, grid.methods)))
    parts += map(SortableTable, diagnostics.tables(found))
    return Section("Diagnostics", [Paragraph(MEANING), *parts] if parts else [])
