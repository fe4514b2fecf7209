"""The committed results are what the code writes from the committed curves."""

import re
import shutil
from pathlib import Path

import pytest

from analysis import published
from tests.support.damage import refused

LISTING = Path(__file__).parents[2] / "results" / "results.yaml"
FOLDERS = dict(published.published(LISTING))


def stated(text: str) -> str:
    """Without the versions of the packages that wrote the table."""
    return re.sub(r"this table: .*", "", text)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_committed_tables_are_what_the_code_writes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make results` writes them anew."""
    monkeypatch.chdir(LISTING.parents[1])
    relative = folder.relative_to(LISTING.parents[1])
    table = ["table", *FOLDERS[folder][1:]]  # a report writes the same tables, and takes longer
    command = (folder / "comparison.md").read_text().partition("analysis.")[2].partition(" ")[0]
    assert published.write(relative, table, tmp_path) == 0
    for name in ("comparison.md", "comparison.tex", "comparison.csv"):
        written = (tmp_path / name).read_text().replace("analysis.table", f"analysis.{command}")
        assert stated(written) == stated((folder / name).read_text()), f"{name} differs: run make results"


def test_every_folder_of_curves_is_listed() -> None:
    curves = {path.parent for path in LISTING.parent.glob("*/comparison.md")}
    assert curves == set(FOLDERS)


def test_a_changed_curve_changes_the_tables(tmp_path: Path) -> None:
    copy = tmp_path / "mujoco-laws"
    shutil.copytree(LISTING.parent / copy.name, copy)
    curves = (copy / "curves.csv").read_text()
    (copy / "curves.csv").write_text(curves.replace("gymnasium v5", "gymnasium v6"))
    (tmp_path / "results.yaml").write_text("mujoco-laws: [table, --reference, eaudeqn]\n")
    before = (copy / "comparison.md").read_text()
    assert published.main([str(tmp_path / "results.yaml"), "--out", str(tmp_path / "out")]) == 0
    after = (tmp_path / "out" / "mujoco-laws" / "comparison.md").read_text()
    assert "gymnasium v6" in after and "gymnasium v6" not in before


@pytest.mark.parametrize(
    ("text", "found"), [("[]", "folders"), ("pong: []", "pong"), ("pong: [plot]", "pong"), ("pong: table", "pong")]
)
def test_a_wrong_listing_is_one_line(text: str, found: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results.yaml").write_text(text)
    assert found in refused(capsys, published.main([str(tmp_path / "results.yaml")]))
