"""Checks a change in under a minute: `make check` runs format, lint, types, and the tests that the change affects.

A test file is affected if it is changed, or imports a changed file, directly or through other files. The nearest ones
run first. No test begins when the time is over; `make test` runs all.
"""

import argparse
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.support.affected import ROOT, affected_tests, changed_files

CHECKS = (("ruff", "format", "--check", "."), ("ruff", "check", "."), ("mypy",))
PYTEST = ("pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "--tier", "fast")
SECONDS = 45.0  # in which tests begin
MOST_FILES = 12  # of tests: pytest imports all of them before it begins the first
NO_TESTS = 5  # pytest's exit code


def run(arguments: Sequence[str]) -> int:
    """Print a command, run it from the root, and return its exit code."""
    print(f"$ {shlex.join(arguments)}", flush=True)
    return subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, check=False).returncode


def main(arguments: Sequence[str] | None = None) -> int:
    began = time.monotonic()
    parser = argparse.ArgumentParser(prog="python -m tests.check", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--base", help="the commit or branch that the change is compared with [main]")
    options = parser.parse_args(arguments)
    try:
        changed = changed_files(options.base)
    except LookupError as error:
        print(f"error: --base: {error}", file=sys.stderr)
        return 2
    failed = [command[:2] for command in CHECKS if run(command)]
    tests = affected_tests(changed)
    nearest = f"; the {MOST_FILES} nearest run" if len(tests) > MOST_FILES else ""
    print(f"changed files: {len(changed)}; files of tests that they affect: {len(tests)}{nearest}", flush=True)
    if tests:
        minutes = max(SECONDS - (time.monotonic() - began), 10) / 60
        if run([*PYTEST, f"--minutes={minutes:.2f}", *tests[:MOST_FILES]]) not in (0, NO_TESTS):
            failed.append(PYTEST[:1])
    for command in failed:
        print(f"failed: {shlex.join(command)}", file=sys.stderr)
    print(f"{time.monotonic() - began:.0f} s; make test runs all tests")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
