"""Whether a shell command that a page shows would be understood: it is parsed by what it calls, and not run."""

import argparse
import importlib
import re
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from suite.errors import UserError
from sweeps import run
from sweeps.commands import COMMANDS
from tests.support.makefile import SET_UP, run_make

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
PYTHON = r"(?:\S*/)?python[0-9.]*"
#: Programs that are not ours to check.
ELSEWHERE = ("cd", "git", "gsutil", "ssh", "rsync", "sbatch", "squeue", "scancel", "sinfo", "export", "source", "mkdir")

READERS = ("halving.py", "sweeps/atari/mine.yaml", "sweeps/mujoco/mine.yaml")  # files that a reader is told to write


class Understood(BaseException):
    """Ends a program behind its parser."""


def check(line: str) -> None:
    """Raises AssertionError, with what is wrong, for a command that would be refused."""
    words = shlex.split(line, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words = words[1:]
    if not words or words[0] in ELSEWHERE:
        return
    program = Path(words[0]).name
    if program == "make":
        make(words[1:])
    elif re.fullmatch(PYTHON, words[0]) and words[1] == "-m":
        module(words[2], words[3:])
    elif program == "eaudeqn":
        module(COMMANDS[words[1]][0], words[2:])
    elif program == "wandb":
        wandb(words[1:])
    else:
        raise AssertionError(f"{line}: nothing here knows how to check {program}")


def commands(text: str) -> Iterator[str]:
    """The commands of a block; a line that ends in a backslash goes on."""
    yield from filter(None, (line.strip() for line in text.replace("\\\n", " ").splitlines()))


def make(words: list[str]) -> None:
    """The targets and variables are the Makefile's, and what they would run is understood too."""
    for word in words:
        name, equals, _ = word.partition("=")
        assert not equals or f"$({name})" in MAKEFILE or f"$(if $({name})" in MAKEFILE, f"make has no variable {name}"
    ran = run_make("-n", *SET_UP, "BIN=.venv/bin", *words)
    assert ran.returncode == 0, f"make {' '.join(words)}: {ran.stderr}"
    for command in re.findall(
        rf"({PYTHON} -m (?:sweeps|analysis|tests)\..*?)(?: && |; }}|$)", ran.stdout, re.MULTILINE
    ):
        check(command)


def module(name: str, words: list[str]) -> None:
    """Of this project: its own parser takes the words, and the sweep files among them are there."""
    if name.partition(".")[0] not in ("suite", "sweeps", "analysis", "examples", "tests"):
        return
    for word in words:
        if re.fullmatch(r"sweeps/\w+/\S+\.yaml", word):
            assert word in READERS or (ROOT / word).exists(), f"there is no {word}"
    if name == "sweeps.run":
        one_run(words)
        return
    parse = argparse.ArgumentParser.parse_args

    def parse_only(*given: Any, **more: Any) -> None:
        parse(*given, **more)
        raise Understood

    with (
        patch("argparse.ArgumentParser.parse_args", parse_only),
        patch("sys.argv", [name, *words]),
        patch("suite.program.command._lasting", lambda stream: stream),  # the streams are pytest's
    ):
        understood(f"{name} {shlex.join(words)}", lambda: runpy.run_module(name, run_name="__main__"))


def one_run(words: list[str]) -> None:
    """Its options are resolved too: their values are in their bounds, and fit each other. No device has to be there."""
    with (
        patch("sweeps.execute.execute", side_effect=Understood),
        patch("sweeps.execute.recorded.read", side_effect=Understood),  # no such run has to be there
        patch("sweeps.execute.reader.is_finished", return_value=False),
        patch("sweeps.execute.device.choose"),
    ):
        understood(f"sweeps.run {shlex.join(words)}", lambda: run.main(words))


def understood(what: str, call: Any) -> None:
    try:
        code = call()
    except Understood:
        return
    except SystemExit as error:
        code = error.code
    except UserError as error:
        raise AssertionError(f"{what}: {error}") from None
    assert code == 0, f"{what}: exit code {code}"  # as after --help


def wandb(words: list[str]) -> None:
    """W&B's own command line has this command."""
    cli: Any = importlib.import_module("wandb.cli.cli").cli
    assert words[0] in cli.commands, f"wandb {words[0]}: no such command"
