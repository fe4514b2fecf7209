"""Wrong options are one line and exit code 2 in every program, and no program has argparse's own way of saying so."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from suite.errors import UserError
from sweeps import references
from sweeps.bench import inference, training

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path for package in ("suite", "sweeps", "analysis") for path in (ROOT / package).rglob("*.py")]


@pytest.mark.parametrize(
    ("program", "arguments", "word"),
    [
        (training, ["--repetitions", "many"], "--repetitions"),
        (training, ["--repetitions", "0"], "--repetitions"),
        (training, ["--nonsense"], "--nonsense"),
        (inference, ["--calls", "-1"], "--calls"),
        (inference, ["there"], "there"),
    ],
)
def test_a_wrong_option_is_one_line(program, arguments: list[str], word: str, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["program", *arguments])
    with pytest.raises(UserError, match=word):
        program.main()


def test_where_arguments_are_given(monkeypatch) -> None:
    with pytest.raises(UserError, match="--nonsense"):
        references.main(["--nonsense"])


def test_it_is_printed_so() -> None:
    command = [sys.executable, "-m", "sweeps.bench.inference", "--calls", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_no_other_parser_is_made() -> None:
    made = [
        path.name
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("ArgumentParser")
    ]
    assert made == []
