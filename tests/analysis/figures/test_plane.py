"""The main figure: what is drawn is what was given, sweeps are joined, and everything can be read."""

import itertools

import numpy as np
import pytest

from analysis.figures import plane as plane_figures
from analysis.figures import style
from analysis.figures.looks import looks
from analysis.figures.plane import plane
from analysis.stats import pareto, sweep_lines
from tests.analysis.figures.test_scores import METHODS, ROWS, assert_readable, overlaps

OVER = "IQM of the human-normalised score"


@pytest.fixture
def found():
    """Five rows: four of a fixed sparsity, two of these of the same, and one of a sparsity that varies."""
    rng = np.random.default_rng(0)
    levels = dict(zip(ROWS, (0.0, 0.5, 0.9, None, 0.9), strict=True))

    def values(draw):
        return {
            row: {f"t{j}": {i: float(draw(level)) for i in range(5)} for j in range(4)} for row, level in levels.items()
        }

    sparsities = values(lambda level: rng.normal(0.7, 0.05) if level is None else level)
    return pareto.outcomes(sparsities, values(lambda _: rng.normal(1, 0.2)), 0, 300)[0]


def drawn(axis):
    """{row: its point} of a panel, without the entries of the legend."""
    points = [line for line in axis.lines if line.get_marker() != "None" and len(line.get_xdata())]
    return {line.get_label().lstrip("_"): line for line in points}


def lines(axis):
    return [line for line in axis.lines if line.get_marker() == "None"]


def test_points_regions_and_sweeps_are_where_they_should_be(found):
    figure = plane({"4 games": found}, METHODS, OVER)
    assert_readable(figure, 0.8 * style.PAGE)
    (axis,) = figure.axes
    assert axis.get_title() == "4 games" and axis.get_ylabel().replace("\n", " ") == OVER
    points = drawn(axis)
    for row, outcome in found.items():
        assert points[row].get_xydata().tolist() == [outcome.point.tolist()]
    assert len(axis.patches) == len(ROWS)  # the regions
    assert {text.get_text().replace("\n", "") for text in axis.texts} - {""} == set(ROWS)
    low, high = axis.get_ylim()
    outlines = [pareto.region(outcome).outline()[:, 1] for outcome in found.values()]
    assert low < min(map(np.min, outlines)) and max(map(np.max, outlines)) < high


def test_a_sweep_is_joined_and_shows_how_far_others_are_from_it(found):
    """Dashed from the reference to the first level, solid between the levels."""
    (axis,) = plane({"": found}, METHODS, OVER).axes
    sweep = [found[row].point for row in ("dense", "gmp:final_sparsity=0.5", "gmp")]
    solid = next(line for line in lines(axis) if line.get_linestyle() == "-" and len(line.get_xdata()) > 2)
    dashed = next(line for line in lines(axis) if line.get_linestyle() == "--")
    assert (dashed.get_xdata()[0], solid.get_xdata()[-1]) == (0.0, 0.9)
    assert solid.get_xdata()[0] == pytest.approx(0.5, abs=0.01)
    for line in (solid, dashed):
        there = [sweep_lines.score_at(np.stack(sweep), level) for level in line.get_xdata()]
        assert line.get_ydata().tolist() == pytest.approx(there)
    level, score = found["eaudeqn:reset_optimizer=False"].point
    (gap,) = (line for line in lines(axis) if line.get_xdata()[0] == level and len(line.get_xdata()) == 2)
    assert gap.get_ydata().tolist() == pytest.approx([sweep_lines.score_at(np.stack(sweep), level), score])


def test_marks_have_the_order_of_the_table(found):
    """Another order would be another file."""
    others = [f"m{i}" for i in range(8)]
    found = {row: found[row] for row in ROWS[:3]} | dict.fromkeys(others, found["eaudeqn:reset_optimizer=False"])
    methods = {row: row for row in found}
    (axis,) = plane({"": found}, methods, OVER).axes
    gaps = [line.get_color() for line in lines(axis) if len(line.get_xdata()) == 2]
    assert gaps == [looks(methods)[row].colour for row in others]


