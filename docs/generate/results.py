"""The tables of the page of results, from the committed results."""

import re
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "results"


def tables(folder: str, title: str) -> str:
    """Return the tables of results/<folder>/comparison.md whose title begins so.

    Raises KeyError when there is none.
    """
    text = (RESULTS / folder / "comparison.md").read_text(encoding="utf-8")
    found = re.findall(rf"^\*\*{re.escape(title)}.*\*\*\n\n((?:\|.*\n)+)", text, flags=re.M)
    if not found:
        raise KeyError(f"results/{folder}/comparison.md has no table {title!r}")
    return "\n".join(found)
