"""Write what was measured so far, as JSON and as a page of tables. No JAX."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from suite.errors import writing
from suite.record import files, schema
from sweeps.engines.workers import ROOT
from sweeps.gpu.sizes import FULL, TINY, Row, Size

FOLDER = ROOT / "results" / "gpu"
HIDDEN = ("layers",)  # columns that the JSON has and the tables have not


class Part(NamedTuple):
    """A part of the check and what it has measured."""

    name: str  # "steps"
    title: str
    share: float  # of the time of those that are left
    rows: tuple[Row, ...] = ()
    state: str = "not started"  # "running", "complete", "cut off after 60 s", "failed: ..."
    seconds: float = 0.0


def slug(card: str) -> str:
    """Return the name of a card's files: "NVIDIA H100 80GB HBM3" -> "nvidia-h100-80gb-hbm3"."""
    return re.sub(r"[^a-z0-9]+", "-", card.lower()).strip("-") or "unknown"


class Report:
    """The files of a card, written again with each change."""

    def __init__(self, folder: Path, parts: Sequence[Part]) -> None:
        self.folder, self.parts = folder, {part.name: part for part in parts}
        self.card, self.size = "unknown", FULL

    def update(self, part: Part) -> None:
        """Write the files again with what a part has measured. Raises UserError if the files cannot be written."""
        self.parts[part.name] = part
        document = {
            "card": self.card,
            "size": self.size.name,
            "parts": {part.name: part._asdict() for part in self.parts.values()},
        }
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            schema.write_json(self.path.with_suffix(".json"), document, lasting=False)
            text = page(self.card, self.size, list(self.parts.values()))
            files.write(self.path, [text.encode()], lasting=False)

    @property
    def path(self) -> Path:
        """The Markdown file; the JSON file beside it has the same name with .json."""
        return self.folder / f"{slug(self.card)}.md"


def page(card: str, size: Size, parts: Sequence[Part]) -> str:
    """Return all parts in Markdown, each with its state and one table."""
    lines = [f"# {card}", "", "Written by `make gpu-check`; docs/howto/gpu.md says what the columns mean."]
    if size == TINY:
        lines += [
            "",
            "**No GPU was found: this is a trial of the check on tiny networks, and no figure means anything.**",
        ]
    for part in parts:
        lines += ["", f"## {part.title}", "", f"{part.state} ({part.seconds:.0f} s)", ""]
        lines += table(part.rows) if part.rows else []
    return "\n".join(lines).rstrip() + "\n"


def table(rows: Sequence[Row]) -> list[str]:
    """Return a Markdown table with a column for each key of any row, in the order of their first appearance."""
    columns = [key for key in dict.fromkeys(key for row in rows for key in row) if key not in HIDDEN]
    lines = [columns, ["---"] * len(columns)]
    lines += [[cell(row.get(column)) for column in columns] for row in rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def cell(value: Any) -> str:
    """Return the text of a value in a table: "-" for None, yes or no, and three digits of a small float."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1_000 else f"{value:,.0f}"
    return str(value).replace("|", "/")
