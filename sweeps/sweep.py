"""Run a whole sweep: what it will cost here, its confirmation, the engine, the comparison table."""

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

from suite.errors import UserError, is_text
from suite.options import Options
from suite.program import limits
from suite.program.limits import size
from suite.program.terminal import counted, duration
from suite.record import reader
from sweeps import grid
from sweeps.config import RunConfig
from sweeps.engines.base import INTERRUPTED, OK, SOME_FAILED, Engine, Plan
from sweeps.estimate.forecast import Forecast, estimate, measure_speeds, memory_bytes
from sweeps.jobs import fitting, on_gpus, variables
from sweeps.plan import resolve_all, works_of

BIG = 4 * 3600  # core-seconds; a sweep that needs more must be confirmed
RATE = 100  # agent steps a second of one core, by which a sweep is big where nothing is measured
SMALL = 500 * 10**6  # bytes of a worker's memory, about, while it is measured


def run_sweep(options: argparse.Namespace, engine: Engine, settings: Options, argv: Sequence[str]) -> int:
    """Run what is not finished of a sweep file, make the table, and return the exit code.

    `options` are those of sweeps.launch, `settings` those of the engine, and `argv` is what the user typed. Raises
    UserError for bad input and for a big sweep that is not confirmed, and Busy while another process starts the sweep.
    """
    command = shlex.join([_python(), "-m", "sweeps.launch", *argv])
    sweep = grid.read(options.file)
    folder = Path(options.folder or f"runs/{sweep.name}")
    if not is_text(str(folder)):
        raise UserError(f"--folder={folder}: should be UTF-8")
    runs = resolve_all(sweep, options.file)
    to_do = [run for run in runs if not reader.is_finished(folder / run.name)]
    steps = sum(run.total_agent_steps for run in runs)
    print(f"{options.file}: {counted(len(runs), 'run')}, {steps:,} agent steps in all")
    print(f"records: {folder}/<run>/; finished already: {len(runs) - len(to_do)} of {len(runs)}", flush=True)
    code = OK
    if to_do:
        engine.check(settings)
        with variables(_on_wandb(sweep)), on_gpus(options.jobs) if engine.HERE else nullcontext(options.jobs) as most:
            seconds, jobs = _measured(to_do, options.jobs, most) if engine.HERE else (None, options.jobs)
            cost = sum(seconds(run) if seconds else run.total_agent_steps / RATE for run in to_do)
            if cost > BIG and options.confirm != "yes":
                confirmed = command.replace(" --confirm no", "") + " --confirm yes   (with make: CONFIRM=yes)"
                raise UserError(f"to start a sweep of more than {duration(BIG)} on one core, confirm it: {confirmed}")
            jobs = min(jobs or len(limits.cores()), len(to_do))
            session = engine.start(Plan(options.file, folder, works_of(sweep, runs, seconds), jobs), settings)
            if session.how_to_stop:
                print(session.how_to_stop, flush=True)
            code = session.wait()
        if not engine.HERE:
            return code
    if code == INTERRUPTED:
        print(f"stopped; finished runs are kept. To resume the others: {command}")
        return code
    gaps = _table(folder, options.file, "evaluation" if all(run.offline for run in runs) else "training")
    if code == SOME_FAILED:
        print(f"not all runs are finished, see above. To rerun the others: {session.how_to_rerun or command}")
    return code or gaps


def _on_wandb(sweep: grid.Sweep) -> dict[str, str]:
    """Return the variables by which runs find the entity and the project of their sweep file. The user's own win."""
    named = {f"WANDB_{key.upper()}": value for key, value in sweep.place.items()}
    return {name: os.environ.get(name) or value for name, value in named.items()}


def _measured(
    runs: Sequence[RunConfig], jobs: int | None, most: int | None
) -> tuple[Callable[[RunConfig], float], int]:
    """Print the estimated cost of runs; return a function for the seconds of a run, and the number of workers.

    The number is `jobs`, or as many as there is memory for, up to `most` or one per core.
    """
    if restricted := limits.restrictions():
        print(f"this container may use {restricted}", flush=True)
    print("measuring how fast such runs are here ...", flush=True)
    speed = measure_speeds(runs, jobs or fitting(SMALL, most))
    jobs = jobs or fitting(max(memory_bytes(run, speed(run)) for run in runs), most)
    print(ahead(estimate(runs, jobs, speed), jobs), flush=True)
    return lambda run: speed(run).seconds(run), jobs


def ahead(forecast: Forecast, jobs: int) -> str:
    """Describe the cost in two lines, and in a third if the memory may not suffice."""
    worker, together = forecast.memory_bytes, forecast.memory_bytes * min(jobs, forecast.runs)
    lines = [
        f"ahead: {counted(forecast.runs, 'run')}, {forecast.agent_steps:,} agent steps;"
        f" about {duration(forecast.seconds)} here with {counted(jobs, 'worker')}",
        f"disk: {size(forecast.disk_bytes)}, and up to {size(forecast.checkpoint_bytes)} of checkpoints until the runs"
        f" end; memory: up to {size(worker)} a worker, {size(together)} together",
    ]
    if together > limits.memory():
        lines.append(f"that is more than the {size(limits.memory())} of memory here: use fewer JOBS (--jobs)")
    return "\n".join(lines)


def _table(folder: Path, file: str, returns: str) -> int:
    """Make the comparison table and print where everything is. Return 0, or 1 if the table has gaps or failed."""
    print(flush=True)
    command = ["-m", "analysis.table", f"--runs={folder}", f"--sweep={file}"]  # which may begin with a dash
    command += [f"--return={returns}"] if returns != "training" else []
    made = subprocess.run([sys.executable, *command], check=False)
    leet = Path(_python()).with_name("wandb")
    print(f"""
records of the runs   {folder}/<run>/  (metrics.jsonl is the source of truth, policy.safetensors the final network)
W&B, in the terminal  {leet} leet {folder}/<run>/wandb
W&B, in the browser   {leet} login, then make sync RUNS={folder}
the table again       {shlex.join([_python(), *command])}""")
    return 1 if made.returncode else 0


def _python() -> str:
    """Return this Python as a user here would type it."""
    return os.path.relpath(sys.executable) if Path(sys.executable).is_relative_to(Path.cwd()) else sys.executable
