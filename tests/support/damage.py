"""Content that is damaged or odd, and the one line that may come of it: what tests of input validation share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from suite.errors import UserError

FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def one_line_or_fine(read: Callable[[], Any]) -> Any:
    """What was read, or None after one line."""
    try:
        return read()
    except UserError:  # which makes its message one printable line
        return None


def refused(capsys: pytest.CaptureFixture[str], code: int) -> str:
    """The one line of a program that took no input, as its exit code says."""
    printed = capsys.readouterr()
    assert code == 2, printed
    assert printed.err.startswith("error: ") and printed.err.count("\n") == 1 and printed.err[:-1].isprintable()
    return printed.err


def edit(folder: Path, name: str, old: str, new: str) -> None:
    """Put `new` in the place of `old`, which must be there, in a text file."""
    path = folder / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


#: JSON values that programs stumble over.
ODD = [None, True, -1, 0, 2**31, 2**64, 10**400, 1e308, "", "text", "\n\0\x1b[31m", "é\u2028", [], [[]], {}, {"": None}]
ODD += ["nan", [1, "x"], -0.5, 1e-300]
odd = st.sampled_from(ODD)


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """The paths of all values in a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def replaced(value: Any, path: tuple, new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(copy[path[0]], path[1:], new) if path[1:] else new
    return copy


@st.composite
def mutated(draw: st.DrawFn, value: Any) -> Any:
    """A value of which one or two parts are something odd, or gone."""
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(places(value)))
        value = replaced(value, path, draw(odd))
    return value


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """Cut anywhere, one bit turned, bytes put in, or something else altogether."""
    index = st.integers(0, max(len(content) - 1, 0))
    turned = st.builds(
        lambda at, bit: content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :], index, st.integers(0, 7)
    )
    put_in = st.builds(lambda at, more: content[:at] + more + content[at:], index, st.binary(max_size=6))
    deep = st.sampled_from([b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5_000, b"NaN", b"\xff\xfe", b"\0"])
    return st.one_of(index.map(lambda at: content[:at]), turned, put_in, st.binary(max_size=40), deep)


BOMB = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}]\n" for a, b in zip("abcdefghijklmn", "bcdefghijklmno", strict=True)
)
YAML = [
    BOMB + "parameters: {seed: {values: *o}, task: {value: *o}, method: {value: *o}}",
    BOMB + "parameters: {*o : {value: 1}}",
    "parameters: &p {seed: *p}",
    "parameters: {seed: {values: [2024-01-01]}}",
    "parameters: {seed: {value: 2024-99-99}}",
    "parameters: {seed: {value: !!timestamp x}}",
    "parameters: {seed: {value: !!int ''}}",
    "parameters: {seed: {value: !!bool x}}",
    "parameters: {seed: {value: " + "9" * 5000 + "}}",
    "parameters: {seed: {value: 0}, seed: {value: 1}}",
    "parameters: {seed: {values: [[[0]]]}, task: {value: {}}, method: {value: !!binary aaaa}}",
    "parameters: {? [a] : {value: 0}}",
    "parameters: {seed: {value: .inf}, task: {value: .nan}, method: {value: ~}}",
    "parameters: " + "[" * 2_000,
    "parameters: " + "{a: " * 2_000,
    "parameters: {<<: {seed: {value: 0}}, task: {value: a/../b}, method: {value: 'gmp:,:=,'}}",
    "x" * (2**20 + 1),
    "=",
    "\ud800",
    "seed: !!python/object/apply:os.system [ls]",
]
