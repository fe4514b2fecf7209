"""LaTeX is well-formed, and compiles."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.render import tables
from analysis.render.markup import Table, fitting, latex_document, latex_table, latex_text
from analysis.stats import costs
from tests.support.tables import check_latex, comparison_of

RESULTS = Path(__file__).parents[3] / "results"


def test_latex_is_well_formed(holed):
    text = tables.latex(holed)
    check_latex(text)
    assert "rigl:a\\_b=1" in text and "$-$20.7" in text
    assert text.count("\\toprule") == text.count("\\bottomrule") == 7


def compiled(text, folder):
    """By pdflatex, as it stands; nothing may run over the margin."""
    (folder / "t.tex").write_text(text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout, done.stdout[-2000:]


needs_latex = pytest.mark.skipif(
    shutil.which("pdflatex") is None,
    reason="pdflatex is not installed (Debian: apt-get install texlive-latex-recommended)",
)


@needs_latex
def test_latex_compiles(holed, tmp_path):
    measured = pd.DataFrame([("dense", "atari/Pong", 0, "a run", *[12345.6] * (len(costs.COLUMNS) - 4))])
    measured.columns = list(costs.COLUMNS)
    compiled(tables.latex(holed, costs.tables(measured)), tmp_path)


@needs_latex
@pytest.mark.parametrize("path", sorted(RESULTS.glob("*/comparison.tex")), ids=lambda path: path.parent.name)
def test_the_results_that_are_kept_compile(path, tmp_path):
    compiled(path.read_text(), tmp_path)


@given(st.text())
def test_any_text_is_escaped(text):
    escaped = latex_text(text)
    bare = re.sub(r"\\text\w+\{\}|\\[{}_%&#$]|\{[][*]\}|\$\\pm\$|\$\\\w+(\{\w\})?\$|\$o\$", "", escaped)
    assert not set("\\{}_%&#$~^<>|[]*\n") & set(bare)


def test_greek_letters_are_printed():
    assert latex_text("\u03b1 \u0391\u03a3\u03c2\u03c3 \xb5s \u03c4") == (
        r"$\alpha$ $\mathrm{A}$$\Sigma$$\varsigma$$\sigma$ $\mu$s $\tau$"
    )
    assert latex_text("caf\xe9 \u6f22") == "caf\xe9 ?"


@needs_latex
def test_every_western_european_letter_compiles_or_is_a_question_mark(tmp_path):
    letters = latex_text(" ".join(map(chr, range(0xA0, 0x100))))
    assert letters.count("\xdf") == 1 and not set("\xd0\xde\xf0\xfe") & set(letters)
    compiled(latex_document([letters]), tmp_path)


def test_hyphens_stay_hyphens() -> None:
    assert latex_text("--epoch a---b -1 \n-") == "-{}-epoch a-{}-{}-b -1 ?-"


@pytest.mark.parametrize("layout", ["portrait", "longtable"])
def test_narrow_layouts_split_what_is_wider_than_the_text(tmp_path, run, layout):
    for i in range(6):
        for seed in range(2):
            run(method=f"method:an_option_of_it={i}", seed=seed, returns=(1.0, 2.0, 10.0 * i + seed))
    found = comparison_of(tmp_path / "runs")
    text = tables.latex(found, layout=layout)
    check_latex(text)
    assert "textwidth=397pt" in text and "an\\_\\allowbreak{}option" in text
    assert ("\\begin{longtable}" in text) == (layout == "longtable")
    whole = [table for table in tables.all_tables(found) if table.key == "return-atari"]
    parts = fitting(whole, 397.0)
    assert len(parts) > len(whole) and all(part.header[0] == "game" for part in parts)
    assert [part.key for part in parts[:2]] == ["return-atari", "return-atari-2"]
    shown = [cell for part in parts for cell in part.header[1:]]
    assert shown == [cell for table in whole for cell in table.header[1:]]
    for part in parts:
        for j, column in enumerate(part.header):
            (table,) = [table for table in whole if column in table.header and table.body[0][0] == part.body[0][0]][:1]
            assert [line[j] for line in part.body] == [line[table.header.index(column)] for line in table.body]


def test_every_part_of_a_table_says_whose_numbers_it_has():
    table = Table("Costs", ["family", "method", "a" * 40, "b" * 40], [["atari", "dense", "1", "2"]], words=2)
    parts = fitting([table], 397.0)
    assert [part.body for part in parts] == [[["atari", "dense", "1"]], [["atari", "dense", "2"]]]
    assert all(part.words == 2 for part in parts)


@needs_latex
@pytest.mark.parametrize("layout", ["portrait", "longtable"])
def test_narrow_layouts_compile(holed, tmp_path, layout):
    compiled(tables.latex(holed, layout=layout), tmp_path)


def test_wide_comparisons_are_split(tmp_path, run):
    for i in range(9):
        run(method=f"m{i}")
    text = tables.latex(comparison_of(tmp_path / "runs"))
    check_latex(text)
    assert text.count("Mean return per game") == 3
    assert "over 1 game," in text


def test_labels_have_letters_that_latex_takes():
    table = Table("a title", ["task", "dense"], [["Maze", "1"], ["* Cart", "2"]], key="return-R&D_1%")
    parts = fitting([table, replace(table, key="return-r d-1")], None)
    assert [part.key for part in parts] == ["return-r-d-1", "return-r-d-1-2"]
    assert "  {*} Cart & 2 \\\\" in latex_table(parts[0])
