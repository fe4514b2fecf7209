"""Kills real runs at random moments, starts them again, and compares what they end with, bit for bit, with the same run
left alone; then kills runs and launchers of a grid: `python -m tests.chaos --kills 100`, or `make chaos`.

Moments: right after the start; while a checkpoint is written; right after an election; anywhere. The signal is SIGKILL,
or SIGTERM, or Ctrl-C twice. A run is killed a few times and then left to its end.
"""

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from suite.record import reader, schema
from suite.tracking.checkpoint import FOLDER
from tests.support import chaos_grid
from tests.support.chaos_grid import MUJOCO, RUN

ROOT = Path(__file__).resolve().parent.parent
DEADLINE = 1800.0  # seconds that an attempt may take
KILLS = 5  # of one run
TRIES = 4  # a kill may come too late
ATARI = {
    "agent.network": "small",
    "agent.width": 8,
    "environment.screen_size": 42,
    "environment.max_episode_agent_steps": 90,
    "learner.target_update_period": 10,
    "replay.capacity": 200,  # goes round
    "trainer.epochs": 3,
    "trainer.epoch_agent_steps": 200,
    "trainer.evaluation_episodes": 1,
    "trainer.initial_samples": 50,
}
CQL = {
    **{key: value for key, value in ATARI.items() if not key.startswith("trainer.")},
    "dataset.path": "{data}/{game}",  # {data}: where `record` has put it
    "dataset.chunk_transitions": 60,
    "dataset.chunks_per_epoch": 2,
    "replay.batch_size": 4,
    "trainer.epochs": 3,
    "trainer.epoch_agent_steps": 100,
    "trainer.evaluation_episodes": 1,
}
CASES: dict[str, dict[str, Any]] = {
    "DQN Pong eaudeqn": {"task": "atari/Pong", "method": "eaudeqn", **ATARI},
    "SAC InvertedPendulum gmp": RUN,
    "DQN Breakout gmp": {"task": "atari/Breakout", "method": "gmp:period=5", **ATARI, "replay.n_step": 3},
    "SAC HalfCheetah eaudeqn": {"task": "mujoco/HalfCheetah", "method": "eaudeqn", **MUJOCO},
    "DQN MsPacman dense": {"task": "atari/MsPacman", "method": "dense", **ATARI},
    "CQL Pong eaudeqn": {"task": "offline/Pong", "method": "eaudeqn", **CQL},
    "SAC Hopper distill": {"task": "mujoco/Hopper", "method": "distill", **MUJOCO},
}


class Kill(NamedTuple):
    """What was done to a run, and what it was doing."""

    moment: str
    sent: str
    hit: str


class Process:
    """One attempt at a run, with checkpoints so often that a kill has something to hit."""

    def __init__(self, folder: Path, flags: Sequence[str]) -> None:
        self.folder = folder
        command = [sys.executable, "-m", "sweeps.run", f"--folder={folder}", "--checkpoint-interval=0.3", *flags]
        with (folder / "log.txt").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.began = time.monotonic()

    def run_folder(self) -> Path | None:
        return next((path for path in self.folder.iterdir() if path.is_dir()), None)

    def metrics(self) -> bytes:
        path = self.run_folder()
        try:
            return (path / schema.METRICS).read_bytes() if path else b""
        except FileNotFoundError:
            return b""

    def writing(self) -> str:
        """The file of a checkpoint that is being written, or nothing."""
        path = self.run_folder()
        return next((file.name for file in (path / FOLDER).glob("*.tmp")), "") if path else ""

    def until(self, holds: Callable[[], bool], pause: float = 0.001) -> bool:
        """Wait; -> whether it came to hold while the process lived."""
        while self.process.poll() is None:
            if holds():
                return True
            if time.monotonic() > self.began + DEADLINE:
                self.process.kill()
                raise TimeoutError(f"{self.folder}: an attempt took more than {DEADLINE:.0f} s")
            time.sleep(pause)
        return False

    def kill(self, numbers: Sequence[int]) -> str:
        """Send the signals; -> what the run was doing."""
        for number in numbers:
            self.process.send_signal(number)
            time.sleep(0.01 if len(numbers) > 1 else 0)
        self.process.wait(timeout=DEADLINE)
        path = self.run_folder()
        if self.process.returncode == schema.RESUMABLE:
            return "left a checkpoint, exit code 75"
        if path is None or not (path / schema.METRICS).exists():
            return "starting"
        if self.writing():
            return "writing a checkpoint"
        return "between checkpoints" if list((path / FOLDER).glob("*.json")) else "before its first checkpoint"


def at_start(process: Process, dice: random.Random, startup: float) -> None:
    pause = dice.uniform(0, startup)
    process.until(lambda: time.monotonic() > process.began + pause, 0.01)


def at_checkpoint(process: Process, dice: random.Random, startup: float) -> None:
    for _ in range(dice.randrange(1, 12)):  # files that are left to be written before
        process.until(lambda: bool(process.writing()))
        last = process.writing()
        process.until(lambda last=last: process.writing() != last)
    process.until(lambda: bool(process.writing()))


def at_election(process: Process, dice: random.Random, startup: float) -> None:
    elections = process.metrics().count(b"target_update") + dice.randrange(1, 8)
    process.until(lambda: process.metrics().count(b"target_update") >= elections)


