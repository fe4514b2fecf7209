"""The Makefile's targets, as at a terminal."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Variables of `make -n` by which the environment counts as set up, so that nothing looks for a Python.
SET_UP = ["--old-file=requirements.lock", "--old-file=Makefile", "READY=Makefile"]
OUTER = ("MAKEFLAGS", "MAKEOVERRIDES", "PYTHON", "VENV", "ARGS")  # variables of the `make test` that runs us


def run_make(*words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """`make` with these words and variables of the environment, without the options of an outer `make`."""
    environment = {name: value for name, value in os.environ.items() if name not in OUTER} | variables
    return subprocess.run(["make", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
