"""Sweep files, and what they call an option."""

import pytest

from analysis.data import sweepfile
from suite.errors import UserError


@pytest.mark.parametrize(
    ("recorded", "asked", "equal"),
    [
        (1e-4, "1e-4", True),
        (32, "32", True),
        (True, "true", True),
        (True, "yes", True),
        (False, "Off", True),
        (False, "0", True),
        (True, "no", False),
        (True, "small", False),
        (None, "none", True),
        ("small", "Small", True),
        ([1, 2], [1, 2], True),
        (32, 33, False),
        (None, 0, False),
        ("small", "nature", False),
        ([1], [2], False),
    ],
)
def test_same(recorded, asked, equal):
    assert sweepfile.same(recorded, asked) is equal


def test_labels_use_the_short_name_when_it_is_unambiguous():
    assert sweepfile.label("gmp", {"agent.width": 32}) == "gmp, width=32"
    assert sweepfile.label("gmp", {"agent.rate": 1, "learner.rate": 2}) == "gmp, agent.rate=1, learner.rate=2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parameters: [1", "not a YAML file"),
        ("a: 1", "no `parameters`"),
        ("parameters: {seed: {min: 0, max: 3}}", "parameter seed: a grid needs"),
        ("parameters: {task: {value: a}, seed: {value: 0}}", "should name the methods"),
        ("parameters: {task: {value: a}, method: {value: b}, seed: {value: x}}", "whole numbers"),
    ],
)
def test_a_sweep_file_that_is_none(tmp_path, text, message):
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        sweepfile.read_sweep(path)
