"""Figures of sparsity: what is drawn is what was given, and everything can be read at a column's width."""

import numpy as np
import pandas as pd
import pytest

from analysis.figures import sparsity as sparsity_figures
from analysis.stats import election_log, pareto
from tests.analysis.figures.test_scores import METHODS, ROWS, assert_readable
from tests.analysis.stats.test_election_log import outcomes


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


def test_the_plane_of_sparsity_and_score(found):
    fronts, sweeps = pareto.on_front(found), pareto.sweeps(METHODS)
    figure = sparsity_figures.pareto(found, METHODS, fronts, sweeps, kept=("90 % of dense", 0.9))
    assert_readable(figure)
    (axis,) = figure.axes
    drawn = {line.get_label(): line for line in axis.lines}
    for row, outcome in found.items():
        assert drawn[f"{row} ({fronts[row]:.2f})"].get_xydata().tolist() == [outcome.point.tolist()]
    (sweep,) = (line for line in axis.lines if len(line.get_xdata()) == 3)
    assert sweep.get_xydata()[:, 0].tolist() == [0.0, 0.5, 0.9]
    assert len(axis.patches) == len(ROWS)  # the regions
    low, high = axis.get_ylim()
    for outcome in found.values():
        assert (
            low < pareto.region(outcome).outline()[:, 1].min() and pareto.region(outcome).outline()[:, 1].max() < high
        )


def test_rows_of_one_fixed_sparsity_stand_beside_each_other(found):
    figure = sparsity_figures.pareto(found, METHODS, {}, {})
    (axis,) = figure.axes
    shown = {line.get_label(): line.get_transform().transform(line.get_xydata())[0, 0] for line in axis.lines}
    assert shown["rigl"] - shown["gmp"] == pytest.approx(5 / 72 * figure.dpi)


def test_a_huge_region_does_not_shrink_the_rest():
    draws = np.random.default_rng(0).normal([0.5, 1.0], [0.1, 50.0], (300, 2))
    wide = {
        "gmp": pareto.Outcome(np.array([0.5, 1.0]), draws, 2, 4),
        "rigl": pareto.Outcome(np.array([0.9, 2.0]), draws, 1, 4),
    }
    low, high = sparsity_figures.pareto(wide, METHODS, {}, {}).axes[0].get_ylim()
    assert -1 < low < 0 and 3 < high < 4


@pytest.mark.parametrize("columns", [2, 3, 10])
def test_layers(columns):
    names = [f"critic_{i}/Dense_{j}" for i in range(2) for j in range(3)]
    rows = (ROWS * 2)[:columns]
    values = np.random.default_rng(0).uniform(size=(len(names), columns))
    figure = sparsity_figures.layers(pd.DataFrame(values, index=names, columns=rows))
    assert_readable(figure)
    (axis,) = figure.axes
    assert [text.get_text() for text in axis.texts] == [f"{value:.2f}" for value in values.ravel()]
    assert [label.get_text() for label in axis.get_yticklabels()] == names


@pytest.mark.parametrize("text", ["ttttrrrr", "tttt", "r", "", "t.r"])
def test_any_election_log_can_be_drawn(text):
    assert_readable(sparsity_figures.elections(outcomes(text), "Pong, eaudeqn, seed 0"))


def test_an_election_log_shows_where_pruning_stopped():
    book = outcomes("tt.ttrtrrrrrrrr")
    figure = sparsity_figures.elections(book, "title")
    assert_readable(figure)
    above, middle, below = figure.axes
    assert above.lines[0].get_ydata().tolist() == book["level"].tolist()
    taken, refused = (line.get_xdata().tolist() for line in middle.lines[:2])
    assert taken == book["agent_step"][book["outcome"] == "taken"].tolist()
    assert refused == book["agent_step"][book["outcome"] == "refused"].tolist()
    stop = election_log.stopped(book)
    assert stop is not None and stop >= 0
    for axis in (above, middle, below):
        assert [line.get_xdata()[0] for line in axis.lines if line.get_label() == "last step"] == [
            book["agent_step"][stop]
        ]
    assert sum(len(lines.get_segments()) for lines in below.collections) == len(book)
