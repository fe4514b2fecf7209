"""Which tests a command runs: the fast ones, the long ones, new examples; and with which packages."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import pytest

from tests import fuzz, long
from tests.support.makefile import SET_UP, run_make

ROOT = Path(__file__).resolve().parent.parent
BOTH = "tests/examples/test_tour.py"  # has long and short tests, and imports little


def test_a_file_a_test_and_its_parameters_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long, "LONG", {"a.py": 1, "b.py::test_one": 1, "b.py::test_two[x]": 1})
    assert [long.place_of(test) for test in ("a.py::test_any[1]", "b.py::test_one", "b.py::test_one[x]")] == [0, 1, 1]
    assert long.place_of("b.py::test_two[x]") == 2
    assert [long.place_of(test) for test in ("b.py::test_two[y]", "b.py::test_one_more", "ba.py::test")] == [None] * 3


def collected(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)


def test_the_tiers_share_the_tests_out_between_them() -> None:
    found = {}
    for tier in ("fast", "long", "all"):
        told = collected("--collect-only", f"--tier={tier}", BOTH).stdout
        found[tier] = set(re.findall(rf"^{BOTH}::\S+", told, re.M))
    assert found["long"] == {test for test in long.LONG if test.startswith(BOTH)}
    assert found["fast"] and found["fast"].isdisjoint(found["long"])
    assert found["all"] == found["fast"] | found["long"]


@pytest.mark.parametrize("processes", [[], ["-n", "1"]])
def test_no_test_is_begun_when_the_time_is_over_and_those_left_out_are_named(processes: list[str]) -> None:
    done = collected("--tier=all", "--minutes=0", *processes, BOTH)
    assert done.returncode == 0, done.stdout
    number = len(re.findall(rf"^{BOTH}::test_", done.stdout, re.M))
    assert number > 1 and f"{number} tests were left out" in done.stdout and f"{number} skipped" in done.stdout


def test_examples_are_the_same_each_time() -> None:
    assert hypothesis.settings.get_profile("same").derandomize
    assert not hypothesis.settings.get_profile("new").derandomize


def rounds(monkeypatch: pytest.MonkeyPatch, codes: list[int], *arguments: str) -> tuple[int, list[list[str]]]:
    """-> the exit code, and the commands that were run, of which each ends with the next of these codes."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> SimpleNamespace:
        commands.append(command)
        return SimpleNamespace(returncode=codes[len(commands) - 1])

    monkeypatch.setattr(fuzz.subprocess, "run", run)
    return fuzz.main(arguments), commands


def test_each_round_of_new_examples_has_a_seed_that_is_told(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    code, commands = rounds(monkeypatch, [0, 0, 1], "--minutes=9")
    said = capsys.readouterr()
    seeds = re.findall(r"^seed (\d+):", said.out, re.M)
    assert code == 1 and len(commands) == len(set(seeds)) == 3
    assert all(f"--hypothesis-seed={seed}" in command for seed, command in zip(seeds, commands, strict=True))
    assert all("--hypothesis-profile=new" in command and "hypothesis" in command for command in commands)
    assert f"seed {seeds[2]} found a fault" in said.err


def test_a_seed_runs_its_round_again_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    code, (command,) = rounds(monkeypatch, [0], "--seed=7", "tests/suite")
    assert code == 0 and "--hypothesis-seed=7" in command and command[-1] == "tests/suite"
    assert not any(word.startswith("--minutes") for word in command)


def test_a_python_that_is_named_leaves_the_usual_packages_alone() -> None:
    said = run_make("-n", "test", f"PYTHON={sys.executable}").stdout
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert f"\n.venv-{version}/bin/python -m pytest" in said and "\n.venv/" not in said
    said = run_make("-n", *SET_UP, "test", "VENV=.venv").stdout
    assert re.search(r"^\.venv/bin/python -m pytest", said, re.M)


def test_the_environment_names_no_python_and_may_name_a_scale() -> None:
    said = run_make("-n", *SET_UP, "sweep-offline", PYTHON="no-such-python", SCALE="offline-paper").stdout
    assert ".venv/bin/python -m sweeps.launch sweeps/atari/offline-paper.yaml" in said
    assert "sweeps/atari/offline.yaml" in run_make("-n", *SET_UP, "sweep-offline").stdout
    done = run_make(*SET_UP, "sweep-offline", SCALE="laptop")
    assert done.returncode == 2 and "offline-paper" in done.stderr


def test_every_module_to_import_is_named() -> None:
    said = run_make("-n", *SET_UP, "sweep-atari", IMPORT="a b").stdout
    assert "--import=a --import=b" in said


def test_a_python_that_does_not_run_is_one_line(tmp_path: Path) -> None:
    done = run_make("setup", "PYTHON=no-such-python")
    assert done.returncode == 2 and done.stderr.startswith("error: no-such-python is no Python")
    (tmp_path / "make").symlink_to(str(shutil.which("make")))
    done = run_make("setup", f"VENV={tmp_path}/.venv", PATH=str(tmp_path))
    assert done.returncode == 2 and done.stderr.startswith("error: no Python from 3.11 to 3.13 found")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["table", "FAMILY=none"], "error: no sweep file sweeps/none/laptop.yaml"),
        (["report", "SCALE=none"], "error: no sweep file sweeps/atari/none.yaml"),
        (["table", "FAMILY=atari", "SCALE=paper"], "error: no folder runs/atari-paper: make sweep-atari SCALE=paper"),
    ],
)
def test_a_table_without_runs_says_what_is_missing(words: list[str], says: str) -> None:
    done = run_make(*words, "READY=", "BIN=/nowhere")
    assert done.returncode == 2 and says in done.stderr
