"""The pages that a reader may copy from, and what is in them: fenced blocks, inline code, tables."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md")
PAGES = [
    *(ROOT / name for name in TOP),
    *sorted((ROOT / "results").glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]


class Block(NamedTuple):
    """A fenced block, or the `code` between single backticks (then its language is "inline")."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """An indented block has the language "indented"; one whose language is not said, none."""
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text()):
        line = token.map[0] + 1 if token.map else 0
        if token.type in ("fence", "code_block"):
            language = token.info.strip() if token.type == "fence" else "indented"
            yield Block(page, line, language, token.content)
        for child in token.children or ():
            if child.type == "code_inline":
                yield Block(page, line, "inline", child.content)


BLOCKS = [block for page in PAGES for block in blocks(page)]


def written_in(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def table(page: str, head: str) -> list[list[str]]:
    """The rows below the head of the table whose first column is called so."""
    lines = iter((ROOT / page).read_text().splitlines())
    rows = []
    for line in lines:
        if line.startswith(f"| {head} |"):
            next(lines)
            for row in lines:
                if not row.startswith("|"):
                    return rows
                rows.append([cell.strip() for cell in row.replace(r"\|", "¦").strip("|").split("|")])
    raise AssertionError(f"{page} has no table of {head}s")
