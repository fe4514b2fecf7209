"""The site builds without a warning, and opening a page fetches nothing from elsewhere."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown import markdown

from baselines.registry import METHODS
from docs.generate.code import escaped
from suite.record import schema
from suite.tasks import task
from sweeps.config import groups
from tests.docs.pages import ROOT

FETCHED = {
    "script": "src",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "use": "href",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    said = built.stdout + built.stderr
    assert built.returncode == 0 and "WARNING" not in said, said
    return folder


class Text(HTMLParser):
    """Collects the text that a reader sees."""

    def text(self, page: str) -> str:
        self.parts: list[str] = []
        self.feed(page)
        return "".join(self.parts).strip()

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


class Fetched(HTMLParser):
    """The addresses that a browser fetches when it opens a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        address = given.get(FETCHED.get(tag, ""))
        if address and given.get("rel") not in ("canonical", "prev", "next"):
            self.addresses.append(address)
        self.addresses += styled(given.get("style") or "")

    def handle_data(self, data: str) -> None:
        self.addresses += styled(data) if self.lasttag == "style" else []


def styled(css: str) -> list[str]:
    return re.findall(r"url\(\s*[\"']?([^\"')]+)", css) + re.findall(r"@import\s+[\"']([^\"']+)", css)


def outside(address: str) -> bool:
    return re.match(r"(?:[a-z]+:)?//", address, re.IGNORECASE) is not None


def test_a_page_fetches_nothing_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        fetched = Fetched(page.read_text()).addresses
        assert len(fetched) > 3, page
        assert not list(filter(outside, fetched)), page
    for sheet in site.rglob("*.css"):
        assert not list(filter(outside, styled(sheet.read_text()))), sheet
    for picture in site.rglob("*.svg"):
        text = picture.read_text()
        fetched = styled(text) + re.findall(r"""(?:href|src)=["']([^"']+)""", text)
        assert not list(filter(outside, fetched)), picture


def test_what_is_fetched_is_found() -> None:
    page = '<link href="https://a/x.css"><script src=//b/x.js></script><p style="background: url(http://c/x)"><a href="https://d">'
    assert list(filter(outside, Fetched(page).addresses)) == ["https://a/x.css", "//b/x.js", "http://c/x"]
    assert not outside("assets/x.js") and not outside("data:image/svg+xml,x") and not outside("#tip")


def test_the_table_of_options_has_every_option(site: Path) -> None:
    page = (site / "reference/options.html").read_text()
    for name in ("atari/Pong", "mujoco/Hopper", "offline/Pong"):
        for group, model in groups(task(name)).items():
            for option in model.model_fields:
                assert f"<code>{group}.{option}</code>" in page
    assert all(f'id="{method}"' in page for method in METHODS)


def test_special_characters_stay_text() -> None:
    text = r"runs/<name>, [a], *x* and c\d, `<as is>`"
    shown = Text().text(markdown(escaped(text)))
    assert shown == text.replace("`", "")


def test_every_marker_is_replaced(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert not re.search(r"<!-- [\w. ]+ -->", page.read_text()), page


def test_the_record_page_has_every_column(site: Path) -> None:
    page = (site / "reference/record.html").read_text()
    for columns in schema.ROWS.values():
        assert all(f"<code>{column}</code>" in page for column in columns)
    assert "<code>schema</code>" in page and "<code>schema_version</code>" not in page  # the name in the file


def test_the_api_pages_have_shapes_and_signatures(site: Path) -> None:
    page = (site / "reference/api-methods.html").read_text()
    assert "int32 [B], or float32 [B, A]" in page  # the comment beside Batch.action
    assert 'id="single_network"' in page and 'id="_zeros"' not in page
    assert "<code>Network | None</code>" in page


def test_search_finds_pages_without_a_server(site: Path) -> None:
    """A browser may not fetch a JSON file from the disk; a script it may load."""
    index = (site / "search/search_index.js").read_text()
    assert '"location":"howto/cluster.html#' in index and "preempted" in index


def test_figures_of_results_are_on_the_pages(site: Path) -> None:
    assert (site / "results/atari-evening/curves.png").exists()
    assert "results/atari-evening/curves.png" in (site / "tutorial/first-sweep.html").read_text()
