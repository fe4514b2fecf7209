"""The figure, the table and the recording on the README's first screen are of what they say."""

import xml.etree.ElementTree as ElementTree

import pandas as pd

from docs.generate import headline, recording
from tests.docs.pages import ROOT, table

SCREENS = [
    ["\x1b[1mrun\x1b[0m  state", "a    running", "\x1b[38;5;197m━━\x1b[0m"],
    ["run  state", "a <  finished", "━━━━"],
]
XML = {"svg": "http://www.w3.org/2000/svg"}


def test_the_readme_shows_the_committed_results() -> None:
    found = pd.read_csv(headline.COMPARISON)
    marked = headline.MARKED.search((ROOT / "README.md").read_text())
    shown = f"<!-- results -->\n{headline.table(found)}<!-- end of results -->"
    assert marked and marked[0] == shown, "run make results"
    rows = table("README.md", "method and options")
    assert len(rows) == found["method"].nunique() and len(rows[0]) == 3 + found["task"].nunique()


def test_a_cell_has_its_interval() -> None:
    assert headline.cell(pd.Series({"value": 1.234, "low": 1.1, "high": 1.456}), ".2f") == "1.23 [1.10, 1.46]"
    assert headline.cell(pd.Series({"value": 0.9, "low": 0.9, "high": 0.9}), ".2f") == "0.90"
    assert headline.cell(pd.Series({"value": 0.9, "low": float("nan"), "high": float("nan")}), ".2f") == "0.90"
    assert headline.cell(pd.Series({"value": float("nan"), "low": float("nan"), "high": float("nan")}), ".2f") == "-"


def test_a_terminal_is_followed() -> None:
    screen, row = [""], 0
    for text in ("first\r\nsecond\r\n", "third", "\r\x1b[2K\x1b[1A\x1b[2Kchanged\r\nlast"):
        row = recording.write(text, screen, row)
    assert screen == ["first", "changed", "last"]


def test_a_recording_shows_one_screen_at_a_time() -> None:
    picture = ElementTree.fromstring(recording.svg(SCREENS))
    frames = [frame for frame in picture.findall("svg:g", XML) if frame.find("svg:animate", XML) is not None]
    assert [frame.get("visibility") for frame in frames] == ["hidden", "visible"]
    assert ["".join(line.itertext()) for line in frames[1].findall("svg:text", XML)][:2] == [
        "run  state",
        "a <  finished",
    ]
    (bold,) = [span for span in frames[0].iter() if span.get("font-weight")]
    assert bold.text == "run"


def test_frames_differ_and_end_with_the_last() -> None:
    many = [[str(number // 2)] for number in range(100)]
    frames = recording.chosen(many)
    assert frames[0] == ["0"] and frames[-1] == ["49"] and len(frames) == recording.FRAMES


def test_the_committed_recording_is_small() -> None:
    assert 5_000 < (ROOT / "docs/pictures/grid.svg").stat().st_size < 200_000
