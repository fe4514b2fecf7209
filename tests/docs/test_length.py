"""A page is short enough to be read: at most five screens. Generated tables do not count."""

from math import ceil
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT

SCREEN = 60  # lines of 120 characters
EXEMPT = (ROOT / "CHANGELOG.md",)  # grows with each release


def screens(text: str) -> float:
    """Return the length of a text in screens; a long line wraps."""
    return sum(max(1, ceil(len(line) / 120)) for line in text.splitlines()) / SCREEN


@pytest.mark.parametrize("page", [page for page in PAGES if page not in EXEMPT], ids=lambda page: page.name)
def test_a_page_is_at_most_five_screens_long(page: Path) -> None:
    assert screens(page.read_text()) <= 5, f"{page}: split it"


def test_long_lines_wrap() -> None:
    assert screens("a" * 240 + "\n\n") == 3 / SCREEN
