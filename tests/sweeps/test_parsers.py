"""Wrong options are one line and exit code 2 in every program, and no program has argparse's own way of saying so."""

import ast
import sys
from pathlib import Path

import pytest

from sweeps import references
from sweeps.bench import inference, training
from sweeps.estimate import measure
from sweeps.export import latency
from tests.support.damage import refused

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for package in ("suite", "sweeps", "analysis") for path in (ROOT / package).rglob("*.py")]


@pytest.mark.parametrize(
    ("program", "arguments", "word"),
    [
        (training, ["--repetitions", "many"], "--repetitions"),
        (training, ["--repetitions", "0"], "--repetitions"),
        (training, ["--nonsense"], "--nonsense"),
        (inference, ["--calls", "-1"], "--calls"),
        (inference, ["--calls", "0"], "--calls"),
        (inference, ["there"], "there"),
        (latency, ["there"], "CALLS"),
        (latency, ["there", "few"], "CALLS"),
        (measure, ["--task=atari/Pong", "fast"], "fast"),
        (references, ["--nonsense"], "--nonsense"),
        (references, [], "family"),
    ],
)
def test_a_wrong_option_is_one_line(program, arguments: list[str], word: str, capsys) -> None:
    assert word in refused(capsys, program.main(arguments))


def test_arguments_of_the_command_line_are_taken_where_none_are_given(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["program", "--nonsense"])
    assert "--nonsense" in refused(capsys, references.main())


def test_no_other_parser_is_made() -> None:
    made = [
        path.name
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("ArgumentParser")
    ]
    assert made == []
