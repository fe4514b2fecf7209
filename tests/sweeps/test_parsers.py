"""Wrong options are one line and exit code 2 in every program, and no program has argparse's own way of saying so."""

import ast
import sys
from pathlib import Path
from typing import Self

import pytest
from pydantic import model_validator

from suite.errors import UserError
from suite.options import Options
from sweeps import references
from sweeps.bench import inference, training
from sweeps.config import read
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


class Ordered(Options):
    low: int = 2
    most: int = 2**40

    @model_validator(mode="after")
    def check(self) -> Self:
        if self.low > self.most:
            raise ValueError("low should be at most most")
        return self


@pytest.mark.parametrize(("given", "says"), [({"low": 3, "most": 1}, "low should be"), ({}, "most=1099511627776: ")])
def test_a_wrong_value_of_the_users_own_options_is_one_line(given: dict[str, int], says: str) -> None:
    with pytest.raises(UserError, match=f"method mine: .*{says}"):
        read(Ordered, given, "method mine: ")
