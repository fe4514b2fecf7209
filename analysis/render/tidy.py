"""A comparison as tidy CSV: its numbers, and the runs and cells that its notes count."""

import pandas as pd

from analysis.data.cells import Detail
from analysis.render.markup import portable
from analysis.stats.comparison import AREA, BEST, LOST, Comparison
from analysis.stats.metrics import Estimate

CSV_COLUMNS = ("method", "task", "statistic", "value", "low", "high", "seeds", "expected_seeds", "gaps")


def tidy_csv(comparison: Comparison) -> str:
    """Write a line for each method, task ("all" for aggregates) and statistic; `gaps` names cells without a result."""
    lines = []
    for row in comparison.grid.rows:
        gaps: dict[str, list[str]] = {}
        for cell, why in comparison.gaps.items():
            if cell.row == row:
                for place in ("all", cell.task):
                    gaps.setdefault(place, []).append(f"{cell.task} seed {cell.seed}: {why}")
        for task, name, estimate in _entries(comparison, row):
            expected = comparison.grid.seeds(row, None if task == "all" else task)
            numbers = ["" if number is None else repr(portable(number)) for number in estimate[:3]]
            lines.append([row, task, name, *numbers, estimate.seeds, expected, "; ".join(gaps.get(task, []))])
    text: str = pd.DataFrame(lines, columns=CSV_COLUMNS).to_csv(index=False)
    return text


def _entries(comparison: Comparison, row: str) -> list[tuple[str, str, Estimate]]:
    """List (task or "all", name, estimate) of a row."""
    found = [("all", name, estimate) for name, estimate in comparison.overall[row].items()]
    trained = comparison.over_training.get(row, {})
    found += [("all", f"IQM of {name}", trained[name]) for name in (BEST, LOST, AREA) if name in trained]
    if row in comparison.against:
        other, pair = comparison.against[row]
        found.append(("all", f"difference of {comparison.settings.statistic} to {other}", pair.difference))
        found.append(("all", f"ratio of {comparison.settings.statistic} to {other}", pair.ratio))
    for (one, other), estimate in comparison.improvement.items():
        if one == row:
            found.append(("all", f"probability of improvement over {other}", estimate))
    for task in comparison.grid.tasks:
        found += [(task, name, estimate) for name, estimate in comparison.on_task[row, task].items()]
    return found


def details_csv(comparison: Comparison) -> str:
    """Write a line for each run and cell that the notes count, with the fields of Detail as columns."""
    text: str = pd.DataFrame(comparison.details, columns=Detail._fields).to_csv(index=False)
    return text
