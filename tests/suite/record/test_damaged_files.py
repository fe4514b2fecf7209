"""Whatever a file of a record holds, it is read, or one line names the file and the field; nothing crashes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.errors import UserError
from suite.publish.upload import IDENTITY, identity_of
from suite.record import lock, models, reader, schema
from tests.support import checkpoints as states
from tests.support.damage import FUZZ, damaged, one_line_or_fine, places, replaced

FINISHED = Path(__file__).parents[2] / "data/version-0.1/finished/eaudeqn"
READERS: dict[str, Callable[[Path], Any]] = {
    schema.CONFIG: reader.config,
    schema.PROGRESS: reader.progress,
    schema.STATUS: reader.status,
    schema.COSTS: reader.costs,
    schema.POLICY_CARD: reader.policy_card,
}
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def changed(data: st.DataObject, value: Any) -> Any:
    """A JSON value with any JSON value in any of its places."""
    return replaced(value, data.draw(st.sampled_from(places(value))), data.draw(anything))


def read(folder: Path, name: str) -> Any:
    """One file of a record; a refusal names it."""
    try:
        return READERS[name](folder)
    except UserError as error:
        assert str(error).startswith(f"{folder / name}: ")
        raise


@settings(FUZZ, max_examples=200)
@given(st.data(), st.sampled_from(list(READERS)))
def test_any_value_in_any_field_is_read_or_one_line(tmp_path_factory, data: st.DataObject, name: str) -> None:
    folder = tmp_path_factory.mktemp("run")
    (folder / name).write_text(json.dumps(changed(data, json.loads((FINISHED / name).read_text()))))
    one_line_or_fine(lambda: read(folder, name))


@FUZZ
@given(st.data(), st.sampled_from(list(READERS)))
def test_damaged_bytes_are_read_or_one_line(tmp_path_factory, data: st.DataObject, name: str) -> None:
    folder = tmp_path_factory.mktemp("run")
    (folder / name).write_bytes(data.draw(damaged((FINISHED / name).read_bytes())))
    one_line_or_fine(lambda: read(folder, name))


FIELDS = [
    (schema.CONFIG, ("schema",), 3, "schema: version 3"),
    (schema.CONFIG, ("task",), 3, "task: "),
    (schema.CONFIG, ("seed",), True, "seed: "),
    (schema.CONFIG, ("seed",), 2**63, "seed: "),
    (schema.CONFIG, ("options", "agent"), [], "options.agent: "),
    (schema.CONFIG, ("versions", "jax"), 1, "versions.jax: "),
    (schema.PROGRESS, ("rate",), "fast", "rate: "),
    (schema.PROGRESS, ("return",), [], "return: "),
    (schema.STATUS, ("status",), "done", "status: "),
    (schema.STATUS, ("error",), {}, "error: "),
    (schema.STATUS, ("files", schema.CONFIG), None, f"files.{schema.CONFIG}: "),
    (schema.STATUS, ("files", schema.CONFIG, "bytes"), "many", f"files.{schema.CONFIG}.bytes: "),
    (schema.STATUS, ("files", schema.CONFIG, "bytes"), -1, f"files.{schema.CONFIG}: "),
    (schema.COSTS, ("policy", "bytes", "dense"), "4", "policy.bytes.dense: "),
    (schema.COSTS, ("training", "ideal"), 10**400, "training.ideal: "),
    (schema.COSTS, ("latency",), {"ways": {"jax": {"median": True}}}, "latency.ways.jax.median: "),
    (schema.POLICY_CARD, ("network", "layers", 0, "relu"), 1, "network.layers.0.relu: "),
    (schema.POLICY_CARD, ("network", "action", "kind"), "guess", "network.action.kind: "),
]


@pytest.mark.parametrize(("name", "path", "value", "said"), FIELDS)
def test_the_field_that_is_wrong_is_named(tmp_path: Path, name: str, path: tuple, value: Any, said: str) -> None:
    (tmp_path / name).write_text(json.dumps(replaced(json.loads((FINISHED / name).read_text()), path, value)))
    with pytest.raises(UserError) as caught:
        READERS[name](tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / name}: {said}")


@pytest.mark.parametrize("name", [schema.CONFIG, schema.STATUS, schema.PROGRESS])
def test_a_missing_field_is_named(tmp_path: Path, name: str) -> None:
    content = json.loads((FINISHED / name).read_text())
    field = {schema.CONFIG: "options", schema.STATUS: "status", schema.PROGRESS: "time"}[name]
    del content[field]
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(UserError, match=f"{name}: {field}: Field required"):
        READERS[name](tmp_path)


def test_a_field_of_a_later_version_is_kept(tmp_path: Path) -> None:
    content = json.loads((FINISHED / schema.STATUS).read_text()) | {"energy": {"kWh": 1}}
    (tmp_path / schema.STATUS).write_text(json.dumps(content))
    assert models.as_json(models.read(models.Status, tmp_path / schema.STATUS)) == content


# Rows ----------


@settings(FUZZ, max_examples=200)
@given(st.data())
def test_any_value_in_any_column_is_read_or_one_line(tmp_path_factory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("run") / schema.METRICS
    lines = (FINISHED / schema.METRICS).read_text().splitlines()[:24]
    number = data.draw(st.integers(0, len(lines) - 1))
    lines[number] = json.dumps(changed(data, json.loads(lines[number])))
    path.write_text("\n".join(lines) + "\n")
    try:
        assert len(schema.read_rows(path)) == len(lines)
    except UserError as error:
        assert str(error).startswith(f"{path}:{number + 1}: ")


COLUMNS = [
    ("epoch", "return", "high"),
    ("epoch", "sparsity", 1.5),
    ("epoch", "layer_sparsity", {"Dense_0/kernel": "half"}),
    ("epoch", "epoch", -1),
    ("epoch", "agent_step", 1.5),
    ("target_update", "losses", [1.0, "x"]),
    ("target_update", "sparsities", 0.5),
    ("target_update", "elected", -2),
    ("target_update", "reset", [1]),
    ("evaluation", "return", True),
    ("weights", "layers", {"Dense_0/kernel": {"low": 0.0, "high": 1.0}}),
]


@pytest.mark.parametrize(("kind", "column", "value"), COLUMNS)
def test_the_column_that_is_wrong_is_named(tmp_path: Path, kind: str, column: str, value: Any) -> None:
    row = next(row for row in schema.read_rows(FINISHED / schema.METRICS) if row["kind"] == kind)
    path = tmp_path / schema.METRICS
    for content, said in (({**row, column: value}, f"{kind}: '{column}' should be"), (row, "")):
        path.write_text(json.dumps(content) + "\n")
        if said:
            with pytest.raises(UserError, match=f"{schema.METRICS}:1: {said}"):
                schema.read_rows(path)
    assert schema.read_rows(path) == [row]


def test_a_row_without_a_column_is_named(tmp_path: Path) -> None:
    row = next(row for row in schema.read_rows(FINISHED / schema.METRICS) if row["kind"] == "epoch")
    del row["sparsity"]
    (tmp_path / schema.METRICS).write_text(json.dumps(row) + "\n")
    with pytest.raises(UserError, match="epoch without 'sparsity'"):
        schema.read_rows(tmp_path / schema.METRICS)


# Locks, identities and manifests ----------

HOLDER = {"host": "here", "boot": "b", "processes": "p", "pid": 3, "since": "today"}
KNOWN = {"id": "a1", "project": "mine", "entity": "me", "url": "https://wandb.test"}


@FUZZ
@given(st.data())
def test_any_lock_is_held_or_free(tmp_path_factory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("run")
    (folder / schema.LOCK).write_text(json.dumps(changed(data, HOLDER)))
    said = lock.holder(folder)
    assert said is None or said.startswith(("process ", "another process"))


@FUZZ
@given(st.data())
def test_any_identity_is_known_or_a_new_one(tmp_path_factory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("run") / IDENTITY
    path.write_text(json.dumps(changed(data, KNOWN)))
    with path.open() as file:
        assert isinstance(identity_of(file, "run").id, str)


@pytest.mark.parametrize(
    ("content", "known"), [(KNOWN, True), ({**KNOWN, "entity": None}, True), ({**KNOWN, "id": 3}, False)]
)
def test_an_identity_is_believed_if_it_is_whole(tmp_path: Path, content: dict[str, Any], known: bool) -> None:
    path = tmp_path / IDENTITY
    path.write_text(json.dumps(content))
    with path.open() as file:
        assert (identity_of(file, "run").id == "a1") == known


@settings(FUZZ, max_examples=100)
@given(st.data())
def test_any_manifest_with_a_right_checksum_is_used_or_logged(tmp_path_factory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("run")
    shutil.rmtree(folder)
    states.store(folder).save(states.state_of(1))
    manifest = folder / "checkpoints" / "00001.json"
    content = json.loads(manifest.read_text())
    del content["sha256"]
    field = data.draw(st.sampled_from(list(content)))
    states.forge(manifest, **{field: changed(data, content[field])})
    newest = states.store(folder).newest()
    assert newest is None or (isinstance(newest.state, dict) and newest.metrics_bytes == 0)
