"""What the filters of a page leave out, in a browser."""

import html
import json
import re

import numpy as np
import pandas as pd
import pytest

from analysis.data import scores
from analysis.figures import style
from analysis.page import charts
from analysis.page.page import Filters, Picture, Section, SortableTable, page
from analysis.render.markup import Table
from tests.support.browser import needs_chromium, rendered

TASKS = ["atari/Breakout", "minatar/Breakout", "gym/ALE/Pong-v5"]
METHODS = ["dense", "random"]
NAMES = scores.short_names(TASKS)


def curve(method, task, seed, epochs):
    steps = 1000.0 * np.arange(1, epochs + 1)
    return pd.DataFrame(
        {
            "method": method, "task": task, "run": "run", "x": steps, "seed": seed, "epoch": range(1, epochs + 1),
            "return": 10.0 * seed, "sparsity": 0.0,
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def document():
    """Curves of each task, a chart over all of them, and tables with short and whole names of tasks."""
    data = pd.concat([curve(m, name, seed, 4 - seed) for m in METHODS for name in NAMES.values() for seed in (0, 1)])
    over = pd.DataFrame({"method": METHODS, "task": "3 games", "x": [1.0, 2.0]})
    mark = {"mark": "point", "encoding": {"x": {"field": "x", "type": "quantitative"}}}
    spec = {"facet": {"field": "task"}, "columns": 1, "spec": mark}
    made = {
        "curves": charts.curves(data, {m: m for m in METHODS}, "return", "return", "agent_step"),
        "all": charts.Chart(spec, over),
    }
    pictures = [Picture(name, name, lambda: style.blank(1, 1), chart) for name, chart in made.items()]
    returns = Table("", ["game", "random", *METHODS], [[name, "a", "b", "c"] for name in NAMES.values()], methods=2)
    runs = Table("", ["method", "task"], [[method, task] for task in TASKS for method in METHODS], words=2)
    parts = [*pictures, SortableTable(returns), SortableTable(runs)]
    return page("t", [Section("A", parts)], lambda _: "", Filters(NAMES, METHODS))


def chosen(document, tmp_path, task="", without=()):
    """The visible cells of both tables, and the texts of both charts."""
    script = (
        "const form = document.getElementById('filters');"
        f"form.elements.task.value = {json.dumps(task)};"
        f"const without = {json.dumps(list(without))};"
        "for (const box of form.querySelectorAll('input')) box.checked = !without.includes(box.value);"
        "form.dispatchEvent(new Event('change', {bubbles: true}));"
        "setTimeout(() => {"
        "const seen = rows => [...rows].filter(row => !row.hidden)"
        ".map(row => [...row.cells].filter(cell => !cell.hidden).map(cell => cell.textContent));"
        "const found = {tables: [...document.querySelectorAll('table')].map(table => seen(table.rows)),"
        "charts: [...document.querySelectorAll('.chart')].map(chart => chart.textContent),"
        "lines: [...document.querySelectorAll('.chart')].map(chart => [...chart.querySelectorAll('.mark-line path')]"
        ".map(path => [path.getAttribute('stroke-width'), path.getAttribute('d')]))};"
        "document.body.dataset.found = JSON.stringify(found);"
        "}, 15000);"
    )
    (found,) = re.findall(r'data-found="([^"]*)"', rendered(document, tmp_path, script))
    return json.loads(html.unescape(found))


@needs_chromium
@pytest.mark.parametrize("task", TASKS)
def test_a_task_is_found_in_tables_and_charts(document, tmp_path, task):
    """Also where two tasks share an environment, and where the name has several parts."""
    found = chosen(document, tmp_path, NAMES[task])
    assert found["tables"][0][1:] == [[NAMES[task], "a", "b", "c"]]
    assert found["tables"][1][1:] == [[method, task] for method in METHODS]
    assert [name in found["charts"][0] for name in NAMES.values()] == [other == task for other in TASKS]
    assert "3 games" in found["charts"][1]  # which is of no single task


@needs_chromium
def test_a_method_may_have_the_name_of_another_column(document, tmp_path):
    found = chosen(document, tmp_path, without=["random"])
    assert found["tables"][0][:2] == [["game", "random", "dense"], [NAMES[TASKS[0]], "a", "b"]]
    assert [row[0] for row in found["tables"][1][1:]] == ["dense"] * 3


@needs_chromium
def test_a_mean_is_of_all_seeds_and_runs_of_one_name_stay_apart(document, tmp_path):
    """One seed has four epochs and the other three, so the mean ends at the third."""
    found = chosen(document, tmp_path, NAMES[TASKS[0]])
    assert [path.count("L") for width, path in found["lines"][0] if width == "2"] == [2, 2]
    heights = [set(re.findall(r",([-\d.]+)", path)) for _, path in found["lines"][0]]
    assert [len(own) for own in heights] == [1] * 6  # each run's return is always the same
