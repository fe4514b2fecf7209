"""The command-line options that analysis.table and analysis.report share. Imports neither pandas nor matplotlib."""

import argparse
import math
import re
from collections.abc import Callable, Sequence
from os.path import expanduser

from analysis.data.returns import RETURNS
from suite.errors import Parser, UserError, expanded, whole_number

COMPARED = ("IQM", "mean", "median")  # aggregates whose difference may be compared
LAYOUTS = ("landscape", "portrait", "longtable")  # of comparison.tex
MOST_SEEDS = 10_000  # required of a method on a task


def parser(program: str, description: str) -> argparse.ArgumentParser:
    """Return a parser for the options that say which runs are compared, and how."""
    made = Parser(prog=f"python -m {program}", description=description)
    add = made.add_argument
    add(
        "--runs",
        action="append",
        required=True,
        type=expanduser,
        metavar="PLACE",
        help="run folders, wandb:entity/project, W&B offline folder, Dopamine's JSON files, CSV files; may be repeated",
    )
    add("--sweep", type=expanded, metavar="FILE", help="sweep file that lists the expected cells")
    add("--out", type=expanded, metavar="FOLDER", help="where to write (default: report in the first --runs or here)")
    add(
        "--return",
        dest="which",
        choices=tuple(RETURNS),
        default="training",
        help="return of the last epoch's training episodes, or of the last evaluation (default: training)",
    )
    add("--last", type=whole_number(1, 10**6), default=1, metavar="K", help="mean of the last K epochs (default: 1)")
    shown = "compare only these, in this order; METHOD=NAME shows a name: eaudeqn=EauDeQN"
    add("--methods", nargs="+", metavar="METHOD", help=shown)
    add("--tasks", nargs="+", metavar="TASK", help="compare only these, in this order")
    add("--agent-steps", type=whole_number(1, 2**62), metavar="N", help="cut all runs after N agent steps")
    add("--raw", action="store_true", help="show returns instead of scores, without aggregates over tasks")
    add("--references", type=expanded, metavar="FILE", help="CSV file with task, random, reference: the scores 0 and 1")
    add(
        "--video-pinball-random",
        type=number("a finite number", math.isfinite),
        metavar="RETURN",
        help="VideoPinball's random return (default: 16256.9)",
    )
    add("--reference", default="dense", metavar="METHOD", help="compare the others with it (default: dense)")
    add("--statistic", choices=COMPARED, default="IQM", help="aggregate whose difference is compared (default: IQM)")
    add(
        "--effect",
        type=number("a number from 1e-6 on", lambda value: 1e-6 <= value < math.inf),
        default=0.1,
        help="difference that the table's number of needed seeds should detect (default: 0.1)",
    )
    add("--paired", action="store_true", help="pair runs of equal seeds; without it seeds are labels")
    add("--x", choices=("agent_step", "frame"), default="agent_step", help="x axis of curves (default: agent_step)")
    layouts = "layout of comparison.tex: portrait and longtable fit a text width of 397 pt (default: landscape)"
    add("--latex", choices=LAYOUTS, default=LAYOUTS[0], help=layouts)
    add("--mix", action="store_true", help="compare runs of different protocols too; the table states it")
    add("--allow-missing", action="store_true", help="exit with 0 even if cells have no result")
    add(
        "--require",
        nargs=3,
        action="append",
        default=[],
        metavar=("METHODS", "TASKS", "SEEDS"),
        help="cells that must have a result: 'dense gmp' 'atari/Pong' '0-4'; may be repeated",
    )
    _add_csv_options(made)
    add("--seed", type=whole_number(0, 2**32 - 1), default=0, help="seed of the bootstrap (default: 0)")
    add("--repetitions", type=whole_number(1, 10**6), default=2000, help="resamples of the bootstrap (default: 2000)")
    return made


def _add_csv_options(made: argparse.ArgumentParser) -> None:
    add = made.add_argument_group("CSV files of other programs").add_argument
    renamed = "our column and theirs: return=eval/score; or our column and a text for all rows: method:=SAC"
    add("--columns", nargs="+", default=[], metavar="OURS=THEIRS", help=renamed)
    named = "how files or runs are named: '{method}/{task}_{seed}' matches the end of a path, {any} matches anything"
    add("--names", metavar="PATTERN", help=named)
    add(
        "--protocol",
        metavar="TEXT",
        help="protocol of files that state none; files with the same protocol are compared",
    )
    averaged = "average rows over epochs of N agent steps (default: only rows of single episodes)"
    add("--epoch", type=whole_number(1, 2**53), metavar="N", help=averaged)


def named_columns(texts: Sequence[str], known: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Split columns and constants: ["return=score", "method:=SAC"] -> ({"return": "score"}, {"method": "SAC"}).

    Raises UserError for another spelling, and for a column that is not known or is named twice.
    """
    columns: dict[str, str] = {}
    constants: dict[str, str] = {}
    for text in texts:
        match = re.fullmatch(r"([^=:]+)(:?)=(.+)", text, re.DOTALL)
        if not match or match[1] not in known:
            raise UserError(
                f"--columns: should be OURS=THEIRS or OURS:=TEXT, where OURS is {' or '.join(known)}, found {text!r}"
            )
        if match[1] in columns or match[1] in constants:
            raise UserError(f"--columns: {match[1]} is named twice; name it once")
        if not match[2] and match[3] in columns.values():
            raise UserError(f"--columns: {match[3]!r} is taken twice; each of our columns needs its own")
        (constants if match[2] else columns)[match[1]] = match[3]
    return columns, constants


def seed_list(text: str) -> list[int]:
    """Parse seeds: "0-4 7" -> [0, 1, 2, 3, 4, 7]. Raises UserError for another spelling or more than MOST_SEEDS."""
    seeds: list[int] = []
    for part in text.replace(",", " ").split():
        match = re.fullmatch(r"(\d{1,10})(?:-(\d{1,10}))?", part)
        if not match or int(match[1]) > int(match[2] or match[1]):
            raise UserError(f"--require: seeds are written as in '0-4 7', found {text!r}")
        more = range(int(match[1]), int(match[2] or match[1]) + 1)
        if len(seeds) + len(more) > MOST_SEEDS:
            raise UserError(f"--require: at most {MOST_SEEDS:,} seeds, found {text!r}")
        seeds += more
    return seeds


def required_cells(methods: str, tasks: str, seeds: str) -> tuple[list[str], list[str], list[int]]:
    """Parse the texts of --require: ("dense gmp", "atari/Pong", "0-1") -> (["dense", "gmp"], ["atari/Pong"], [0, 1]).

    Raises UserError if a list is empty, and as `seed_list` does.
    """
    lists = methods.split(), tasks.split(), seed_list(seeds)
    if not all(lists):
        raise UserError(f"--require: methods, tasks and seeds are needed, found {methods!r} {tasks!r} {seeds!r}")
    return lists


def number(words: str, fits: Callable[[float], bool]) -> Callable[[str], float]:
    """Return a converter of arguments to numbers which fit, as `words` says. It raises argparse.ArgumentTypeError."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not fits(value):
            raise argparse.ArgumentTypeError(f"should be {words}, found {text!r}")
        return value

    return parse
