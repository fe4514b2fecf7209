"""The command line of sweeps.run: its options, which depend on the task, and their types."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
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


@dataclass(frozen=True)
class Settings:
    """Where and how a run is executed. None of them changes its numbers."""

    folder: Path = Path("runs")  # the record is a folder in this one
    record: Path | None = None  # where to write the experience as a data set
    resume: Path | None = None  # the record of the run to resume
    wandb: str = "auto"
    device: str = "auto"
    checkpoint_interval: float = CHECKPOINT_INTERVAL  # seconds
    video_epochs: tuple[int, ...] = ()  # at whose end the policy is filmed


def folder(text: str) -> Path:
    """Parse an argument that names a folder. Raises ArgumentTypeError."""
    if not text or not is_text(text):
        raise argparse.ArgumentTypeError("should be the name of a folder")
    return expanded(text)


def seconds(text: str) -> float:
    """Parse an argument in seconds, from 0. Raises ArgumentTypeError."""
    try:
        given = float(text)
    except ValueError:
        given = math.nan
    if not given >= 0:
        raise argparse.ArgumentTypeError("should be a number of seconds, such as 600")
    return given


def epochs(text: str) -> tuple[int, ...]:
    """Parse epochs that are separated by commas. Raises ArgumentTypeError."""
    try:
        return tuple(int(word) for word in text.split(",")) if text else ()
    except ValueError:
        raise argparse.ArgumentTypeError("should be epochs of this run, from 1 to its last, such as 1,5") from None


def parse(argv: Sequence[str]) -> tuple[Settings, dict[str, Any]]:
    """Return the settings, and the given options of the run by name, with their texts as values."""
    arguments = unnested(argv)
    parser = _parser(*_task(arguments))
    known, unknown = parser.parse_known_args(arguments)
    if unknown:
        flags = [flag for action in parser._actions for flag in action.option_strings]
        raise UserError(f"unknown option {unknown[0]}{suggest(unknown[0].partition('=')[0], flags)} (see --help)")
    given = vars(known)
    del given["modules"]  # they have been imported
    settings = {field.name: given.pop(field.name) for field in fields(Settings) if field.name in given}
    return Settings(**settings), given


def _task(arguments: Sequence[str]) -> tuple[Task, str]:
    """Return the task and the agent that are asked for, which decide what options there are. Imports what --import
    names."""
    parser = Parser(add_help=False)
    parser.add_argument("--task", default=PAPER_GAMES[0])
    parser.add_argument("--agent")
    extensions.add_option(parser)
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
    )
    known = agents_for(task)
    extensions.add_option(parser)
    add = parser.add_argument_group("the run").add_argument
    add("--task", metavar="TASK", help="such as atari/Pong or mujoco/Hopper; with --help: its options")
    add("--method", metavar="METHOD", help="such as eaudeqn, or gmp:final_sparsity=0.9; see below")
    add("--seed", metavar="SEED", help="seed of all random numbers")
    add("--agent", metavar="AGENT", help=f"{' or '.join(known)} on this task [{known[0]}]")
    add = parser.add_argument_group("output and machine").add_argument
    add("--folder", type=folder, help="folder in which the run's own folder is made [runs]")
    add("--wandb", help="online, offline, disabled; auto: online if a key is known [auto]")
    add("--device", choices=DEVICES, help="device of JAX: auto, cpu, gpu [auto: a GPU if there is one]")
    about = "resume the run of this record; without --task, --method and --seed"
    add("--resume", type=folder, metavar="FOLDER", help=about)
    about = "time between checkpoints; ends of epochs can have one too [600]"
    add("--checkpoint-interval", type=seconds, metavar="SECONDS", help=about)
    about = "film an episode of the policy at the end of these epochs, into the run's videos/ [none]"
    add("--video-epochs", type=epochs, metavar="N,N", help=about)
    add(
        "--record",
        type=folder,
        metavar="DIR",
        help="record the transitions of the run in this folder, as a Minari data set",
    )
    for group, model in groups(task, agent).items():
        section = parser.add_argument_group(f"{group} options for {task.name}")
        for name, field in model.model_fields.items():
            help_text = describe(field).replace("%", "%%")
            section.add_argument(f"--{group}.{name}", metavar="X", help=help_text)
    return parser


def _methods_help(task: Task) -> str:
    lines = ["methods and their options, given as METHOD:option=value,option=value:"]
    for name, method in METHODS.items():
        lines.append(f"  {name}: {first_line(method.options.__doc__)}")
        fields = method_options(task, name).model_fields
        lines += [f"    {option}: {describe(field)}" for option, field in fields.items()]
    return "\n".join(lines)
