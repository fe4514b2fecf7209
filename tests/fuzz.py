"""Runs all property tests on new examples, round after round until the time is over: `make fuzz ARGS="--minutes 2"`.

Each round has a seed, which is printed. With `--seed` its round is run again.
"""

import argparse
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NO_TESTS = 5  # pytest's exit code


def properties() -> list[str]:
    """The files that have property tests."""
    return sorted(str(file) for file in ROOT.glob("tests/**/test_*.py") if "\n@given(" in file.read_text())


def command(seed: int, minutes: float | None, tests: Sequence[str]) -> list[str]:
    """One round. Without `minutes` it runs to its end."""
    limit = [] if minutes is None else [f"--minutes={minutes:.2f}"]
    profile = ["--hypothesis-profile=new", f"--hypothesis-seed={seed}"]
    return [sys.executable, "-m", "pytest", "-m", "hypothesis", "-n", "2", *profile, *limit, *(tests or properties())]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=10, help="begin no test after these minutes [10]")
    parser.add_argument("--seed", type=int, help="run only the round with this seed, to its end")
    parser.add_argument("tests", nargs="*", help="files or tests [all]")
    options = parser.parse_args(arguments)
    deadline = time.monotonic() + 60 * options.minutes
    left = options.minutes
    while left > 0:
        seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
        print(f"seed {seed}: python -m tests.fuzz --seed {seed} runs this round again", flush=True)
        limit = left if options.seed is None else None
        code = subprocess.run(command(seed, limit, options.tests), cwd=ROOT, check=False).returncode
        if code:
            print(f"seed {seed} found a fault" if code != NO_TESTS else "no such property tests", file=sys.stderr)
        if code or options.seed is not None:
            return code
        left = (deadline - time.monotonic()) / 60
    return 0


if __name__ == "__main__":
    sys.exit(main())
