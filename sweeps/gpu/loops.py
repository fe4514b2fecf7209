"""Part (e): agent steps per second of whole runs, and where the time of one goes."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from suite.trainer import Trainer
from sweeps.estimate.steps import mean_seconds
from sweeps.gpu import runs
from sweeps.gpu.sizes import Measured, Row, Size

WARM_UP = 3  # gradient steps after which everything is compiled


def measure(size: Size, scratch: Path, measured: Measured) -> Iterator[Row]:
    """Yield a row for DQN and SAC at two values of K: steps per second, and milliseconds of each phase."""
    runs.begin()
    for case in (runs.dqn(size), runs.sac(size)):
        for networks in sorted(size.networks[:2]):
            run = runs.run_of(case, networks, runs.ENDLESS, size.filled)
            trainer = warm(runs.start_trainer(run, scratch / run.name))
            rates = loop(trainer, size.loop_seconds)
            phases = profile(trainer, size.seconds)
            busy = rates["gradient steps per second"] * phases["gradient step (ms)"] / 1e3
            yield {
                "case": case.name,
                "agent": run.agent,
                "width": runs.work(run).width,
                "K": networks,
                **rates,
                **phases,
                "idle card": max(1 - busy, 0.0),
            }


def warm(trainer: Trainer) -> Trainer:
    """Return the trainer once it has learned a little."""
    while trainer.gradient_step < WARM_UP:
        trainer.step()
    jax.block_until_ready(trainer.state)
    return trainer


def loop(trainer: Trainer, seconds: float) -> dict[str, float]:
    """Return the rates of the trainer's own loop."""
    steps, gradient_steps = trainer.experience.agent_step, trainer.gradient_step
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        trainer.step()
    jax.block_until_ready(trainer.state)
    taken = time.perf_counter() - began
    return {
        "agent steps per second": (trainer.experience.agent_step - steps) / taken,
        "gradient steps per second": (trainer.gradient_step - gradient_steps) / taken,
    }


def profile(trainer: Trainer, seconds: float) -> dict[str, float]:
    """Return milliseconds of each phase alone, until its results are ready. The trainer's state is consumed.

    In the loop, the environment and the device work side by side.
    """
    experience, learner, rng = trainer.experience, trainer.learner, np.random.default_rng(0)
    state = trainer.state
    batch = experience.sample(rng)
    on_device = jax.device_put(batch)

    def act() -> np.ndarray:
        return np.asarray(experience.choose(lambda *seen: learner.act(state, *seen)))

    action = act()

    def learn() -> Any:
        nonlocal state
        state = learner.gradient_step(state, on_device)
        return state

    return {
        "acting (ms)": milliseconds(act, seconds),
        "emulator (ms)": milliseconds(lambda: experience.take(action), seconds),
        "sampling (ms)": milliseconds(lambda: experience.sample(rng), seconds),
        "transfer (ms)": milliseconds(lambda: jax.device_put(batch), seconds),
        "gradient step (ms)": milliseconds(learn, seconds),
    }


def milliseconds(function: Callable[[], Any], seconds: float) -> float:
    """Return the mean time of calls that repeat for about `seconds`, at least three, each waited for."""
    return 1e3 * mean_seconds(lambda _: jax.block_until_ready(function()), seconds, warm_up=1)