def anywhere(process: Process, dice: random.Random, startup: float) -> None:
    process.until(lambda: bool(process.metrics()))
    rows = process.metrics().count(b"\n") + dice.randrange(0, 15)
    process.until(lambda: process.metrics().count(b"\n") >= rows)
    pause = time.monotonic() + dice.uniform(0, 0.5)
    process.until(lambda: time.monotonic() > pause)


MOMENTS = {"start": at_start, "checkpoint": at_checkpoint, "election": at_election, "anywhere": anywhere}
SIGNALS = {"SIGKILL": [signal.SIGKILL], "SIGTERM": [signal.SIGTERM], "SIGINT twice": [signal.SIGINT, signal.SIGINT]}


def outcome(path: Path, log: Path) -> dict[str, Any]:
    """All that a finished run leaves in its folder: every byte of its policy, and its record but for wall time."""
    assert reader.is_finished(path), log.read_text()
    assert not (path / FOLDER).exists()
    rows = [{**row, "seconds": None} for row in schema.read_rows(path / schema.METRICS)]
    card = schema.read_json(path / schema.POLICY_CARD)
    return {
        "policy": (path / schema.POLICY).read_bytes(),
        "card": card,
        "config": schema.read_json(path / schema.CONFIG),
        "rows": rows,
        "agent_step": schema.read_json(path / schema.STATUS)["agent_step"],
    }


def finish(folder: Path, flags: Sequence[str]) -> tuple[dict[str, Any], float]:
    """Run to the end; -> the outcome, and the seconds until the first row of metrics."""
    process = Process(folder, flags)
    process.until(lambda: bool(process.metrics()), 0.01)
    startup = time.monotonic() - process.began
    process.process.wait(timeout=DEADLINE)
    (path,) = (path for path in folder.iterdir() if path.is_dir())
    return outcome(path, folder / "log.txt"), startup


def record(data: Path) -> None:
    """Leave a data set for the runs that learn offline, unless it is there."""
    if not (data / "Pong").exists():
        options = {"task": "atari/Pong", "method": "dense", "seed": 0, **ATARI, "record": data / "Pong"}
        flags = [f"--{key}={value}" for key, value in {**options, "folder": data, "wandb": "disabled"}.items()]
        subprocess.run([sys.executable, "-m", "sweeps.run", *flags], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def torment(
    name: str, seed: int, moments: Iterator[str], kills: int, folder: Path, dice: random.Random
) -> tuple[list[Kill], list[str]]:
    """Kill one run so many times; -> what was hit, and in what its outcome differs from the undisturbed run's.

    Where a kill comes too late, the run begins anew: on a fast machine as many kills hit as on a slow one.
    """
    data, options = folder.parent / "data", {**CASES[name], "seed": seed, "wandb": "disabled"}
    flags = [f"--{key}={value}".replace("{data}", str(data)) for key, value in options.items()]
    if any("{data}" in str(value) for value in options.values()):
        record(data)
    for part in ("alone", "killed"):
        (folder / part).mkdir(parents=True)
    alone, startup = finish(folder / "alone", flags)
    hits: list[Kill] = []
    differing = []
    for moment in itertools.islice(moments, TRIES * kills):
        sent = "SIGKILL" if dice.random() < 0.8 else dice.choice(list(SIGNALS))
        process = Process(folder / "killed", flags)
        MOMENTS[moment](process, dice, startup)
        hit = process.kill(SIGNALS[sent])
        if process.process.returncode == 0:
            killed, _ = finish(folder / "killed", flags)
            differing += [part for part in alone if alone[part] != killed[part]]
            shutil.rmtree(folder / "killed")
            (folder / "killed").mkdir()
            continue
        hits.append(Kill(moment, sent, hit))
        if len(hits) == kills:
            break
    killed, _ = finish(folder / "killed", flags)
    return hits, differing + [part for part in alone if alone[part] != killed[part]]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=100, help="kills in total [100]")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments [0]")
    options = parser.parse_args(arguments)
    dice = random.Random(options.seed)
    moments = itertools.cycle(["checkpoint", "election", "anywhere", "start", "checkpoint", "anywhere", "election"])
    table = Table("run", "seed", "kills", "ends as if undisturbed")
    done: list[Kill] = []
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", f"{folder}/compiled")  # a start takes seconds less
        for seed, name in ((n // len(CASES), name) for n, name in enumerate(itertools.cycle(CASES))):
            if len(done) >= options.kills:
                break
            place = Path(folder) / f"{seed}-{name.replace(' ', '-')}"
            hits, differing = torment(name, seed, moments, KILLS, place, dice)
            done += hits
            wrong += bool(differing)
            table.add_row(name, str(seed), str(len(hits)), f"NO: {', '.join(differing)}" if differing else "yes")
            print(f"{len(done)} of {options.kills} kills; {name}, seed {seed}: {json.dumps(hits)}", flush=True)
        grid = Path(folder) / "grid"
        grid.mkdir()
        killed, faults = chaos_grid.torment(12, max(1, options.kills // 5), grid, dice)
    console = Console(width=120)
    console.print(table)
    hit = Table("moment aimed at", "sent", "what the run was doing", "times")
    for kill, times in sorted(Counter(done).items()):
        hit.add_row(*kill, str(times))
    console.print(hit)
    print(f"{len(done)} kills, {wrong} runs that ended otherwise")
    print(f"a grid of 12 cells and two launchers, {dict(killed)} killed: {'; '.join(faults) or 'each cell run once'}")
    return 1 if wrong or faults else 0


if __name__ == "__main__":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    sys.exit(main())
