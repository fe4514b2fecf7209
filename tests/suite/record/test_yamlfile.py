"""YAML that people write: plain values, without duplicate keys and tags."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suite.errors import UserError
from suite.record import yamlfile
from tests.support.damage import FUZZ, YAML, one_line_or_fine


def read(folder: Path, text: str) -> Any:
    path = folder / "file.yaml"
    path.write_text(text)
    return yamlfile.read(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1\nb: [x, 2.5, true, null]", {"a": 1, "b": ["x", 2.5, True, None]}),
        ("a: {x: 1}\nb: {x: 2}", {"a": {"x": 1}, "b": {"x": 2}}),  # the same key in two mappings
        ("1: a\n'1': b", {1: "a", "1": "b"}),  # a number and a text are two keys
        ("base: &b {x: 1, y: 2}\nmine: {<<: *b, x: 3}", {"base": {"x": 1, "y": 2}, "mine": {"x": 3, "y": 2}}),
        (
            "base: &b {x: 1}\nmid: &m {<<: *b, x: 2}\nend: {<<: *m}",
            {"base": {"x": 1}, "mid": {"x": 2}, "end": {"x": 2}},
        ),
        ("", None),
    ],
)
def test_plain_values_are_read(tmp_path: Path, text: str, value: Any) -> None:
    assert read(tmp_path, text) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\na: 2", "duplicate key 'a'"),
        ("a: {b: {c: 1, d: 2, c: 3}}", "duplicate key 'c'"),
        ("a: 1\n'a': 2", "duplicate key 'a'"),
        ("- {x: 1, x: 1}", "duplicate key 'x'"),
        ("a: !!timestamp x", "tag"),
        ("a: !!int ''", "tag"),
        ("a: !!python/object/apply:os.system [ls]", "tag"),
        ("a: !mine {b: 1}", "tag"),
        ("? [a]\n: 1", "unhashable"),
        ("a: 2024-99-99", "month"),
        ("a: [", "expected"),
    ],
)
def test_anything_else_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=r"file\.yaml: not a YAML file") as caught:
        read(tmp_path, text)
    assert said in str(caught.value)


@FUZZ
@given(st.sampled_from(YAML), st.integers(0, 200), st.text(alphabet="{}[]&*!:-?'\"|>%@ \nab1", max_size=4))
def test_any_text_is_read_or_one_line(tmp_path_factory, text: str, at: int, more: str) -> None:
    path = tmp_path_factory.mktemp("yaml") / "file.yaml"
    path.write_bytes((text[:at] + more + text[at:]).encode("utf-8", "surrogatepass"))
    one_line_or_fine(lambda: yamlfile.read(path))
