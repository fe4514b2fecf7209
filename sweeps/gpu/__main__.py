"""`python -m sweeps.gpu`: measure the parts one after the other, each in its own process and with its own time limit.

The files in results/gpu are written again with each new row, so a check that is cut off leaves what it has measured.
Time that a part does not use goes to the later parts. This process computes nothing, so the parts have all of the
card's memory.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from suite.errors import Parser, expanded, whole_number
from suite.program import signals
from suite.program.command import program, start
from sweeps.engines import workers
from sweeps.gpu.report import FOLDER, Part, Report
from sweeps.gpu.sizes import FULL, TINY, Row, Size

PARTS = (
    Part("card", "Card, driver and versions", 0.06),
    Part("agreement", "Agreement with the CPU: gradient steps from the same batches", 0.20),
    Part("resuming", "An interrupted and resumed run against one that was not", 0.20),
    Part("steps", "Gradient step", 0.22),
    Part("loops", "Whole runs, and the time of each phase", 0.12),
    Part("sharing", "Several runs at once: EauDeQN on DQN", 0.19),
    Part("grids", "The paper's grids", 0.01),
)
POLL = 0.1  # seconds between two looks at what a part has measured
GRACE = 10.0  # seconds between asking a part to end and killing it
SHORTEST = 20.0  # seconds that every part gets
PROGRAM = ("-m", "sweeps.gpu.parts")  # measures one part


@program
def main(argv: Sequence[str]) -> int:
    """Measure the parts, and return 1 if one has a fault."""
    parser = Parser(prog="python -m sweeps.gpu", description="Check a GPU against the CPU, and measure its speed.")
    whole = whole_number(1, 24 * 60)
    parser.add_argument("--minutes", type=whole, default=8, metavar="M", help="time of all parts together [8]")
    about = "where the files go [results/gpu of the project]"
    parser.add_argument("--out", type=expanded, default=FOLDER, metavar="DIR", help=about)
    parser.add_argument(
        "--parts", default=",".join(part.name for part in PARTS), help="names, separated by commas [all]"
    )
    options = parser.parse_args(argv)
    known = [part.name for part in PARTS]
    chosen = options.parts.split(",")
    for name in chosen:
        if name not in known:
            parser.error(f"--parts: no part {name!r}; there are {', '.join(known)}")
    parts = [part for part in PARTS if part.name in ("card", *chosen)]
    ended = signals.handled((signal.SIGTERM,), lambda *_: sys.exit(128 + signal.SIGTERM))  # and the parts with us
    with ended, tempfile.TemporaryDirectory(prefix="eaudeqn-gpu-") as scratch:
        report = check(parts, Path(scratch), options.out, 60 * options.minutes)
    found = faults(report)
    print("\n".join([f"written: {report.path}", *found]), flush=True)
    return 1 if found else 0


def check(parts: Sequence[Part], scratch: Path, out: Path, seconds: float) -> Report:
    """Measure these parts within about this many seconds; the first one names the card."""
    end, report, measured = time.monotonic() + seconds, Report(out, parts), scratch / "measured.json"
    for number, part in enumerate(parts):
        left = sum(other.share for other in parts[number:])
        limit = max((end - time.monotonic()) * part.share / left, SHORTEST)
        print(f"{part.title}: at most {limit:.0f} s", flush=True)
        show = report.update if number else lambda part: None  # until then, the card has no name
        rows = {name: done.rows for name, done in report.parts.items() if done.rows}
        measured.write_text(json.dumps(rows), encoding="utf-8")
        part = run(part, report.size, measured, limit, show)
        if number == 0:
            report.card, report.size = identify(part.rows)
        report.update(part)
        print(f"  {part.state}, {len(part.rows)} rows, {part.seconds:.0f} s", flush=True)
    return report


def faults(report: Report) -> list[str]:
    """List what a user should look at: parts that failed, and figures that show an error."""
    found = [f"{part.title}: {part.state}" for part in report.parts.values() if part.state.startswith("failed")]
    for row in (row for part in report.parts.values() for row in part.rows):
        if row.get("agrees") is False:
            found.append(f"{row['problem']}, {row['way']}: a gradient step differs from the CPU's")
        if row.get("deterministic operations") and not row["bit for bit"]:
            found.append(f"{row['case']}: a resumed run differs, also with deterministic operations")
    return found


def identify(rows: Sequence[Row]) -> tuple[str, Size]:
    """Return the card's name, and how much is measured on it."""
    facts = {row["what"]: row["value"] for row in rows}
    return facts.get("card", "unknown"), TINY if facts.get("backend") == "cpu" else FULL


def run(part: Part, size: Size, measured: Path, limit: float, show: Callable[[Part], None]) -> Part:
    """Measure a part in its own process, and show it with each new row. `measured` is the file with all parts' rows."""
    folder = measured.with_name(part.name)
    folder.mkdir()
    out, log = folder / "rows.jsonl", folder / "log"
    out.touch()
    command = [sys.executable, *PROGRAM, part.name, size.name, str(measured), str(out), str(folder)]
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, process_group=0)
        try:
            while process.poll() is None and time.monotonic() - began < limit:
                rows = read(out)
                if len(rows) > len(part.rows):
                    part = part._replace(rows=rows, state="running", seconds=time.monotonic() - began)
                    show(part)
                time.sleep(POLL)
            code = process.poll()
        finally:
            workers.stop([process], hurry=lambda: False, grace=GRACE)
    return part._replace(rows=read(out), state=state(code, log, limit), seconds=time.monotonic() - began)


def read(path: Path) -> tuple[Row, ...]:
    """Return the complete lines of a file of rows."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return tuple(json.loads(line) for line in lines if line.endswith("\n"))


def state(code: int | None, log: Path, limit: float) -> str:
    """Say how a part ended, from its exit code and its output. No exit code: its time was over."""
    if code is None:
        return f"cut off after {limit:.0f} s"
    if code == 0:
        return "complete"
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"failed with code {code}: {last[:300]}"


if __name__ == "__main__":
    start(main)
