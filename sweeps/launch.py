"""Run a whole sweep: `python -m sweeps.launch sweeps/atari/laptop.yaml`, on this machine or by another engine.

Exit codes: 0 every run is finished and the table is written, or the runs are submitted to an engine that runs
elsewhere; 1 a run failed or the table has gaps, 2 bad input or a big sweep that was not confirmed, 75 another process
is submitting the same sweep, 130 interrupted.
"""

import argparse
import signal
from collections.abc import Sequence
from os.path import expanduser

from suite.program import signals

if __name__ == "__main__":  # until training starts, Ctrl-C ends the process silently
    signals.install(signal.SIGINT, signal.SIG_DFL)

from suite.errors import Parser, UserError, whole_number
from suite.options import Options
from suite.program import extensions
from suite.program.command import program, start
from sweeps.config import describe, read
from sweeps.engines.registry import ENGINES
from sweeps.sweep import run_sweep


@program
def main(argv: Sequence[str]) -> int:
    """Run every cell of a sweep file."""
    options = parser().parse_args(argv)
    settings = engine_options(options)
    extensions.load(options.modules)
    return run_sweep(options, ENGINES[options.engine], settings, argv)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, with the options of every engine as --ENGINE.OPTION."""
    made = Parser(
        prog="python -m sweeps.launch",
        description="Run every cell of a W&B grid sweep file, then compare the methods in a table.",
    )
    made.add_argument("file", type=expanduser, help="a sweep file, such as sweeps/atari/laptop.yaml")
    made.add_argument(
        "--jobs", type=whole_number(1, 1024), metavar="N", help="runs at a time [what cores, GPUs and memory allow]"
    )
    made.add_argument("--folder", type=expanduser, help="folder of the runs [runs/<name of the sweep>]")
    made.add_argument("--confirm", choices=["yes", "no"], default="no", help="start a large sweep [no]")
    made.add_argument("--engine", choices=[*ENGINES], default="local", help="how the runs are executed [local]")
    extensions.add_option(made)
    for name, engine in ENGINES.items():
        section = made.add_argument_group(f"options of the engine {name}")
        for option, field in engine.OPTIONS.model_fields.items():
            help_text = describe(field).replace("%", "%%")
            section.add_argument(f"--{name}.{option}", metavar="X", default=argparse.SUPPRESS, help=help_text)
    return made


def engine_options(options: argparse.Namespace) -> Options:
    """Return the options of the chosen engine. Raises UserError for one that does not fit, and for another engine's."""
    given: dict[str, str] = {}
    for key, value in vars(options).items():
        name, dot, option = key.partition(".")
        if dot and name != options.engine:
            raise UserError(f"--{key}: only with --engine {name} (with make: ENGINE={name})")
        if dot:
            given[option] = value
    if options.jobs and not ENGINES[options.engine].HERE:
        raise UserError(
            "--jobs (JOBS): only for runs on this machine; for SLURM: --slurm.parallel and --slurm.runs_per_job"
        )
    return read(ENGINES[options.engine].OPTIONS, given, f"{options.engine}.")


if __name__ == "__main__":
    signals.install(signal.SIGINT, signal.default_int_handler)
    start(main)
