"""What sparsity buys: the points are geometric means of costs and means of returns, and the front is theirs."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.figures import costs as cost_figures
from analysis.figures import style
from analysis.page import costs as cost_sections
from analysis.page.page import Paragraph, Picture, render
from analysis.render.markup import significant
from analysis.results import gather
from analysis.selection import Selection
from analysis.settings import Settings
from analysis.stats import pareto
from tests.analysis.figures.test_scores import overlaps
from tests.support.synthetic import write_runs

METHODS = ["dense", "gmp", "static", "eaudeqn"]
TASKS = ["atari/Pong", "atari/Boxing"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write_runs(folder, TASKS, METHODS, seeds=3, epochs=4, elections=10)
    return folder


@pytest.fixture(scope="module")
def results(root):
    return gather(Selection([str(root)]), root / "report", "a command", Settings(repetitions=200))


def parts_of(results):
    section = cost_sections.buys(results)
    pictures = [part for part in section.parts if isinstance(part, cost_sections.Picture)]
    return pictures, "".join(render(part) for part in section.parts if part not in pictures)


def test_bytes_and_latency_each_with_its_front(results):
    pictures, text = parts_of(results)
    assert [picture.name for picture in pictures] == ["bytes-atari", "latency-atari"]
    frame = results.costs
    for picture, column, unit in zip(pictures, ("bytes_compact", "fastest_median"), (1e3, 1.0), strict=True):
        figure = picture.draw()
        assert overlaps(figure) == ([], [])
        titles = [axis.get_title() for axis in figure.axes]
        assert titles == ["score on 2 games", "return on Boxing", "return on Pong"]
        for axis, tasks in zip(figure.axes, (TASKS, ["atari/Boxing"], ["atari/Pong"]), strict=True):
            drawn = {line.get_label(): line.get_xydata() for line in axis.lines}
            for row in METHODS:
                own = frame[(frame["row"] == row) & frame["task"].isin(tasks)][column] / unit
                assert drawn[row][0, 0] == pytest.approx(np.exp(np.log(own).mean()), rel=1e-5)
            points = np.array([drawn[row][0] for row in METHODS])
            best = [
                p for p in points if not any((q[0] <= p[0]) & (q[1] >= p[1]) & (q != p).any() for q in points)
            ]  # by plain loops
            assert drawn["Pareto front"] == pytest.approx(np.array(sorted(map(tuple, best))))
    assert "Latency of one action, microseconds" in text and "Costs of training" in text
    assert "No latency was measured" not in text


def test_returns_are_those_of_the_tables(results):
    """Three seeds: nothing is cut from an interquartile mean, so it is the mean that the table of returns has."""
    (picture, _), _ = parts_of(results)
    (axis,) = (axis for axis in picture.draw().axes if axis.get_title() == "return on Pong")
    for line in axis.lines:
        if line.get_label() in METHODS:
            expected = results.comparison.on_task[line.get_label(), "atari/Pong"]["return"].value
            assert line.get_ydata()[0] == pytest.approx(expected)


def test_without_an_export_there_is_no_latency_and_the_page_says_how_to_get_it(results):
    without = results.costs.assign(fastest_median=np.nan)
    pictures, text = parts_of(replace(results, costs=without))
    assert [picture.name for picture in pictures] == ["bytes-atari"]
    assert cost_sections.UNMEASURED in text and "Latency of one action, microseconds" not in text


def test_a_row_with_costs_on_some_tasks_only_is_said_and_not_compared(results):
    costs = results.costs
    some = costs.assign(
        bytes_compact=costs["bytes_compact"].where((costs["row"] != "gmp") | (costs["task"] == TASKS[0]))
    )
    pictures, text = parts_of(replace(results, costs=some))
    assert "gmp: not on the two axes, as a task has no run with both a size and a score" in text
    first = pictures[0].draw().axes[0]
    assert "gmp" not in {line.get_label() for line in first.lines if len(line.get_xdata())}


def test_no_costs_no_section(results):
    assert cost_sections.buys(replace(results, costs=results.costs.iloc[:0])).parts == []


def test_many_panels_go_on_several_figures_and_one_is_a_column_wide(results, monkeypatch):
    monkeypatch.setattr(cost_sections, "ON_A_FIGURE", 1)
    pictures, _ = parts_of(results)
    assert [picture.name for picture in pictures[:3]] == [f"bytes-atari-{i}" for i in (1, 2, 3)]
    assert pictures[0].draw().get_figwidth() == style.COLUMN


@pytest.mark.parametrize(("ratio", "tied"), [(1.04, True), (1.1, False)])
def test_tied_latencies_are_a_line(results, ratio, tied):
    """Of all rows and tasks."""
    latency = np.where(results.costs["row"] == "gmp", 100.0 * ratio, 100.0)
    parts = cost_sections.buys(replace(results, costs=results.costs.assign(fastest_median=latency))).parts
    lines = [part.text for part in parts if isinstance(part, Paragraph) and "Latency" in part.text]
    assert [("no two differ by more than 5 %" in line and "100" in line) for line in lines] == [True] * tied
    assert any(isinstance(part, Picture) and part.name == "latency-atari" for part in parts) != tied


def test_equal_points_are_both_on_the_front():
    point = np.array([1.0, 2.0])
    same = {row: pareto.Outcome(point, point[None], 3, 1) for row in ("a", "b")}
    figure = cost_figures.tradeoffs({"t": same}, {"a": "a", "b": "b"}, "cost", "reached")
    (front,) = (line for line in figure.axes[0].lines if line.get_label() == "Pareto front")
    assert front.get_xydata().tolist() == [[0.1, 2.0]] * 2


@pytest.mark.parametrize(
    "value, text", [(0.0, "0.00"), (0.012345, "0.0123"), (4.0, "4.00"), (12345.6, "12,346"), (-0.5, "-0.500")]
)
def test_significant_digits_and_no_exponent(value, text):
    assert significant(value) == text
