"""The program that measures one part of the check:

python -m sweeps.gpu.parts <part> <size> <file with the parts before> <file for rows, appended to> <scratch folder>
"""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from pkgutil import resolve_name

from suite.program import signals
from suite.program.command import start
from sweeps.gpu.sizes import SIZES, Measured, Row, Size


def main() -> int:
    """Measure a part, and append each row to the file as soon as it is measured."""
    signals.install(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what it started is ended too
    part, size, before, out, scratch = sys.argv[1:]
    measure: Callable[[Size, Path, Measured], Iterator[Row]] = resolve_name(f"sweeps.gpu.{part}:measure")
    measured = json.loads(Path(before).read_text(encoding="utf-8"))
    with Path(out).open("a", encoding="utf-8") as file:
        for row in measure(SIZES[size], Path(scratch), measured):
            print(json.dumps(row), file=file, flush=True)
    return 0


if __name__ == "__main__":
    start(main)
