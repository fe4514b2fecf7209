"""The page's parts: what they escape, what they are sorted by, and that figures can stand in it."""

import re

import numpy as np
import pytest
from markupsafe import Markup

from analysis.figures import style
from analysis.page import page, sections
from analysis.page.page import Command, Facts, Listing, Paragraph, Picture, Section, SortableTable
from analysis.render.markup import NONE, Table


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ("4,810 [4,550, 5,069] (2)", "4810"),
        ("-0.130 [-0.218, -0.043]", "-0.130"),
        ("> 0.980 [0.2, > 0.980]", "0.980"),
        ("1.5e+12", "1.5e+12"),
        ("0", "0"),
        (NONE, ""),
        ("none", ""),
        ("", ""),
    ],
)
def test_a_cell_is_sorted_by_its_first_number(words, key):
    assert page.sort_key(words) == key


def test_any_text_is_read_as_text():
    evil = '<script>alert("x")</script> & more'
    table = Table(evil, [evil, evil], [[evil, evil]], bold={(0, 0)})
    parts = [Paragraph(evil), Listing([evil], evil), Facts([(evil, evil)]), Command(evil)]
    parts += [SortableTable(table), SortableTable(table, {evil: [evil]}), SortableTable(table, {"": [Command(evil)]})]
    whole = page.page(evil, [Section(evil, parts)], lambda _: "")
    assert whole.count("<script>") == 1  # the page's own
    assert evil not in whole
    assert whole.count("&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt; &amp; more") == 28


def test_a_long_table_is_folded(monkeypatch):
    monkeypatch.setattr(page, "MOST_ROWS", 2)
    tables = [Table("Numbers", ["name"], [[str(i)] for i in range(count)]) for count in (2, 3)]
    short, long = (page.render(SortableTable(table)) for table in tables)
    assert "<details>" not in short
    assert long.startswith("<details><summary>Numbers: 3 rows</summary>") and long.endswith("</details>")
    assert long.count("<tr>") == short.count("<tr>") + 1


def test_sections_without_a_part_are_left_out():
    whole = page.page("t", [Section("Full", [Paragraph("x")]), Section("Empty", [])], lambda _: "")
    assert '<a href="#full">' in whole and "Empty" not in whole


def test_only_the_runs_of_a_folder_can_be_resumed(holed, tmp_path):
    sweep, places = tmp_path / "sweep.yaml", [str(tmp_path / "runs"), "wandb:me/project", str(tmp_path / "sweep.yaml")]
    found = [sections.missing(holed, sweep, [place]).parts for place in places]
    commands = [[part.text for part in parts if isinstance(part, Command)] for parts in found]
    assert commands == [[f"python -m sweeps.launch {sweep} --folder {places[0]}"], [], []]


def figure(points):
    drawn = style.blank(1, 1)
    drawn.subplots().plot(np.random.default_rng(0).normal(size=points), label="kept")
    return drawn


def test_pictures_are_shown_where_they_stand():
    picture = Picture("name", "caption", lambda: figure(3))
    shown = page.page("t", [Section("A", [Paragraph("before"), picture])], lambda p: Markup(f"<i>{p.name}</i>"))
    assert "<p>before</p>\n<i>name</i>" in shown


def test_a_small_figure_is_svg_whose_text_is_text():
    element = page.drawing(figure(3), "one", "a caption <&>")
    assert element.startswith('<figure id="figure-one">\n<svg role="img" aria-label="a caption &lt;&amp;&gt;"')
    assert "<text" in element and '<g id="' not in element and "<?xml" not in element
    defined, used = (set(re.findall(form, element)) for form in (r' id="([^"]+)"', r'(?:url\(|href=")#([^")]+)'))
    assert used <= defined
    assert not re.search(r' d="[^"]*\.\d{3}', element) and "<g/>" not in element and "\n " not in element


def test_a_large_figure_is_png(monkeypatch):
    monkeypatch.setattr(page, "MOST_POINTS", 2)
    assert 'src="data:image/png;base64,iVBOR' in page.drawing(figure(3), "one", "caption")
