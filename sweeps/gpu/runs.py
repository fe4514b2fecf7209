"""The runs that are measured: the one module of the check that knows options, and the parts of a run."""

import gzip
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from suite import device
from suite.experience import Experience
from suite.experience.batches import batch_rng
from suite.learner import Learner
from suite.program import compile_cache
from suite.types import Batch, Frames
from sweeps import grid
from sweeps.bench import throughput
from sweeps.bench.throughput import Case as Case
from sweeps.bench.throughput import start_trainer as start_trainer
from sweeps.command_line import Settings
from sweeps.compose import compose
from sweeps.config import RunConfig, resolve
from sweeps.estimate.forecast import EPISODE
from sweeps.execute import execute
from sweeps.gpu.sizes import Size

ENDLESS = 10**6  # agent steps of a run that is only timed
OFFLINE_TRANSITIONS = 400  # of the data set that CQL learns from here


class Workload(NamedTuple):
    """What a run of a grid does, and the shape of its networks."""

    agent: str
    width: int
    networks: int  # K
    agent_steps: int  # in the environment, without evaluation
    gradient_steps: int
    evaluation_steps: int  # agent steps of evaluation, about


def begin() -> None:
    """Compute on the accelerator if there is one, as a run does, and keep what is compiled."""
    device.choose("auto")
    compile_cache.use()


def dqn(size: Size, width: int | None = None) -> Case:
    """Return DQN on Pong with the network of this size; None: its usual width."""
    return throughput.dqn(size.network, width or size.width)


def sac(size: Size, width: int | None = None) -> Case:
    """Return SAC with critics of this width; the actor has its default width. None: the usual width of this size."""
    width = width or size.sac_width
    options = {"agent.critic_width": width, "agent.random_steps": 0}
    return Case(f"SAC {size.environment} {width}", f"mujoco/{size.environment}", options)


def cql(size: Size, folder: Path) -> Case:
    """Return CQL on random transitions; write these into a folder in the layout of DQN Replay."""
    rng, number = np.random.default_rng(0), OFFLINE_TRANSITIONS
    data = {
        "observation": rng.integers(256, size=(number, 84, 84), dtype=np.uint8),
        "action": rng.integers(6, size=number, dtype=np.int32),
        "reward": rng.normal(size=number).astype(np.float32),
        "terminal": (np.arange(number) % 50 == 49).astype(np.uint8),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for part, array in data.items():
        with gzip.open(folder / f"$store$_{part}_ckpt.0.gz", "wb", compresslevel=1) as file:
            np.save(file, array)
    chunks = {"dataset.path": str(folder), "dataset.chunks": 1, "dataset.chunks_per_epoch": 1}
    options = {"agent.network": size.network, "agent.width": size.width, "dataset.chunk_transitions": number, **chunks}
    return Case(f"CQL {size.network} {size.width}", "offline/Pong", options)


def run_of(case: Case, networks: int, gradient_steps: int, filled: int = 100, **options: Any) -> RunConfig:
    """Return a run with this number of gradient steps: dense for K = 1, otherwise EauDeQN.

    `learner__polyak=0.5` means --learner.polyak 0.5.
    """
    method = "dense" if networks == 1 else f"eaudeqn:num_networks={networks}"
    given = {"task": case.task, "method": method, "seed": 0, **case.options, "trainer.epochs": 1}
    given |= {name.replace("__", "."): value for name, value in options.items()}
    if case.task.startswith("offline/"):
        return resolve(given | {"trainer.epoch_agent_steps": gradient_steps, "trainer.evaluation_episodes": 0})
    ratio = 0.25 if case.task.startswith("atari/") else 1.0
    steps = filled + int(gradient_steps / ratio)
    clock = {"trainer.epoch_agent_steps": steps, "trainer.initial_samples": filled, "trainer.replay_ratio": ratio}
    given |= {"replay.capacity": 20_000, "trainer.evaluation_episodes": 0, **clock}
    return resolve(given)


def parts(run: RunConfig) -> tuple[Experience, Learner]:
    """Return a run's learner, and its experience of random actions, which are the same on every device."""
    experience, _, learner = compose(run)
    experience.start(run.seed)
    experience.begin_epoch(1)
    if not run.offline:
        actions = experience.environment.action_space  # type: ignore[attr-defined]
        actions.seed(run.seed)
        while experience.agent_step < run.options.trainer.initial_samples:
            experience.take(actions.sample())
    return experience, learner


def batches(run: RunConfig, experience: Experience) -> Iterator[Batch | Frames]:
    """Return the batches of a run's gradient steps."""
    return (experience.sample(batch_rng(run.seed, step)) for step in itertools.count())


def train(run: RunConfig, folder: Path, asked: Callable[[], bool] = lambda: False) -> None:
    """Train as `python -m sweeps.run` does. Raises KeyboardInterrupt when it is asked to end."""
    execute(run, folder, Settings(wandb="disabled"), asked)


def grid_work(file: Path) -> list[Workload]:
    """Return the workload of each run of a sweep file."""
    return [work(resolve(cell)) for cell in grid.read(file).cells]


def work(run: RunConfig) -> Workload:
    """Return the workload of a run, if each episode of evaluation has EPISODE agent steps."""
    options = run.options.dump()
    trainer, agent = options["trainer"], options["agent"]
    episodes = trainer["epochs"] * trainer["evaluation_episodes"]
    return Workload(
        agent=run.agent,
        width=agent["width"] if "width" in agent else agent["critic_width"],
        networks=options["method"].get("num_networks", 1),
        agent_steps=0 if run.offline else run.total_agent_steps,
        gradient_steps=run.gradient_steps,
        evaluation_steps=episodes * EPISODE,
    )
