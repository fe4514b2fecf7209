"""A whole sweep: `python -m sweeps.launch sweeps/atari/laptop.yaml`, on this machine or by another of the ENGINES.

Exit codes: 0 every run is finished and the table is written, or the runs were handed to those who will run them; 1 a
run failed or the table has gaps, 2 bad input or a big sweep that was not confirmed, 75 the same
sweep is being handed over by another process, 130 interrupted.
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from os.path import expanduser
from pathlib import Path
from typing import Any, NamedTuple

from suite.program import signals

if __name__ == "__main__":  # until there is something to lose, Ctrl-C ends the process without a word
    signals.install(signal.SIGINT, signal.SIG_DFL)

from suite.errors import Busy, Parser, UserError, is_text, one_line
from suite.program import limits
from suite.program.command import start
from suite.program.limits import size
from suite.program.terminal import duration
from suite.record import reader, schema
from sweeps import grid
from sweeps.config import Run, describe, options_of, read, resolve
from sweeps.engines import local, slurm, wandb
from sweeps.engines.cells import Plan, Work
from sweeps.estimate.cost import Cost, Speed, estimate, measure, memory_bytes

HERE = os.path.relpath(sys.executable) if sys.executable.startswith(str(Path.cwd())) else sys.executable


class Engine(NamedTuple):
    """A way of running the cells of a plan. The keyword-only parameters of `run` are options --<engine>.<option>."""

    run: Callable[..., int]  # plan -> exit code
    here: bool  # on this machine and to their end: what they cost is measured before, and the table is made after


ENGINES = {
    "local": Engine(local.engine, here=True),
    "slurm": Engine(slurm.submit, here=False),
    "wandb": Engine(wandb.engine, here=True),
}
BIG = 4 * 3600  # core-seconds; a sweep that needs more is begun only when confirmed
RATE = 100  # agent steps a second of one core, by which a sweep is big where nothing is measured
SMALL = 500 * 10**6  # bytes of a worker's memory, about, while it is measured


def main(arguments: Sequence[str] | None = None) -> int:
    typed = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _sweep(_parse(typed), shlex.join([HERE, "-m", "sweeps.launch", *typed]))
    except (UserError, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    except Busy as error:
        print(f"busy: {error}", file=sys.stderr)
        return schema.RESUMABLE
    except KeyboardInterrupt:
        print("\ninterrupted: nothing is lost, the same command goes on", file=sys.stderr)
        return local.INTERRUPTED


def _sweep(options: argparse.Namespace, command: str) -> int:
    engine, settings = ENGINES[options.engine], _settings(options)
    sweep = grid.read(options.file)
    folder = Path(options.folder or f"runs/{sweep.name}")
    if not is_text(str(folder)):
        raise UserError(f"--folder={folder}: a name that is no UTF-8")
    runs = resolve_all(sweep, options.file)
    to_do = [run for run in runs if not reader.is_finished(folder / run.name)]
    print(f"{options.file}: {len(runs)} runs, {sum(run.total_agent_steps for run in runs):,} agent steps in all")
    print(f"records: {folder}/<run>/; finished already: {len(runs) - len(to_do)} of {len(runs)}", flush=True)
    code = local.OK
    if to_do:
        seconds, jobs = _measured(runs, to_do, options.jobs) if engine.here else (None, options.jobs)
        cost = sum(seconds(run) if seconds else run.total_agent_steps / RATE for run in to_do)
        if cost > BIG and options.confirm != "yes":
            raise UserError(f"a sweep of more than {duration(BIG)} on one core needs a word: {confirmed(command)}")
        if engine.here:
            print("Ctrl-C stops; the same command goes on, and runs only what is not finished", flush=True)
        plan = Plan(options.file, folder, works_of(sweep, runs, seconds), min(jobs or len(limits.cores()), len(to_do)))
        code = engine.run(plan, **settings)
        if not engine.here:
            return code
    if code == local.INTERRUPTED:
        print(f"stopped; what is finished is kept. To go on: {command}")
        return code
    gaps = _table(folder, options.file, "evaluation" if all(run.offline for run in runs) else "training")
    if code == local.SOME_FAILED:
        print(f"not all runs are finished, see above. To run the others again: {command}")
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


def works_of(sweep: grid.Grid, runs: Sequence[Run], seconds: Callable[[Run], float] | None) -> list[Work]:
    """The cells as an engine sees them. What they cost is their agent steps where nobody knows the seconds."""
    cost = seconds or (lambda run: run.total_agent_steps)
    works = [
        Work(run.name, grid.flags(cell), run.total_agent_steps, cost(run), label)
        for cell, run, label in zip(sweep.cells, runs, labels(runs), strict=True)
    ]
    return order(works, [run.seed for run in runs])


def labels(runs: Sequence[Run]) -> list[str]:
    """What a table calls the runs: by their names, but where these differ in their digest alone, by the options that
    differ instead, as in "atari-Pong.gmp.seed0 width=32"."""
    alike: dict[str, list[Run]] = {}
    for run in runs:
        alike.setdefault(run.readable, []).append(run)
    shown = {name: _differing([run.arguments() for run in group]) for name, group in alike.items()}
    return [_label(run, shown[run.readable]) for run in runs]


def _differing(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The options in which runs differ."""
    return [key for key, value in runs[0].items() if any(run[key] != value for run in runs)]


