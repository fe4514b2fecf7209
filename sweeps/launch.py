"""A whole sweep on this machine: `python -m sweeps.launch sweeps/atari/laptop.yaml`.

Exit codes: 0 every run is finished and the table is written, 1 a run failed or the table has gaps, 2 bad input or a
big sweep that was not confirmed, 130 interrupted.
"""

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from suite import records
from suite.errors import UserError
from sweeps import grid
from sweeps.config import Run, resolve
from sweeps.cost import Cost, Speed, estimate, measure
from sweeps.engines import local, workers
from sweeps.engines.cells import Work
from sweeps.engines.watch import duration

HERE = os.path.relpath(sys.executable) if sys.executable.startswith(str(Path.cwd())) else sys.executable
BIG = 4 * 3600  # core-seconds; a sweep that needs more is begun only when confirmed


def main(arguments: Sequence[str] | None = None) -> int:
    typed = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _sweep(_parse(typed), shlex.join([HERE, "-m", "sweeps.launch", *typed]))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted: nothing is lost, the same command goes on", file=sys.stderr)
        return local.INTERRUPTED


def _sweep(options: argparse.Namespace, command: str) -> int:
    sweep = grid.read(options.file)
    folder = Path(options.folder or f"runs/{sweep.name}")
    runs = resolve_all(sweep, options.file)
    to_do = [run for run in runs if not records.is_finished(folder / run.name)]
    print(f"{options.file}: {len(runs)} runs, {sum(run.total_agent_steps for run in runs):,} agent steps in all")
    print(f"records: {folder}/<run>/; finished already: {len(runs) - len(to_do)} of {len(runs)}", flush=True)
    code = local.OK
    if to_do:
        speed = _confirmed(runs, to_do, options, command)
        print("Ctrl-C stops; the same command goes on, and runs only what is not finished", flush=True)
        works = [
            Work(run.name, grid.flags(cell), run.total_agent_steps, speed(run).seconds(run))
            for cell, run in zip(sweep.cells, runs, strict=True)
        ]
        seeds = [run.seed for run in runs]
        code = local.run(order(works, seeds), folder, min(options.jobs, len(to_do)))
    if code == local.INTERRUPTED:
        print(f"stopped; what is finished is kept. To go on: {command}")
        return code
    gaps = _table(folder, options.file, "evaluation" if all(run.offline for run in runs) else "training")
    if code == local.SOME_FAILED:
        print(f"some runs failed, see above and {folder}/<run>/{local.LOG}. To run them again: {command}")
    return code or gaps


def resolve_all(sweep: grid.Grid, file: str) -> list[Run]:
    """The run of each cell, from the texts that its command line will hold. Raises UserError for a cell that is no
    run and for two cells that are the same run."""
    runs: dict[str, Run] = {}
    for cell in sweep.cells:
        try:
            run = resolve({name: str(value) for name, value in cell.items()})
        except UserError as error:
            raise UserError(f"{file}: {error}") from None
        if run.name in runs:
            raise UserError(
                f"{file}: two cells are the same run, {run.name}; one of them is {' '.join(grid.flags(cell))}"
            )
        runs[run.name] = run
    return list(runs.values())


def order(works: Sequence[Work], seeds: Sequence[int]) -> list[Work]:
    """The grid's order, but the last seed's longest first, so that the workers end at about the same time."""
    pairs = list(zip(works, seeds, strict=True))
    head = [work for work, seed in pairs if seed != seeds[-1]]
    tail = [work for work, seed in pairs if seed == seeds[-1]]
    return head + sorted(tail, key=lambda work: -work.cost)


def _confirmed(
    runs: Sequence[Run], to_do: Sequence[Run], options: argparse.Namespace, command: str
) -> Callable[[Run], Speed]:
    """Say what is ahead. Raises UserError when it is much and was not confirmed."""
    print("measuring how fast such runs are here ...", flush=True)
    speed = measure(runs, options.jobs)
    cost = estimate(to_do, options.jobs, speed)
    print(describe(cost, options.jobs), flush=True)
    if cost.core_seconds > BIG and options.confirm != "yes":
        raise UserError(f"a sweep of more than {duration(BIG)} on one core needs a word: {confirmed(command)}")
    return speed


def describe(cost: Cost, jobs: int) -> str:
    """The cost in two lines, with a third if the memory may not do."""
    memory = cost.memory_bytes * min(jobs, cost.runs)
    lines = [
        f"ahead: {cost.runs} runs, {cost.agent_steps:,} agent steps; about {duration(cost.seconds)} here"
        f" with {jobs} worker{'s' * (jobs > 1)}",
        f"disk: {size(cost.disk_bytes)}; memory: up to {size(cost.memory_bytes)} a worker, {size(memory)} together",
    ]
    if memory > physical_memory():
        lines.append(f"that is more than this machine's {size(physical_memory())} of memory: take fewer JOBS (--jobs)")
    return "\n".join(lines)


def confirmed(command: str) -> str:
    """The command line to type instead."""
    return f"{command.replace(' --confirm no', '')} --confirm yes   (with make: CONFIRM=yes)"


def size(count: float) -> str:
    """850 kB, 12 MB, 7.1 GB: powers of 1000."""
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count / 1e3:.0f} kB"


def physical_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _table(folder: Path, file: str, returns: str) -> int:
    """Make the comparison table and say where everything lies; -> 0, or 1 if the table has gaps or failed."""
    print(flush=True)
    command = ["-m", "analysis.table", "--runs", str(folder), "--sweep", file]
    command += ["--return", returns] if returns != "training" else []
    made = subprocess.run([sys.executable, *command], check=False)
    wandb = Path(HERE).with_name("wandb")
    print(f"""
records of the runs   {folder}/<run>/  (metrics.jsonl is the source of truth, policy.safetensors the final network)
W&B, in the terminal  {wandb} leet {folder}/<run>/wandb
W&B, in the browser   {wandb} login, then {wandb} sync {folder}/*/wandb/offline-run-*
the table again       {shlex.join([HERE, *command])}""")
    return 1 if made.returncode else 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see --help)")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(
        prog="python -m sweeps.launch",
        description="Run every cell of a W&B grid sweep file on this machine, then compare the methods in a table.",
        allow_abbrev=False,
    )
    parser.add_argument("file", help="a sweep file, such as sweeps/atari/laptop.yaml")
    parser.add_argument("--jobs", type=_jobs, default=len(workers.cores()), help="runs at a time [one a core]")
    parser.add_argument("--folder", help="where the runs' folders go [runs/<name of the sweep>]")
    parser.add_argument("--confirm", choices=["yes", "no"], default="no", help="begin even a big sweep [no]")
    return parser.parse_args(arguments)


def _jobs(text: str) -> int:
    jobs = int(text) if text.isdecimal() else 0
    if not 1 <= jobs <= 1024:
        raise argparse.ArgumentTypeError(f"{text!r}: should be a number of runs at a time, such as 2")
    return jobs


if __name__ == "__main__":
    sys.exit(main())
