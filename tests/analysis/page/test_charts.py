"""The data of charts: compact, thinned, and text whatever a name holds."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from analysis.figures import style
from analysis.page import charts, page
from analysis.page.page import Picture, Section


def test_columns_hold_what_was_given():
    data = pd.DataFrame({"method": ["a", "b", "a"], "x": [1.0, np.nan, 123456.789]})
    assert charts.columns(data) == {"method": {"levels": ["a", "b"], "codes": [0, 1, 0]}, "x": [1.0, None, 123460.0]}


def curves(runs, epochs):
    parts = [
        pd.DataFrame(
            {
                "row": "dense", "task": "atari/Pong", "seed": seed, "name": f"r{seed}", "epoch": range(1, epochs + 1),
                "agent_step": 1000 * np.arange(1, epochs + 1), "return": 1.0, "sparsity": 0.0,
            }
        )
        for seed in range(runs)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(("runs", "length", "most"), [(2, 50, 50), (2, 1000, 100), (3000, 200, 10)])
def test_curves_are_thinned_to_what_a_screen_shows(runs, length, most):
    """Alike in all runs, and with the last epoch of each."""
    found = charts.epochs(curves(runs, length), ["atari/Pong"], "agent_step")
    by_run = found.groupby("run")["epoch"]
    assert (by_run.max() == length).all() and by_run.nunique().between(most / 2, most).all()
    assert by_run.agg(tuple).nunique() == 1


def test_a_hostile_name_cannot_leave_the_data():
    evil = "</script><script>alert(1)</script>"
    chart = charts.Chart({"mark": "point"}, pd.DataFrame({"method": [evil]}))
    picture = Picture("p", "caption", lambda: style.blank(1, 1), chart)
    whole = page.page("t", [Section("A", [picture])], lambda _: "")
    assert evil not in whole and whole.count("<script") == 4
    (text,) = re.findall('<script type="application/json" id="charts">(.*?)</script>', whole)
    assert json.loads(text)["data"][0]["method"]["levels"] == [evil]


def test_charts_of_the_same_data_share_it():
    data = pd.DataFrame({"method": ["a"]})
    text = page.interactive({name: charts.Chart({}, data) for name in ("one", "two")})
    assert json.loads(text.partition(">")[2].partition("</script>")[0]) == {
        "charts": {"one": {"spec": {}, "data": 0}, "two": {"spec": {}, "data": 0}},
        "data": [{"method": {"levels": ["a"], "codes": [0]}}],
    }
