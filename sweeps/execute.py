"""Train one run, for sweeps.run, and leave its record. Exit codes: see sweeps.run."""

import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from suite import device
from suite.deploy import costs
from suite.errors import Busy, Divergence, UserError, one_line, out_of_memory, writing
from suite.program import compile_cache, signals
from suite.publish.upload import patience
from suite.record import lock, reader, schema
from suite.tracking.checkpoint import FOLDER, Checkpoints
from suite.tracking.film import Camera
from suite.tracking.policy import describe, save_policy
from suite.tracking.progress import LINE
from suite.tracking.provenance import versions
from suite.tracking.tracker import Follower, Tracker, wandb_mode_of
from suite.trainer import Trainer
from sweeps import recorded
from sweeps.command_line import Settings
from sweeps.compose import compose
from sweeps.config import RunConfig, resolve

DEFAULTS = Settings()


def execute(
    run: RunConfig, folder: Path, settings: Settings = DEFAULTS, asked: Callable[[], bool] = lambda: False
) -> None:
    """Compose task, agent and method, train, and leave a record in `folder`, and a data set if the settings name one.

    It resumes from the last checkpoint in `folder`, but starts over when there is a data set to make. `asked` tells
    whether the run is to end early. Raises UserError when the parts do not fit each other, Divergence when training
    breaks down, and KeyboardInterrupt when it was asked to end.
    """
    parts = compose(run, settings.record)
    config = {
        "name": run.name,
        "group": run.group,
        "task": run.task.name,
        **({} if run.chosen_agent is None else {"agent": run.chosen_agent}),
        "method": run.method,
        "seed": run.seed,
        "options": run.options.dump(),
    }
    frame_skip = run.task.frame_skip and getattr(run.options.environment, "frame_skip", run.task.frame_skip)
    checkpoints = _checkpoints(run, folder, settings, asked)
    camera = Camera(folder, settings.video_epochs, parts.make_environment, run.seed)
    saved = None if settings.record else checkpoints.newest()
    if saved:
        print(f"resuming from agent step {saved.state['agent_step']:,}", flush=True)
    try:
        with Tracker(folder, config, frame_skip, run.total_agent_steps, settings.wandb, saved) as tracker:
            trainer = Trainer(parts, tracker, run.options.trainer, run.seed, checkpoints, camera)
            state = trainer.run(saved.state if saved else None)
            with writing(folder):
                description = describe(parts.learner.agent, parts.make_environment())
                description["dense_gradients"] = parts.learner.dense_gradients
                save_policy(folder, parts.learner.policy(state), description, config)
                schema.write_json(folder / schema.COSTS, costs.of_run(folder))
    except Divergence:
        checkpoints.clear()  # a resumed run would diverge again
        raise
    checkpoints.clear()


def _checkpoints(
    run: RunConfig, folder: Path, settings: Settings, asked: Callable[[], bool] = lambda: False
) -> Checkpoints:
    place, interval = folder / FOLDER, settings.checkpoint_interval
    return Checkpoints(place, folder / schema.METRICS, run.name, versions(), interval=interval, asked=asked)


def from_command_line(settings: Settings, given: dict[str, Any]) -> int:
    """Train, or resume, the run that the options of a command line describe, and return the exit code.

    Raises UserError for bad input, and Busy while another process works on the run.
    """
    try:
        settings = replace(settings, wandb=wandb_mode_of(settings.wandb))
        patience()  # raises for an invalid value now, and not at the run's end
        run = _recorded(settings.resume, given) if settings.resume else resolve(given)
        last = run.options.trainer.epochs
        if not all(1 <= epoch <= last for epoch in settings.video_epochs):
            raise UserError(f"--video-epochs: should be epochs of this run, from 1 to {last}, such as 1,{last}")
        device.choose(settings.device)
        folder = settings.resume or settings.folder / run.name
        if _is_done(run, folder, settings):
            return 0
        with _signals() as asked, _held(folder, asked), _recording(settings.record):
            if not _is_done(run, folder, settings):  # the process that held the lock may have finished it
                compile_cache.use()
                execute(run, folder, settings, asked)
                print(f"{run.name} is finished: {folder}", flush=True)
    except (Divergence, OSError) as error:
        print(f"failed: {one_line(error)}", file=sys.stderr)
        return 1
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        print(f"out of memory; rerun the command to resume: {one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: rerun the command to resume", file=sys.stderr)
        return schema.RESUMABLE
    return 0


def _is_done(run: RunConfig, folder: Path, settings: Settings) -> bool:
    """Report and return True if the run is finished."""
    if not reader.is_finished(folder) or (settings.record and not settings.record.exists()):
        return False
    _checkpoints(run, folder, settings).clear()  # a killed run may have left some
    print(f"{run.name} is finished already: {folder}")
    if "WANDB_SWEEP_ID" in os.environ:  # send its rows to the sweep of this agent
        Follower(folder, settings.wandb).end(0)
    return True


@contextmanager
def _held(folder: Path, asked: Callable[[], bool]) -> Iterator[None]:
    """Hold the run's lock. Raises Busy when another process holds it. A run of a W&B agent waits for that process
    instead, because W&B counts a run that ends early as failed and does not assign it again."""
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


def _recording(record: Path | None) -> AbstractContextManager[None]:
    """Hold a lock beside the data set that is recorded: two runs would mix their episodes. Raises Busy."""
    return lock.hold(Path(f"{record}.lock")) if record else nullcontext()


@contextmanager
def _signals() -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether a signal has asked the run to end. A second Ctrl-C ends the process at once.
    Other signals may come twice: SLURM sends its own to each process, and a launcher passes it on."""
    received: list[int] = []

    def note(number: int, frame: Any) -> None:
        received.append(number)
        signals.install(signal.SIGINT, signal.SIG_DFL)

    with signals.handled((signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2), note):
        yield lambda: bool(received)


def _recorded(folder: Path, given: dict[str, Any]) -> RunConfig:
    """Return the run in a folder. Raises UserError if options are given too, or if there is no such record."""
    if given:
        raise UserError(
            f"--resume={folder}: takes the options of the run from its record; leave out --{next(iter(given))}"
        )
    return recorded.read(folder)
