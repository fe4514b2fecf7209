"""Plain lines everywhere but on a terminal that can show more, seen from outside the process."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
#: A grid of one run that fails at once, then its table, then a run's own progress.
SHOW = """
import sys
from pathlib import Path
from sweeps import status
from sweeps.engines import local
from sweeps.engines.base import Work
from sweeps.engines.cellstate import read_states
works = [Work("the-run", [], 100, 1.0)]
local.run(works, Path(sys.argv[1]), 1, tries=1, command=[sys.executable, "-c", ""])
status.show(read_states(works, Path(sys.argv[1])))
"""
LIVE = """
import sys
from suite import device
from suite.tracking.tracker import Tracker
device.kind = lambda: "cpu"
tracker = Tracker(__import__("pathlib").Path(sys.argv[1]), {"name": "a"}, 1, 100, "disabled")
with tracker:
    print("a line")
"""
PIPES = [{"FORCE_COLOR": "1"}, {"FORCE_COLOR": "3", "TERM": "xterm-256color"}, {"TTY_COMPATIBLE": "1"}]
PIPES += [{"TTY_INTERACTIVE": "1", "CLICOLOR_FORCE": "1"}]
TERMINALS = [{"TERM": "dumb"}, {"TERM": "dumb", "FORCE_COLOR": "1"}, {"TERM": "unknown"}, {"TERM": ""}]


def surroundings(variables: dict[str, str]) -> dict[str, str]:
    known = ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "TERM", "COLORTERM", "COLUMNS")
    return {name: value for name, value in os.environ.items() if name not in known} | variables


def through_a_pipe(code: str, folder: Path, variables: dict[str, str]) -> str:
    command = [sys.executable, "-c", code, str(folder)]
    return subprocess.run(
        command, cwd=ROOT, env=surroundings(variables), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ).stdout


def on_a_terminal(code: str, folder: Path, variables: dict[str, str]) -> str:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", code, str(folder)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=surroundings(variables), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    said = b""
    try:
        while block := os.read(ours, 4096):
            said += block
    except OSError:  # EIO: nobody has the other end any more
        pass
    process.wait()
    os.close(ours)
    return said.decode()


@pytest.mark.parametrize("variables", PIPES, ids=str)
def test_a_pipe_gets_plain_lines_whatever_is_forced(tmp_path: Path, variables: dict[str, str]) -> None:
    said = through_a_pipe(SHOW, tmp_path, variables)
    assert "\x1b" not in said and "\r" not in said
    assert "FAILED the-run" in said and said.count("the-run") >= 2


@pytest.mark.parametrize("variables", TERMINALS, ids=str)
def test_a_terminal_that_can_do_no_more_gets_plain_lines(tmp_path: Path, variables: dict[str, str]) -> None:
    said = on_a_terminal(SHOW, tmp_path, variables)
    assert "\x1b" not in said and "FAILED the-run" in said


def test_a_real_terminal_gets_colours_and_a_table_that_is_redrawn(tmp_path: Path) -> None:
    said = on_a_terminal(SHOW, tmp_path, {"TERM": "xterm-256color"})
    assert "\x1b[" in said and "FAILED the-run" in said


@pytest.mark.parametrize(("term", "live"), [("dumb", False), ("xterm", True)])
def test_a_runs_own_progress(tmp_path: Path, term: str, live: bool) -> None:
    said = on_a_terminal(LIVE, tmp_path, {"TERM": term})
    assert "a line" in said
    assert ("\x1b" in said) == live


def test_a_runs_progress_does_not_go_into_its_output(tmp_path: Path) -> None:
    """Standard output in a file, standard error on the terminal."""
    code = LIVE.replace("import sys\n", f"import os, sys\nos.dup2(os.open({str(tmp_path / 'out')!r}, 65), 1)\n", 1)
    said = on_a_terminal(code, tmp_path / "run", {"TERM": "xterm"})
    assert "agent steps" in said
    assert (tmp_path / "out").read_text() == "a line\n"