def test_a_pruned_reference_is_compared_with_the_line(found):
    """It is no point of it."""
    figures = [plane({"": found}, METHODS, OVER, reference) for reference in ("dense", "eaudeqn:reset_optimizer=False")]
    one, other = ([line.get_xydata().tolist() for line in lines(figure.axes[0])] for figure in figures)
    assert one == other


def test_rows_that_are_not_pruned_yet_are_drawn():
    flat = {row: pareto.Outcome(np.array([0.0, 1.0]), np.tile([0.0, 1.0], (9, 1)), 1, 1) for row in METHODS}
    assert drawn(plane({"": flat}, METHODS, OVER).axes[0]).keys() == flat.keys()


def test_without_a_sweep_nothing_is_joined(found):
    few = {row: found[row] for row in ("dense", "gmp", "rigl")}
    (axis,) = plane({"": few}, METHODS, OVER).axes
    assert not lines(axis)
    assert drawn(axis).keys() == few.keys()


@pytest.mark.parametrize("count", [1, 6, 16])
def test_so_many_methods_stay_readable(count):
    draws = np.random.default_rng(0).normal([0.5, 1.0], 0.05, (300, 2))
    rows = {f"a method of mine {i}": f"m{i}" for i in range(count)}
    many = {row: pareto.Outcome(np.array([0.05 * i, 1 - 0.01 * i]), draws, 5, 4) for i, row in enumerate(rows)}
    assert_readable(plane({"4 games": many}, rows, OVER), 0.8 * style.PAGE)


def test_a_row_without_a_place_in_the_first_panel_is_in_the_legend(found):
    part = {row: found[row] for row in ("dense", "gmp")}
    figure = plane({"2 games": part, "Pong": found, "Boxing": part}, METHODS, OVER)
    assert overlaps(figure)[0] == []
    assert {text.get_text() for legend in figure.legends for text in legend.texts} == set(METHODS)
    assert [drawn(axis).keys() & found.keys() for axis in figure.axes] == [part.keys(), found.keys(), part.keys()]


def test_the_axis_follows_the_sparsities(found):
    low = {
        row: pareto.Outcome(outcome.point * [0.3, 1], outcome.draws * [0.3, 1], 5, 4) for row, outcome in found.items()
    }
    near, far = (plane({"": those}, METHODS, OVER).axes[0] for those in (low, found))
    assert near.get_xscale() == "linear" and 0.27 < near.get_xlim()[1] < 0.35
    assert far.get_xscale() == "function" and 0.9 < far.get_xlim()[1] < 0.95  # logarithmic in the density
    assert 0.9 in far.get_xticks()


def test_rows_of_one_fixed_sparsity_stand_beside_each_other(found):
    figure = plane({"": found}, METHODS, OVER)
    shown = {
        row: line.get_transform().transform(line.get_xydata())[0, 0] for row, line in drawn(figure.axes[0]).items()
    }
    assert shown["rigl"] - shown["gmp"] == pytest.approx(5 / 72 * figure.dpi)


def test_a_huge_region_does_not_shrink_the_rest():
    draws = np.random.default_rng(0).normal([0.5, 1.0], [0.1, 50.0], (300, 2))
    wide = {
        "gmp": pareto.Outcome(np.array([0.5, 1.0]), draws, 2, 4),
        "rigl": pareto.Outcome(np.array([0.9, 2.0]), draws, 1, 4),
    }
    low, high = plane({"": wide}, METHODS, OVER).axes[0].get_ylim()
    assert -1 < low < 0 and 3 < high < 4


@pytest.mark.parametrize("wanted", [[0.0, 0.0, 0.0], [0.2, 0.25, 0.9], [0.9, 1.0, 1.0], [0.5]])
def test_labels_do_not_overlap_and_stay_inside(wanted):
    heights = [0.1, 0.2, 0.1][: len(wanted)]
    places = plane_figures.spread(wanted, heights)
    ends = [(place - height / 2, place + height / 2) for place, height in zip(places, heights, strict=True)]
    assert ends[0][0] >= -1e-9 and ends[-1][1] <= 1 + 1e-9
    assert all(one[1] <= other[0] + 1e-9 for one, other in itertools.pairwise(ends))
