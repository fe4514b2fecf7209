"""Kills runs and launchers of a grid that two launchers share; a part of tests/chaos.py."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

from suite.record import reader, schema
from sweeps import grid

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 1800.0  # seconds
#: What `sweeps.launch` does between its estimate and its table, with so many checkpoints that a kill may hit one.
LAUNCHER = """
import sys
from pathlib import Path
from sweeps import grid
from sweeps.engines import local
from sweeps.plan import resolve_all, works_of
file, folder = sys.argv[1:]
sweep = grid.read(Path(file))
works = works_of(sweep, resolve_all(sweep, file), None)
command = [*local.COMMAND, "--checkpoint-interval=0.3", "--wandb=disabled"]
sys.exit(local.run(works, Path(folder), 1, tries=1000, command=command))
"""
MUJOCO = {
    "agent.critic_width": 16,
    "agent.actor_width": 16,
    "agent.random_steps": 50,
    "environment.max_episode_agent_steps": 80,
    "learner.target_update_period": 10,
    "replay.capacity": 200,  # goes round
    "replay.batch_size": 16,
    "trainer.epochs": 3,
    "trainer.epoch_agent_steps": 200,
    "trainer.evaluation_episodes": 1,
    "trainer.initial_samples": 60,
}
RUN = {"task": "mujoco/InvertedPendulum", "method": "gmp:period=5", **MUJOCO}

Ends = dict[str, set[int]]  # run -> the times at which its status.json was written


class Launchers:
    """Two launchers of one grid; a killed one is replaced. A context: none outlives it."""

    def __init__(self, folder: Path, cells: int) -> None:
        self.folder, self.runs = folder, folder / "runs"
        self.runs.mkdir()
        parameters = {**{key: {"value": value} for key, value in RUN.items()}, "seed": {"values": [*range(cells)]}}
        sweep = {"name": "chaos", "program": "sweeps/run.py", "method": "grid", "parameters": parameters}
        command = grid.command("runs/chaos")
        (folder / "grid.yaml").write_text(json.dumps({**sweep, "command": command}))  # JSON is YAML
        self.processes = [self._start(), self._start()]

    def _start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-c", LAUNCHER, str(self.folder / "grid.yaml"), str(self.runs)]
        with (self.folder / "launchers.txt").open("ab") as log:
            return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def __enter__(self) -> "Launchers":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def at_work(self) -> bool:
        return any(process.poll() is None for process in self.processes)

    def kill(self, what: str, number: int, rows: int) -> bool:
        """As soon as a run has so many rows of metrics, kill it or the launcher `number`; -> whether it was done."""
        pids = [pid for run in sorted(self.runs.iterdir()) if learns(run, rows) and (pid := holder(run))]
        if not pids or self.processes[number].poll() is not None:
            return False
        if what == "run":
            with contextlib.suppress(ProcessLookupError):
                os.kill(pids[0], signal.SIGKILL)
        else:
            self.processes[number].kill()
            self.processes[number].wait()
            self.processes[number] = self._start()
        return True


def torment(cells: int, kills: int, folder: Path, dice: random.Random) -> tuple[Counter[str], list[str]]:
    """-> what was killed how often, and what is wrong at the end."""
    killed, ends = Counter[str](), defaultdict[str, set[int]](set)
    moments = [("launcher" if n % 4 == 1 else "run", dice.randrange(2), dice.randrange(1, 50)) for n in range(kills)]
    deadline = time.monotonic() + DEADLINE
    with Launchers(folder, cells) as launchers:
        while launchers.at_work() and time.monotonic() < deadline:
            for path in launchers.runs.glob(f"*/{schema.STATUS}"):
                ends[path.parent.name].add(path.stat().st_mtime_ns)
            done = killed.total()
            if done < kills * (len(ends) + 1) / cells and done < kills and launchers.kill(*moments[done]):
                killed[moments[done][0]] += 1
            time.sleep(0.02)
        codes = [process.poll() for process in launchers.processes]
    return killed, [f"a launcher left with {code}" for code in codes if code] + wrong(folder / "runs", cells, ends)


def wrong(runs: Path, cells: int, ends: Ends) -> list[str]:
    """Cells without a complete record, and such as were run to their end twice."""
    folders = [path for path in runs.iterdir() if path.is_dir()]
    said = {path.name: (path / "log.txt").read_text().count(f"{path.name} is finished: ") for path in folders}
    return [
        *[f"{len(folders)} of {cells} cells"] * (len(folders) != cells),
        *[f"{path.name} has no complete record" for path in folders if not reader.is_finished(path)],
        *[f"{name} was run to its end {times} times" for name, times in said.items() if times > 1],
        *[f"{name} was ended {len(times)} times" for name, times in ends.items() if len(times) > 1],
    ]


def learns(run: Path, rows: int) -> bool:
    """Whether a run has at least so many rows of metrics, and is not finished."""
    metrics = run / schema.METRICS
    return metrics.exists() and metrics.read_bytes().count(b"\n") >= rows and not (run / schema.STATUS).exists()


def holder(run: Path) -> int | None:
    """The process that a run's lock names."""
    try:
        return int(json.loads((run / schema.LOCK).read_text())["pid"])
    except (OSError, ValueError):
        return None
