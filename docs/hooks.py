"""mkdocs hooks: fill generated tables into the pages, and add results/ to the site.

- `<!-- results FOLDER: TITLE -->` becomes the tables of results/FOLDER/comparison.md whose title begins with TITLE.
- `<!-- NAME -->` becomes the table that TABLES[NAME] returns; `<!-- api MODULES -->` the reference of these modules.
- A line "See [...](../../README.md#section)." becomes that section of the README.
- Links into ../../results/ lead to the copy of results/ in the site.
"""

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from docs.generate import code, commands, options, record, results  # noqa: E402

TABLES = {
    "options": options.option_tables,
    "methods": options.method_tables,
    "sources": options.source_table,
    "engines": options.engine_table,
    "targets": commands.targets,
    "scales": commands.scales,
    "rows": record.rows,
    "files": record.files,
}


def on_files(files: Files, config: Any, **_: Any) -> None:
    """Add the pages and figures of results/ to the site."""
    for path in sorted([*ROOT.glob("results/*.md"), *ROOT.glob("results/**/*.png"), *ROOT.glob("results/**/*.svg")]):
        files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Replace the markers, and the links that leave docs/."""
    up = "../" * page.file.src_uri.count("/")
    markdown = markdown.replace(f"]({up}../results/", f"]({up}results/")
    markdown = re.sub(
        r"^See \[.*\]\([./]*README\.md#(.+)\)\.$", lambda link: section(link[1], up), markdown, flags=re.M
    )
    markdown = re.sub(r"<!-- api ([\w. ]+) -->", lambda marker: code.modules(marker[1]), markdown)
    markdown = re.sub(r"<!-- results (\S+): (.+) -->", lambda marker: results.tables(*marker.groups()), markdown)
    return re.sub(r"<!-- (\w+) -->", lambda marker: TABLES[marker[1]](), markdown)


def section(anchor: str, up: str) -> str:
    """Return a section of the README; `up` leads from the page to docs/. Raises KeyError for an unknown section."""
    headings = re.split(r"^## (.+)\n", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.M)
    sections = {
        title.lower().replace(" ", "-"): text for title, text in zip(headings[1::2], headings[2::2], strict=True)
    }
    return sections[anchor].strip().replace("](docs/", f"]({up}")