def _label(run: Run, differing: Sequence[str]) -> str:
    if not differing:
        return run.name
    options, ends = run.arguments(), [key.rpartition(".")[2] for key in differing]
    names = [end if ends.count(end) == 1 else key for key, end in zip(differing, ends, strict=True)]
    return " ".join([run.readable, *(f"{name}={options[key]}" for name, key in zip(names, differing, strict=True))])


def order(works: Sequence[Work], seeds: Sequence[int]) -> list[Work]:
    """The grid's order, but the last seed's longest first, so that the workers end at about the same time."""
    pairs = list(zip(works, seeds, strict=True))
    head = [work for work, seed in pairs if seed != seeds[-1]]
    tail = [work for work, seed in pairs if seed == seeds[-1]]
    return head + sorted(tail, key=lambda work: -work.cost)


def _measured(runs: Sequence[Run], to_do: Sequence[Run], jobs: int | None) -> tuple[Callable[[Run], float], int]:
    """Say what is ahead; -> seconds of a run, on one core, and how many run at a time: `jobs`, or as many as there are
    cores and memory for."""
    if restricted := limits.restrictions():
        print(f"this container may use {restricted}", flush=True)
    print("measuring how fast such runs are here ...", flush=True)
    speed = measure(runs, jobs or _workers(SMALL))
    jobs = jobs or fitting(to_do, speed)
    print(ahead(estimate(to_do, jobs, speed), jobs), flush=True)
    return lambda run: speed(run).seconds(run), jobs


def fitting(runs: Sequence[Run], speed: Callable[[Run], Speed]) -> int:
    """Workers: one a core, but no more than have memory, if all have the largest run."""
    largest = max(memory_bytes(run, speed(run)) for run in runs)
    return _workers(largest)


def _workers(size_of_one: int) -> int:
    return max(min(len(limits.cores()), limits.memory() // size_of_one), 1)


def ahead(cost: Cost, jobs: int) -> str:
    """The cost in two lines, with a third if the memory may not do."""
    memory = cost.memory_bytes * min(jobs, cost.runs)
    lines = [
        f"ahead: {cost.runs} runs, {cost.agent_steps:,} agent steps; about {duration(cost.seconds)} here"
        f" with {jobs} worker{'s' * (jobs > 1)}",
        f"disk: {size(cost.disk_bytes)}; memory: up to {size(cost.memory_bytes)} a worker, {size(memory)} together",
    ]
    if memory > limits.memory():
        lines.append(
            f"that is more than the {size(limits.memory())} of memory that there are: take fewer JOBS (--jobs)"
        )
    return "\n".join(lines)


def confirmed(command: str) -> str:
    """The command line to type instead."""
    return f"{command.replace(' --confirm no', '')} --confirm yes   (with make: CONFIRM=yes)"


def _table(folder: Path, file: str, returns: str) -> int:
    """Make the comparison table and say where everything lies; -> 0, or 1 if the table has gaps or failed."""
    print(flush=True)
    command = ["-m", "analysis.table", "--runs", str(folder), "--sweep", file]
    command += ["--return", returns] if returns != "training" else []
    made = subprocess.run([sys.executable, *command], check=False)
    leet = Path(HERE).with_name("wandb")
    print(f"""
records of the runs   {folder}/<run>/  (metrics.jsonl is the source of truth, policy.safetensors the final network)
W&B, in the terminal  {leet} leet {folder}/<run>/wandb
W&B, in the browser   {leet} login, then make sync RUNS={folder}
the table again       {shlex.join([HERE, *command])}""")
    return 1 if made.returncode else 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="python -m sweeps.launch",
        description="Run every cell of a W&B grid sweep file, then compare the methods in a table.",
        allow_abbrev=False,
    )
    parser.add_argument("file", type=expanduser, help="a sweep file, such as sweeps/atari/laptop.yaml")
    parser.add_argument("--jobs", type=_jobs, help="runs at a time [one a core, if there is memory]")
    parser.add_argument("--folder", type=expanduser, help="where the runs' folders go [runs/<name of the sweep>]")
    parser.add_argument("--confirm", choices=["yes", "no"], default="no", help="begin even a big sweep [no]")
    parser.add_argument("--engine", choices=[*ENGINES], default="local", help="who runs the cells [local]")
    for name, engine in ENGINES.items():
        section = parser.add_argument_group(f"options of the engine {name}")
        for option, field in options_of(engine.run).model_fields.items():
            help_text = describe(field).replace("%", "%%")
            section.add_argument(f"--{name}.{option}", metavar="X", default=argparse.SUPPRESS, help=help_text)
    return parser.parse_args(arguments)


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """The options of the chosen engine. Raises UserError for one that does not fit, and for one of another engine."""
    given: dict[str, dict[str, Any]] = {name: {} for name in ENGINES}
    for key, value in vars(options).items():
        name, dot, option = key.partition(".")
        if dot:
            given[name][option] = value
    for name, values in given.items():
        if values and name != options.engine:
            raise UserError(f"--{name}.{next(iter(values))}: only with --engine {name} (with make: ENGINE={name})")
    model = options_of(ENGINES[options.engine].run)
    return read(model, given[options.engine], f"{options.engine}.").model_dump()


def _jobs(text: str) -> int:
    jobs = int(text) if text.isdecimal() else 0
    if not 1 <= jobs <= 1024:
        raise argparse.ArgumentTypeError(f"{text!r}: should be a number of runs at a time, such as 2")
    return jobs


if __name__ == "__main__":
    signals.install(signal.SIGINT, signal.default_int_handler)
    start(main)
