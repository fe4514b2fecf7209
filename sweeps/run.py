"""One run: `python -m sweeps.run --task atari/Pong --method eaudeqn --seed 0`.

Exit codes: 0 the run is finished (also when it was before), 1 it failed, 2 bad input, 75 (EX_TEMPFAIL) it is not
finished and the same command, given later, goes on: it was asked to end by Ctrl-C, SIGTERM or SIGUSR2 (SLURM's notice),
for which it leaves a checkpoint, or another process works on the same run, which is named. A second Ctrl-C ends a run
at once; then it goes on from the checkpoint before.
"""

import argparse
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # until there is something to lose, Ctrl-C ends the process without a word
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from baselines import METHODS
from suite import costs, device, lock, records
from suite.checkpoint import FOLDER, INTERVAL, Checkpoints
from suite.errors import Busy, Divergence, Parser, UserError, is_text, one_line, out_of_memory, writing
from suite.film import Camera
from suite.policy import save_policy
from suite.sweepfile import unnested
from suite.tasks import PAPER_GAMES, Task
from suite.tasks import task as find_task
from suite.tracking import LINE, Follower, Tracker, versions, wandb_mode_of
from suite.trainer import Trainer
from suite.upload import patience
from sweeps import recorded
from sweeps.compose import compose
from sweeps.config import Run, describe, groups, method_options, resolve, suggest


def execute(
    run: Run,
    folder: Path,
    wandb_mode: str = "auto",
    record: Path | None = None,
    interval: float = INTERVAL,
    asked: Callable[[], bool] = lambda: False,
    video_epochs: Collection[int] = (),
) -> None:
    """Compose task, agent and method, train, and leave a record in `folder` and a data set in `record`.

    It goes on from the last checkpoint in `folder`, but starts over when there is a data set to make.

    `interval` is the seconds between checkpoints, `asked` whether the run is to end early, `video_epochs` are those at
    whose end the policy is filmed. Raises UserError when the parts do not fit each other, Divergence when training
    breaks down, and KeyboardInterrupt when it was asked to end.
    """
    parts = compose(run, record)
    config = {
        "name": run.name,
        "group": run.group,
        "task": run.task.name,
        "method": run.method,
        "seed": run.seed,
        "options": run.options,
    }
    frame_skip = run.task.frame_skip and run.options["environment"].get("frame_skip", run.task.frame_skip)
    checkpoints = _checkpoints(run, folder, interval, asked)
    camera = Camera(folder, video_epochs, parts.make_environment, run.seed)
    saved = None if record else checkpoints.newest()
    if saved:
        print(f"going on from agent step {saved.state['agent_step']:,}", flush=True)
    try:
        with Tracker(folder, config, frame_skip, run.total_agent_steps, wandb_mode, saved) as tracker:
            trainer = Trainer(*parts, tracker, run.seed, checkpoints, camera, **run.options["trainer"])
            state = trainer.run(saved.state if saved else None)
            with writing(folder):
                save_policy(folder, parts.learner.policy(state), state, parts.make_environment(), config)
                records.write_json(folder / records.COSTS, costs.of_run(folder))
    except Divergence:
        checkpoints.clear()  # to go on from there would end as it did
        raise
    checkpoints.clear()


def _checkpoints(
    run: Run, folder: Path, interval: float = INTERVAL, asked: Callable[[], bool] = lambda: False
) -> Checkpoints:
    return Checkpoints(folder / FOLDER, folder / records.METRICS, run.name, versions(), interval=interval, asked=asked)


