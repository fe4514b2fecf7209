"""Forecast what a grid will cost on this machine: time, memory, disk space."""

import contextlib
import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from pydantic import TypeAdapter, ValidationError

from suite.environments import make_environment
from suite.environments.spaces import is_stack
from suite.errors import UserError
from suite.options import Options
from suite.tasks import task
from sweeps.config import RunConfig
from sweeps.engines import workers
from sweeps.engines.endings import reason
from sweeps.grid import flags

START = 15.0  # seconds until a run has imported, compiled and reset everything, about
NETWORK_BYTES = 13  # of a checkpoint, for each parameter of an online network
EPISODE = 1_000  # agent steps of an episode, about; an epoch ends with one, half an episode late on average


class Speed(NamedTuple):
    """What one run was measured to take on a worker's cores; see sweeps.estimate.steps."""

    agent_step: float  # seconds: choose the action, step the environment, store
    gradient_step: float  # seconds: sample, update all networks
    networks: int
    parameters: int  # of one network
    memory_bytes: int  # the process at its peak, without the replay

    def seconds(self, run: RunConfig) -> float:
        """Estimate the seconds of a whole run on one worker: its start, training and evaluation."""
        trainer = run.options.trainer
        late = 0 if run.offline else trainer.epochs * EPISODE / 2
        gradient_steps = run.gradient_steps + late * trainer.replay_ratio
        evaluation = trainer.epochs * trainer.evaluation_episodes * EPISODE
        agent_steps = evaluation + (0 if run.offline else run.total_agent_steps + late)
        return START + agent_steps * self.agent_step + gradient_steps * self.gradient_step


class Forecast(NamedTuple):
    """The expected cost of a grid on this machine."""

    runs: int
    agent_steps: int
    disk_bytes: int  # of the records
    checkpoint_bytes: int  # of the workers together, while they run
    seconds: float  # until the last run ends
    memory_bytes: int  # of the largest worker, its replay filled


def estimate(runs: Sequence[RunConfig], jobs: int, speed: Callable[[RunConfig], Speed]) -> Forecast:
    """Estimate the cost of `runs` when `jobs` of them run at a time, each at its measured speed."""
    seconds = [speed(run).seconds(run) for run in runs]
    return Forecast(
        runs=len(runs),
        agent_steps=sum(run.total_agent_steps for run in runs),
        disk_bytes=sum(record_bytes(run, speed(run)) for run in runs),
        checkpoint_bytes=sum(sorted(checkpoint_bytes(run, speed(run)) for run in runs)[-jobs:]),
        seconds=max([sum(seconds) / jobs, *seconds]),
        memory_bytes=max(memory_bytes(run, speed(run)) for run in runs),
    )


def record_bytes(run: RunConfig, speed: Speed) -> int:
    """Estimate the size of a run's folder: rows of text (ours, and W&B's four times as long), W&B's log, the policy."""
    epochs = run.options.trainer.epochs
    updates = run.gradient_steps // run.options.learner.target_update_period
    rows = 4_000 * epochs + (150 + 75 * speed.networks) * updates + 20 * run.total_agent_steps // EPISODE
    wandb_system = 300_000 * speed.seconds(run) / 3600
    return int(5 * rows + wandb_system + 4 * speed.parameters)


def memory_bytes(run: RunConfig, speed: Speed) -> int:
    """Estimate a worker's memory at the end of a run; the replay takes memory as it fills."""
    return speed.memory_bytes + replay_bytes(run)


def checkpoint_bytes(run: RunConfig, speed: Speed) -> int:
    """Estimate the disk space that a run takes at its end for checkpoints: two of the networks, and the replay once."""
    return 2 * NETWORK_BYTES * speed.parameters * speed.networks + replay_bytes(run)


def replay_bytes(run: RunConfig) -> int:
    """Estimate the size of a replay at the end of a run; 0 with a data set, which is there when a run is measured."""
    if run.offline:
        return 0
    steps = min(run.options.replay.capacity, run.total_agent_steps)
    return steps * slot_bytes(run.task.name, run.options.environment)


@cache
def slot_bytes(name: str, options: Options) -> int:
    """Return the bytes that an agent step on a task adds to the replay: those of an observation's newest frame."""
    environment = make_environment(task(name), options)
    space = environment.observation_space
    environment.close()
    shape = space.shape or ()
    return math.prod(shape[1:] if is_stack(space) else shape) * np.dtype(space.dtype).itemsize


def measure_speeds(runs: Sequence[RunConfig], jobs: int) -> Callable[[RunConfig], Speed]:
    """Measure one run of each kind for a few seconds, `jobs` at a time, as the workers will run.

    The result gives runs of other kinds, such as finished ones of the same grid, the speed of the first. Raises
    UserError when one cannot be measured.
    """
    kinds = list({kind(run): run for run in runs}.items())
    measured: dict[str, Speed] = {}
    for first in range(0, len(kinds), jobs):
        wave = kinds[first : first + jobs]
        measured.update(zip([key for key, _ in wave], _measure([run for _, run in wave], jobs), strict=True))
    first_speed = measured[kind(runs[0])]
    return lambda run: measured.get(kind(run), first_speed)


def kind(run: RunConfig) -> str:
    """Return the kind of a run: runs that differ in game, seed and length alone take the same time a step."""
    options = {key: value for key, value in run.options.dump().items() if key != "trainer"}
    return json.dumps([run.agent, run.task.family, run.method, options], sort_keys=True)


def _measure(runs: Sequence[RunConfig], jobs: int) -> list[Speed]:
    """Measure these runs at the same time."""
    command = [sys.executable, "-m", "sweeps.estimate.measure"]
    processes = [
        workers.start(
            [*command, *flags(run.arguments())],
            workers.share(slot, jobs),
            subprocess.PIPE,
            workers.accelerator(slot, jobs),
        )
        for slot, run in enumerate(runs)
    ]
    try:
        outputs = [process.communicate()[0].decode(errors="replace") for process in processes]
    finally:
        workers.stop(processes, hurry=lambda: True)
    results = zip(runs, processes, outputs, strict=True)
    return [_speed(run, process.returncode, output) for run, process, output in results]


def _speed(run: RunConfig, code: int, output: str) -> Speed:
    for line in reversed(output.splitlines()):  # an emulator may print something after it
        with contextlib.suppress(ValidationError):
            return TypeAdapter(Speed).validate_json(line)
    raise UserError(f"the speed of {run.name} cannot be measured: {reason(code, output)}")
