"""The time that agent steps and gradient steps of a run take on the cores of this process.

The steps are the trainer's own, taken one kind at a time, so the sum is an upper bound: in a run the environment
computes beside the learner. A method's hook, which seldom runs, is left out.
"""

import json
import time
from collections.abc import Callable, Sequence

import jax
import numpy as np

from suite.errors import UserError
from suite.experience.batches import batch_rng
from suite.program import compile_cache
from suite.program.limits import peak_memory
from sweeps.compose import compose
from sweeps.config import RunConfig, resolve
from sweeps.estimate.forecast import Speed

SECONDS = 1.0  # for each of the two kinds of steps, compilation apart


def time_steps(run: RunConfig, seconds: float = SECONDS) -> Speed:
    """Time agent steps and gradient steps for about `seconds` each."""
    compile_cache.use()
    experience, make_environment, learner = compose(run)
    state = learner.init(0)
    experience.start(0)
    experience.begin_epoch(1)
    environment = make_environment()
    observation, _ = environment.reset(seed=0)

    # DQN explores with its epsilon of the end: a random action, as most are at the start, needs no network.
    end = np.int32(run.total_agent_steps)

    def agent_step(number: int) -> None:
        experience.take(experience.choose(lambda observation, _: learner.act(state, observation, end)))

    def evaluation_step(number: int) -> None:
        nonlocal observation
        action = np.asarray(learner.act_greedily(state, observation, np.int32(number)))
        observation, _, terminated, truncated, _ = environment.step(action)
        if terminated or truncated:
            observation, _ = environment.reset()

    def gradient_step(number: int) -> None:
        nonlocal state
        batch = experience.sample(batch_rng(0, number))
        state = jax.block_until_ready(learner.gradient_step(state, batch))

    agent_seconds = mean_seconds(evaluation_step if run.offline else agent_step, seconds, warm_up=50)
    gradient_seconds = mean_seconds(gradient_step, seconds, warm_up=2)
    return Speed(
        agent_step=agent_seconds,
        gradient_step=gradient_seconds,
        networks=len(state.online),
        parameters=sum(leaf.size for leaf in jax.tree.leaves(state.target)),
        memory_bytes=peak_memory(),
    )


def mean_seconds(step: Callable[[int], object], seconds: float, warm_up: int) -> float:
    """Return the mean seconds of step(number), called for about `seconds` and at least three times."""
    for number in range(warm_up):
        step(number)
    began, number = time.perf_counter(), warm_up
    while time.perf_counter() - began < seconds or number < warm_up + 3:
        step(number)
        number += 1
    return (time.perf_counter() - began) / (number - warm_up)


def print_speed(arguments: Sequence[str]) -> int:
    """Print the speed of the run of some arguments, such as --seed=0, as one line of JSON; return the exit code 0.

    Raises UserError for arguments that describe no run.
    """
    for argument in arguments:
        if not (argument.startswith("--") and "=" in argument):
            raise UserError(f"{argument}: should be --OPTION=VALUE")
    given = dict(argument.removeprefix("--").split("=", 1) for argument in arguments)
    print(json.dumps(time_steps(resolve(given))._asdict()))
    return 0
