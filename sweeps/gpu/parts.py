"""The parts of the check, in order, and a process that measures one of them:

python -m sweeps.gpu.parts <part> <size> <file with the parts before> <file for rows, appended to> <scratch folder>
"""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from suite.program import signals
from suite.program.command import start
from sweeps.gpu import agreement, card, grids, loops, resuming, sharing, steps
from sweeps.gpu.sizes import SIZES, Measured, Row, Size

Measure = Callable[[Size, Path, Measured], Iterator[Row]]
MEASURES: dict[str, Measure] = {
    "card": card.measure,
    "agreement": agreement.measure,
    "resuming": resuming.measure,
    "steps": steps.measure,
    "loops": loops.measure,
    "sharing": sharing.measure,
    "grids": grids.measure,
}


def main() -> int:
    signals.install(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what it started is ended too
    part, size, before, out, scratch = sys.argv[1:]
    measured = json.loads(Path(before).read_text(encoding="utf-8"))
    with Path(out).open("a", encoding="utf-8") as file:
        for row in MEASURES[part](SIZES[size], Path(scratch), measured):
            print(json.dumps(row), file=file, flush=True)
    return 0


if __name__ == "__main__":
    start(main)
