"""The record's rows as they are read back."""

import pytest

from suite import records
from suite.errors import UserError

CLOCKS = {"agent_step": 4, "frame": 16, "gradient_step": 1}


def update(step):
    values = {"losses": [1.0], "sparsities_before": [0.0], "elected": 0, "sparsities": [0.0], "reset": [False]}
    return records.row("target_update", {**CLOCKS, "agent_step": step}, **values, actor_sparsity=None)


EVALUATION = records.row("evaluation", CLOCKS, **{"epoch": 1, "return": 2.0, "episodes": 1, "episode_returns": [2.0]})


@pytest.fixture
def path(tmp_path):
    path = tmp_path / records.METRICS
    for row in (update(1), EVALUATION, update(2)):
        records.append(path, row)
    return path


def test_kinds_are_told_apart(path):
    assert records.read_rows(path) == [update(1), EVALUATION, update(2)]
    assert records.read_rows(path, ("evaluation",)) == [EVALUATION]
    assert records.read_rows(path, ("target_update", "epoch")) == [update(1), update(2)]


@pytest.mark.parametrize("line", ['{"kind": "evaluation", "epo', '{"kind": "other"}', "[]", ""])
def test_a_damaged_line_is_named_by_its_number(path, line):
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(UserError, match=f"{path.name}:4: not a row of a record"):
        records.read_rows(path, ("evaluation",))


@pytest.fixture
def finished(tmp_path):
    for name in (records.CONFIG, records.METRICS, records.POLICY, records.POLICY_CARD):
        (tmp_path / name).write_text("what was written")
    records.write_json(tmp_path / records.STATUS, {"status": "finished", "files": records.fingerprints(tmp_path)})
    assert records.is_finished(tmp_path)
    return tmp_path


def test_a_file_is_not_read_that_is_larger_than_any(path):
    """Of a terabyte, which takes no place on the disk."""
    with path.open("ab") as file:
        file.truncate(2**40)
    for read in (records.read_json, records.read_rows):
        with pytest.raises(UserError, match="too large"):
            read(path)


@pytest.mark.parametrize("name", [records.CONFIG, records.METRICS, records.POLICY, records.POLICY_CARD])
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
    assert not records.is_finished(finished)