def main(arguments: Sequence[str] | None = None) -> int:
    try:
        given = _parse(arguments)
        root, record = _place("folder", given.pop("folder")), given.pop("record")
        record = None if record is None else _place("record", record)
        wandb_mode = wandb_mode_of(given.pop("wandb"))
        interval, computes_on = _seconds(given.pop("checkpoint-interval")), given.pop("device")
        films = given.pop("video-epochs")
        patience()  # what is wrong with it is said now, and not at the run's end
        resumed = given.pop("resume", None)
        run = resolve(given) if resumed is None else _recorded(_place("resume", resumed), given)
        video_epochs = _epochs(films, run.options["trainer"]["epochs"])
        device.choose(computes_on)
        folder = root / run.name if resumed is None else Path(resumed)
        if _is_done(run, folder, record, wandb_mode):
            return 0
        with _signals() as asked, _held(folder, asked):
            if not _is_done(run, folder, record, wandb_mode):  # by whoever held it just now
                execute(run, folder, wandb_mode, record, interval, asked, video_epochs)
                print(f"{run.name} is finished: {folder}", flush=True)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (Divergence, OSError) as error:
        print(f"failed: {one_line(error)}", file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        print(f"out of memory, the same command goes on: {one_line(error)}", file=sys.stderr)
        return 1
    except Busy as error:
        print(f"busy: {error}", file=sys.stderr)
        return records.RESUMABLE
    except KeyboardInterrupt:
        print("interrupted: the same command goes on", file=sys.stderr)
        return records.RESUMABLE
    return 0


def _is_done(run: Run, folder: Path, record: Path | None, wandb_mode: str) -> bool:
    """Whether nothing is left to do, which is then said."""
    if not records.is_finished(folder) or (record and not record.exists()):
        return False
    _checkpoints(run, folder).clear()  # if it was killed before it could do so
    print(f"{run.name} is finished already: {folder}")
    if "WANDB_SWEEP_ID" in os.environ:  # the agent's sweep is to have its rows
        Follower(folder, wandb_mode).end(0)
    return True


@contextmanager
def _held(folder: Path, asked: Callable[[], bool]) -> Iterator[None]:
    """The run's lock. Raises Busy when another process has it; but a W&B agent's run waits for that one to end, since
    W&B takes it for failed when it ends before, and does not give it out again."""
    with ExitStack() as stack:
        said = -math.inf
        while True:
            try:
                stack.enter_context(lock.hold(folder))
                break
            except Busy as busy:
                if "WANDB_SWEEP_ID" not in os.environ or asked():
                    raise
                if time.monotonic() - said >= LINE:
                    print(f"waiting: {busy}", flush=True)
                    said = time.monotonic()
            time.sleep(1.0)
        yield


@contextmanager
def _signals() -> Iterator[Callable[[], bool]]:
    """Whether a signal has asked us to end, instead of ending. A second Ctrl-C ends the process at once, but other
    signals may come twice: SLURM sends its own to everybody, and so do those whom it reaches."""
    received: list[int] = []

    def note(number: int, frame: Any) -> None:
        received.append(number)
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _recorded(folder: Path, given: dict[str, Any]) -> Run:
    """The run in a folder. Raises UserError where options are given too, or there is no such record."""
    if given:
        raise UserError(
            f"--resume={folder}: takes the options of the run from its record; leave out --{next(iter(given))}"
        )
    return recorded.read(folder)


def _place(flag: str, text: str) -> Path:
    if not text or not is_text(text):
        raise UserError(f"--{flag}={text}: should be the name of a folder")
    return Path(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds >= 0:
        raise UserError(f"--checkpoint-interval={text}: should be a number of seconds, such as 600")
    return seconds


def _epochs(text: str, most: int) -> list[int]:
    try:
        epochs = [int(word) for word in text.split(",")] if text else []
    except ValueError:
        epochs = [0]
    if not all(1 <= epoch <= most for epoch in epochs):
        raise UserError(f"--video-epochs={text}: should be epochs of this run, from 1 to {most}, such as 1,{most}")
    return epochs


def _parse(arguments: Sequence[str] | None) -> dict[str, Any]:
    """The given options by name; their values are still strings."""
    arguments = unnested(sys.argv[1:] if arguments is None else arguments)
    parser = _parser(_task(arguments))
    known, unknown = parser.parse_known_args(arguments)
    if unknown:
        flags = [flag for action in parser._actions for flag in action.option_strings]
        raise UserError(f"unknown option {unknown[0]}{suggest(unknown[0].partition('=')[0], flags)} (see --help)")
    return vars(known)


def _task(arguments: Sequence[str] | None) -> Task:
    """The task that is asked for, which decides what options there are."""
    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--task", default=PAPER_GAMES[0])
    return find_task(parser.parse_known_args(arguments)[0].task)


def _parser(task: Task) -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m sweeps.run",
        usage="python -m sweeps.run --task TASK --method METHOD --seed SEED [--GROUP.OPTION X ...]",
        description="Train one agent by one method on one task, and leave a record of the run.",
        epilog=_methods_help(task),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    required = parser.add_argument_group("the run")
    required.add_argument(
        "--task", metavar="TASK", help="such as atari/Pong or mujoco/Hopper; with --help: its options"
    )
    required.add_argument("--method", metavar="METHOD", help="such as eaudeqn, or gmp:final_sparsity=0.9; see below")
    required.add_argument("--seed", metavar="SEED", help="fixes everything that is random")
    place = parser.add_argument_group("where it goes")
    place.add_argument("--folder", default="runs", help="the record is a folder in this one [runs]")
    place.add_argument(
        "--wandb", default="auto", help="online, offline, disabled; auto: online if a key is known [auto]"
    )
    place.add_argument(
        "--device",
        choices=device.DEVICES,
        default="auto",
        help="what JAX computes on: auto, cpu, gpu [auto: a GPU if any]",
    )
    place.add_argument(
        "--resume", metavar="FOLDER", help="resume or finish the run of this record; with no --task, --method, --seed"
    )
    place.add_argument(
        "--checkpoint-interval",
        dest="checkpoint-interval",
        default=str(INTERVAL),
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
    for group, model in groups(task).items():
        section = parser.add_argument_group(f"{group} options for {task.name}")
        for name, field in model.model_fields.items():
            help_text = describe(field).replace("%", "%%")
            section.add_argument(f"--{group}.{name}", metavar="X", help=help_text)
    return parser


def _methods_help(task: Task) -> str:
    lines = ["methods, and their options as in METHOD:option=value,option=value:"]
    for name, function in METHODS.items():
        lines.append(f"  {name}: {(function.__doc__ or '').strip().splitlines()[0]}")
        fields = method_options(task, name).model_fields
        lines += [f"    {option}: {describe(field)}" for option, field in fields.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
