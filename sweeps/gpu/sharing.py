"""Part (f): several runs at once on one card, which share its memory; also with MPS where it is available."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from suite.errors import one_line
from suite.program.command import start
from sweeps.engines import gpus
from sweeps.engines.workers import GPU_MEMORY, MEMORY, OLD_MEMORY, Process
from sweeps.gpu import loops, runs
from sweeps.gpu.card import first
from sweeps.gpu.sizes import SIZES, Measured, Row, Size

GO = "go"  # the file that all runs wait for
LONGEST = 90.0  # seconds until runs have started
MPS_FROM = 4  # runs at once, from which MPS is tried too


def measure(size: Size, scratch: Path, measured: Measured) -> Iterator[Row]:
    """Yield a row for each number of runs at once. This process computes nothing: the card's memory is for the runs."""
    has_mps = gpus.has_mps()
    for number in size.shared:
        yield together(size, scratch / f"{number}", number, {})
        if has_mps and number >= MPS_FROM:
            row = with_mps(size, scratch / f"{number}-mps", number)
            has_mps = "failed" not in row  # what fails once would take the time of the others
            yield row


def with_mps(size: Size, folder: Path, number: int) -> Row:
    """Return the row of `number` runs at once with MPS."""
    try:
        with gpus.mps(folder) as variables:
            return together(size, folder, number, variables)
    except (OSError, subprocess.SubprocessError) as error:  # as in a container that may not start it
        return {"runs at once": number, "MPS": True, "failed": one_line(error)}


def together(size: Size, folder: Path, number: int, variables: Mapping[str, str]) -> Row:
    """Train `number` runs at the same time, and return their row."""
    folder.mkdir(parents=True, exist_ok=True)
    ours = {key: value for key, value in os.environ.items() if key != OLD_MEMORY}
    environment = {**ours, **variables, MEMORY: f"{GPU_MEMORY / number:.3f}"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "sweeps.gpu.sharing", size.name, str(folder / f"{run}")], env=environment
        )
        for run in range(number)
    ]
    row: Row = {"runs at once": number, "MPS": bool(variables)}
    try:
        if not all_ready(processes, folder):
            return row | {"failed": "a run ended, or did not start in time"}
        (folder / GO).touch()
        time.sleep(size.loop_seconds / 2)
        used = first("memory.used")
        rates = [json.loads(result(process, folder / f"{run}")) for run, process in enumerate(processes)]
    except RuntimeError as error:
        return row | {"failed": str(error)}
    finally:
        end(processes)
    return row | {"agent steps per second": sum(rates), "of the slowest": min(rates), "card memory in use": used}


def all_ready(processes: list[Process], folder: Path) -> bool:
    """Wait until each run has learned a little. Return False if one ended, or if LONGEST seconds were not enough."""
    deadline = time.monotonic() + LONGEST
    waiting = set(range(len(processes)))
    while waiting and time.monotonic() < deadline:
        if any(process.poll() is not None for process in processes):
            return False
        waiting = {run for run in waiting if not (folder / f"{run}/ready").exists()}
        time.sleep(0.05)
    return not waiting


def result(process: Process, folder: Path) -> str:
    """Return what a run wrote at its end. Raises RuntimeError if it failed."""
    if process.wait() != 0:
        raise RuntimeError(f"a run ended with code {process.returncode}")
    return (folder / "rate.json").read_text(encoding="utf-8")


def end(processes: list[Process]) -> None:
    """Kill the runs, and wait until all of them have ended, so that the card's memory is free."""
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()


def main() -> int:
    """Train one of the runs: EauDeQN, the paper's main case."""
    size, folder = SIZES[sys.argv[1]], Path(sys.argv[2])
    runs.begin()
    run = runs.run_of(runs.dqn(size), max(size.networks[:2]), runs.ENDLESS, size.filled)
    trainer = loops.warm(runs.start_trainer(run, folder))
    (folder / "ready").touch()
    while not (folder.parent / GO).exists():
        time.sleep(0.01)
    rate = loops.loop(trainer, size.loop_seconds)["agent steps per second"]
    (folder / "rate.json").write_text(json.dumps(rate), encoding="utf-8")
    return 0


if __name__ == "__main__":
    start(main)
