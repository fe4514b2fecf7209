"""The command line of sweeps.run: its options, which depend on the task, and their types."""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from baselines.registry import METHODS
from suite.agents import agents_for
from suite.errors import Parser, UserError, expanded, first_line, is_text
from suite.options import CHECKPOINT_INTERVAL, DEVICES
from suite.program import extensions
from suite.record.sweepfile import unnested
from suite.tasks import PAPER_GAMES, Task
from suite.tasks import task as find_task
from sweeps.config import describe, find_agent, groups, method_options, suggest


def place(flag: str, text: str) -> Path:
    """A folder. Raises UserError for what can name none."""
    if not text or not is_text(text):
        raise UserError(f"--{flag}={text}: should be the name of a folder")
    return expanded(text)


def seconds(text: str) -> float:
    """The time between checkpoints. Raises UserError for what is no number from 0 on."""
    try:
        given = float(text)
    except ValueError:
        given = math.nan
    if not given >= 0:
        raise UserError(f"--checkpoint-interval={text}: should be a number of seconds, such as 600")
    return given


def epochs(text: str, most: int) -> list[int]:
    """The epochs that are filmed. Raises UserError for one that the run does not have."""
    try:
        given = [int(word) for word in text.split(",")] if text else []
    except ValueError:
        given = [0]
    if not all(1 <= epoch <= most for epoch in given):
        raise UserError(f"--video-epochs={text}: should be epochs of this run, from 1 to {most}, such as 1,{most}")
    return given


def parse(arguments: Sequence[str] | None) -> dict[str, Any]:
    """The given options by name; their values are still strings."""
    arguments = unnested(sys.argv[1:] if arguments is None else arguments)
    parser = _parser(*_task(arguments))
    known, unknown = parser.parse_known_args(arguments)
    if unknown:
        flags = [flag for action in parser._actions for flag in action.option_strings]
        raise UserError(f"unknown option {unknown[0]}{suggest(unknown[0].partition('=')[0], flags)} (see --help)")
    given = vars(known)
    given.pop("import", None)  # it has been
    return given


def _task(arguments: Sequence[str] | None) -> tuple[Task, str]:
    """The task and the agent that are asked for, which decide what options there are. Imports what --import names."""
    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--task", default=PAPER_GAMES[0])
    parser.add_argument("--agent")
    parser.add_argument("--import", dest="modules", default="")
    known, _ = parser.parse_known_args(arguments)
    extensions.load(known.modules)
    task = find_task(known.task)
    return task, find_agent(task, known.agent)


def _parser(task: Task, agent: str) -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m sweeps.run",
        usage="python -m sweeps.run --task TASK --method METHOD --seed SEED [--GROUP.OPTION X ...]",
        description="Train one agent by one method on one task, and leave a record of the run.",
        epilog=_methods_help(task),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    known = agents_for(task)
    required = parser.add_argument_group("the run")
    required.add_argument(
        "--task", metavar="TASK", help="such as atari/Pong or mujoco/Hopper; with --help: its options"
    )
    required.add_argument("--method", metavar="METHOD", help="such as eaudeqn, or gmp:final_sparsity=0.9; see below")
    required.add_argument("--seed", metavar="SEED", help="fixes everything that is random")
    required.add_argument("--agent", metavar="AGENT", help=f"{' or '.join(known)} on this task [{known[0]}]")
    required.add_argument(
        "--import", dest="import", metavar="MODULE", help="import this module, which registers methods of its own"
    )
    place = parser.add_argument_group("where it goes")
    place.add_argument("--folder", default="runs", help="the record is a folder in this one [runs]")
    place.add_argument(
        "--wandb", default="auto", help="online, offline, disabled; auto: online if a key is known [auto]"
    )
    place.add_argument(
        "--device",
        choices=DEVICES,
        default="auto",
        help="what JAX computes on: auto, cpu, gpu [auto: a GPU if any]",
    )
    place.add_argument(
        "--resume", metavar="FOLDER", help="resume or finish the run of this record; with no --task, --method, --seed"
    )
    place.add_argument(
        "--checkpoint-interval",
        dest="checkpoint-interval",
        default=str(CHECKPOINT_INTERVAL),
        metavar="SECONDS",
        help="between checkpoints, which are also made at the end of epochs [600]",
    )
    place.add_argument(
        "--video-epochs",
        dest="video-epochs",
        default="",
        metavar="N,N",
        help="film an episode of the elected network at the end of these epochs, into the run's videos/ [none]",
    )
    place.add_argument(
        "--record", default=None, metavar="DIR", help="write the run's experience there, a Minari data set"
    )
    for group, model in groups(task, agent).items():
        section = parser.add_argument_group(f"{group} options for {task.name}")
        for name, field in model.model_fields.items():
            help_text = describe(field).replace("%", "%%")
            section.add_argument(f"--{group}.{name}", metavar="X", help=help_text)
    return parser


def _methods_help(task: Task) -> str:
    lines = ["methods, and their options as in METHOD:option=value,option=value:"]
    for name, method in METHODS.items():
        lines.append(f"  {name}: {first_line(method.options.__doc__)}")
        fields = method_options(task, name).model_fields
        lines += [f"    {option}: {describe(field)}" for option, field in fields.items()]
    return "\n".join(lines)
