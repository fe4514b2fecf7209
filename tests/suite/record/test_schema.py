"""The record's rows as they are read back."""

import json

import pytest

from suite.errors import UserError
from suite.record import reader, schema
from suite.record.models import Status, as_json

CLOCKS = {"agent_step": 4, "frame": 16, "gradient_step": 1}


def update(step):
    values = {"losses": [1.0], "sparsities_before": [0.0], "elected": 0, "sparsities": [0.0], "reset": [False]}
    return schema.row("target_update", {**CLOCKS, "agent_step": step}, **values, actor_sparsity=None)


EVALUATION = schema.row("evaluation", CLOCKS, **{"epoch": 1, "return": 2.0, "episodes": 1, "episode_returns": [2.0]})


@pytest.fixture
def path(tmp_path):
    path = tmp_path / schema.METRICS
    with path.open("a") as file:
        for row in (update(1), EVALUATION, update(2)):
            schema.append(file, row)
    return path


def test_kinds_are_told_apart(path):
    assert schema.read_rows(path) == [update(1), EVALUATION, update(2)]
    assert schema.read_rows(path, ("evaluation",)) == [EVALUATION]
    assert schema.read_rows(path, ("target_update", "epoch")) == [update(1), update(2)]


NO_JSON = [json.dumps(EVALUATION).replace("2.0", value) for value in ("NaN", "Infinity", "-Infinity", 9**6 * "[")]


@pytest.mark.parametrize(
    "line", ['{"kind": "evaluation", "epo', '{"kind": "other"}', "[]", "", *NO_JSON], ids=lambda line: line[:40]
)
def test_a_damaged_line_is_named_by_its_number(path, line):
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UserError, match=f"{path.name}:4: not a row of a record"):
        schema.read_rows(path, ("evaluation",))


@pytest.mark.parametrize("value", ["1e999", f"{10**400}", "true"])
def test_a_number_that_is_none_is_named_by_its_line_and_column(path, value):
    path.write_text(path.read_text().replace('"return": 2.0', f'"return": {value}'))
    with pytest.raises(UserError, match=f"{path.name}:2: evaluation: 'return' should be a number"):
        schema.read_rows(path)


@pytest.fixture
def finished(tmp_path):
    for name in (schema.CONFIG, schema.METRICS, schema.POLICY, schema.POLICY_CARD):
        (tmp_path / name).write_text("what was written")
    status = Status(status="finished", files=reader.fingerprints(tmp_path))
    schema.write_json(tmp_path / schema.STATUS, as_json(status))
    assert reader.is_finished(tmp_path)
    return tmp_path


def test_a_file_is_not_read_that_is_larger_than_any(path):
    """Of a terabyte, which takes no place on the disk."""
    with path.open("ab") as file:
        file.truncate(2**40)
    for read in (schema.read_json, schema.read_rows):
        with pytest.raises(UserError, match="too large"):
            read(path)


@pytest.mark.parametrize("name", [schema.CONFIG, schema.METRICS, schema.POLICY, schema.POLICY_CARD])
@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_text(path.read_text()[:-1]),
        lambda path: path.write_text(path.read_text() + "and more"),
        lambda path: path.write_text(path.read_text().swapcase()),
        lambda path: path.write_text(""),
    ],
)
def test_a_record_that_is_not_complete_is_not_finished(finished, name, harm):
    harm(finished / name)
    assert not reader.is_finished(finished)
