"""SLURM's commands, by small scripts in their place, and a plan for them."""

import os
import stat
from pathlib import Path

import pytest

from sweeps.engines.base import Plan, Work

#: Says what lies in the file of its own name: "<command>.json" where JSON is asked for, "<command>.says" otherwise. It
#: fails without such a file, and with a "<command>.error". It writes down what it was asked.
COMMAND = """#!/bin/sh
cd {folder}
name=$(basename "$0")
echo "$name $*" >> asked
[ -e "$name.error" ] && cat "$name.error" >&2 && exit 1
case "$*" in *--json*) answer=json;; *) answer=says;; esac
[ -e "$name.$answer" ] || {{ echo "no such answer" >&2; exit 1; }}
cat "$name.$answer"
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the commands and of their answers."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sbatch", "srun", "squeue", "scontrol"):
        (folder / name).write_text(COMMAND.format(folder=folder))
        (folder / name).chmod(stat.S_IRWXU)
    (folder / "sbatch.says").write_text("Submitted batch job 7\n")
    (folder / "scontrol.says").touch()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    works = [Work(f"run{i}", [f"--seed={i}"], 100, 1.0) for i in range(5)]
    return Plan("tiny.yaml", tmp_path / "runs", works, 1)
