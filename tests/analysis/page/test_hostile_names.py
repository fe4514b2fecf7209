"""Names that hold HTML are text everywhere on the page: in tables, lists, captions and the texts of figures."""

import itertools
import re
from html.parser import HTMLParser
from pathlib import Path

from analysis import report

EVIL = "<script>alert('1')</script>\"><img src=x onerror=alert(2)>&amp; {{ 7 * 7 }}{% raw %}"


class Tags(HTMLParser):
    """Collects the elements of a page, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_hostile_method_is_text(tmp_path: Path) -> None:
    quoted = EVIL.replace('"', '""')
    lines = ["method,task,seed,agent_step,return,sparsity,status"]
    for task, seed, step in itertools.product(("atari/Pong", "atari/Boxing"), range(3), (1000, 2000)):
        for method, sparsity in ((f'"{quoted}"', 0.9), ("dense", 0)):
            lines.append(f"{method},{task},{seed},{step},{seed}.5,{sparsity},")
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    arguments = ["--runs", str(tmp_path / "mine.csv"), "--out", str(tmp_path / "out"), "--repetitions", "20"]
    assert report.main(arguments) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    tags = Tags()
    tags.feed(page)
    names = [tag for tag, _ in tags.found]
    assert names.count("script") == 4  # the page's own: tables, data, Vega-Lite, charts
    assert names.count("td") > 10 and "figure" in names  # so that there is something to escape
    assert not [tag for tag, attributes in tags.found if tag == "img" or "onerror" in attributes]
    assert tags.text.count(EVIL) > 5
    figures = re.findall("<svg.*?</svg>", page, flags=re.DOTALL)
    assert any("alert(" in figure for figure in figures) and not any("<script" in figure for figure in figures)
