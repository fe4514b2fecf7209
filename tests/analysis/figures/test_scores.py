"""Figures of scores: what is drawn is what was given, and everything can be read at a column's width."""

import itertools
import re

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from analysis.figures import scores as score_figures
from analysis.figures import style
from analysis.stats.metrics import NOTHING, Estimate
from analysis.stats.profiles import Curve

ROWS = ["dense", "gmp:final_sparsity=0.5", "gmp", "eaudeqn:reset_optimizer=False", "rigl"]
METHODS = {row: row for row in ROWS}


def overlaps(figure):
    """The drawn texts of a figure that lie on each other, and those that lie outside of it."""
    texts, draw = {}, Text.draw

    def record(text, renderer):
        if text.get_visible() and text.get_text().strip():
            texts[id(text)] = text
        draw(text, renderer)

    canvas = FigureCanvasAgg(figure)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "draw", record)
        canvas.draw()
    boxes = [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in texts.values()]
    page = figure.bbox.padded(2)
    outside = [text for text, box in boxes if not (page.contains(*box.min) and page.contains(*box.max))]
    pairs = itertools.combinations(boxes, 2)
    return [(a, b) for (a, one), (b, other) in pairs if one.padded(-1.5).overlaps(other.padded(-1.5))], outside


def assert_readable(figure, width=style.COLUMN):
    assert figure.get_figwidth() == width
    assert overlaps(figure) == ([], [])
    sizes = {t.get_fontsize() for t in figure.findobj(lambda a: hasattr(a, "get_fontsize")) if t.get_text()}
    assert min(sizes) >= 5.5  # points


@pytest.fixture
def estimates():
    rng = np.random.default_rng(0)
    names = ("IQM", "median", "mean", "optimality gap")
    return {name: {row: Estimate(v := rng.uniform(0.5, 1.5), v - 0.1, v + 0.2, 5) for row in ROWS} for name in names}


def test_intervals_are_where_they_should_be(estimates):
    figure = score_figures.intervals(estimates, METHODS)
    assert_readable(figure)
    for axis, (name, found) in zip(figure.axes, estimates.items(), strict=True):
        assert axis.get_title() == name
        spans = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axis.patches]
        assert spans == [pytest.approx(found[row][1:3]) for row in ROWS]
        assert [line.get_xdata()[0] for line in axis.lines] == [found[row].value for row in ROWS]


def test_what_is_not_there_is_not_drawn(estimates):
    found = {"IQM": {"dense": NOTHING, "gmp": Estimate(1.0, None, None, 1), "rigl": Estimate(1.0, 0.9, 1.2, 3)}}
    (axis,) = score_figures.intervals(found, METHODS, {"IQM": 0.5}).axes
    assert len(axis.patches) == 1 and len(axis.lines) == 3  # two values, and the line that is marked
    assert [label.get_text() for label in axis.get_yticklabels()] == ["dense", "gmp", "rigl"]


def curve(low=True):
    x, y = np.linspace(0, 2, 30), np.linspace(1, 0, 30)
    return Curve(x, y, y - 0.1 if low else y * np.nan, y + 0.1 if low else y * np.nan)


@pytest.mark.parametrize("draw", [score_figures.profiles, score_figures.efficiency])
def test_curves_are_drawn_as_given(draw):
    figure = draw({row: curve(row != "gmp") for row in ROWS}, METHODS)
    assert_readable(figure)
    (axis,) = figure.axes
    assert [line.get_label() for line in axis.lines] == ROWS
    for line in axis.lines:
        assert np.array_equal(line.get_xydata(), np.stack(curve()[:2], axis=1))
    assert len({(str(line.get_color()), line.get_linestyle()) for line in axis.lines}) == len(ROWS)


def test_text_is_text_and_the_same_data_give_the_same_files(tmp_path, estimates):
    for name in ("a", "b"):
        figure = score_figures.intervals(estimates, METHODS)
        style.save(figure, [tmp_path / f"{name}.pdf", tmp_path / f"{name}.png"])
        (tmp_path / f"{name}.svg").write_text(style.markup(figure))
    for suffix in ("pdf", "png", "svg"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes(), suffix
    assert re.search(r">optimality gap</text>", (tmp_path / "a.svg").read_text())
    assert b"/Type3" not in (tmp_path / "a.pdf").read_bytes()


@pytest.mark.parametrize(
    ("label", "lines"),
    [
        ("gmp", ["gmp"]),
        ("gmp:final_sparsity=0.5", ["gmp:final_", "sparsity=0.5"]),
        ("eaudeqn:law=success,reset_optimizer=False", ["eaudeqn:law=", "success,reset_", "optimizer=False"]),
        ("x" * 40, ["x" * 18, "x" * 18, "xxxx"]),
    ],
)
def test_labels_break_after_their_signs(label, lines):
    assert style.wrapped(label).split("\n") == lines


@pytest.mark.parametrize("draw", [score_figures.profiles, score_figures.efficiency])
def test_sixteen_methods_have_a_panel_each(draw):
    methods = {f"a method of mine {i}": f"m{i}" for i in range(16)}
    figure = draw({row: curve() for row in methods}, methods)
    assert_readable(figure, style.PAGE)
    titled = [axis for axis in figure.axes if axis.get_title()]
    assert [axis.get_title() for axis in titled] == list(methods)
    assert all(len(axis.lines) == 16 and len(axis.collections) == 1 for axis in titled)  # one has a band


def test_profiles_that_go_far_have_plain_numbers_at_their_ticks():
    x = np.array([0.0, 2.0, 150.0])
    figure = score_figures.profiles({"dense": Curve(x, x / 150, x * np.nan, x * np.nan)}, {"dense": "dense"})
    drawing = style.markup(figure)
    assert all(f">{number}<" in drawing for number in (0, 1, 10, 100)) and "$" not in drawing
