"""Figures of sparsity: what is drawn is what was given, and everything can be read at a column's width."""

import numpy as np
import pandas as pd
import pytest

from analysis.figures import sparsity as sparsity_figures
from analysis.stats import election_log
from tests.analysis.figures.test_scores import ROWS, assert_readable
from tests.analysis.stats.test_election_log import outcomes


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
