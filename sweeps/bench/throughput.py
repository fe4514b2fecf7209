"""The training speed of this machine: gradient steps and what they reach of the peak, measured side by side.

Operations are two for each multiply-add of the matrix products and convolutions, padding included, as is usual; the
peak is what a large matrix multiplication reaches, and `products alone` what the step's own products reach when there
is nothing else to do.
"""

import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.table import Table

from suite.options import PrunerOptions
from suite.program import terminal
from suite.program.limits import peak_memory
from suite.sparsity.pruner import make_pruner
from suite.tracking.tracker import Tracker
from suite.trainer import Trainer
from suite.types import Batch, Frames
from sweeps.compose import compose
from sweeps.config import RunConfig, resolve

PEAK_SIZE = 2_048  # of the square matrices of the peak
FILLED = 2_000  # agent steps in the replay before anything is timed
WINDOW = 0.25  # seconds of gradient steps that one figure rests on, at least four of them
METHODS = ("dense", "gmp:period=1000000", "eaudeqn")  # nothing is pruned while steps are timed


class Case(NamedTuple):
    """What is trained: a task, with options. As late in training: nearly every action is the network's."""

    name: str
    task: str
    options: dict[str, Any]


def dqn(network: str, width: int, layer_norm: bool = False) -> Case:
    """Return DQN on Pong, with few random actions; `width` is that of the hidden dense layer."""
    options = {"agent.network": network, "agent.width": width, "agent.layer_norm": layer_norm}
    name = f"DQN {network} {width}" + " layer_norm" * layer_norm
    return Case(name, "atari/Pong", {**options, "agent.epsilon_start": 0.01})


def sac(environment: str, network: str = "mlp", layer_norm: bool = False) -> Case:
    """Return SAC on a MuJoCo environment, with the default widths and no random actions at the start."""
    options = {"agent.network": network, "agent.layer_norm": layer_norm, "agent.random_steps": 0}
    name = f"SAC {environment}" + f" {network}" * (network != "mlp") + " layer_norm" * layer_norm
    return Case(name, f"mujoco/{environment}", options)


CASES = (
    dqn("nature", 32),
    dqn("nature", 512),
    dqn("nature", 512, layer_norm=True),
    dqn("small", 128),
    dqn("impala", 512),
    sac("HalfCheetah"),
    sac("HalfCheetah", layer_norm=True),
    sac("HalfCheetah", "simba"),
    sac("Humanoid"),
)


class Bench(NamedTuple):
    """A trainer in the middle of its work, and a batch of its replay."""

    trainer: Trainer
    batch: Batch | Frames
    gigaflops: float  # of one gradient step of all K networks
    products: Callable[[], Any]  # its products alone


def prepare(method: str, case: Case, folder: Path) -> Bench:
    """Return a run with a filled replay and compiled functions, whose next target update is far away."""
    clock = {
        "replay.capacity": 20_000,
        "trainer.initial_samples": FILLED,
        "learner.target_update_period": 10**6,
        "trainer.epoch_agent_steps": 10**6,
    }
    run = resolve({"task": case.task, "method": method, "seed": 0, **case.options, **clock})
    trainer = start_trainer(run, folder / run.name)
    while trainer.gradient_step < 2:
        trainer.step()
    batch = trainer.experience.sample(np.random.default_rng(0))
    equations = products(jax.make_jaxpr(trainer.learner.gradient_step)(trainer.state, batch).jaxpr)
    return Bench(trainer, batch, sum(map(operations, equations)) / 1e9, alone(equations))


def start_trainer(run: RunConfig, folder: Path) -> Trainer:
    """Return a run's trainer, started, with a record in a folder."""
    tracker = Tracker(folder, {"name": run.name}, run.task.frame_skip, run.total_agent_steps, "disabled")
    trainer = Trainer(compose(run), tracker, run.options.trainer, run.seed)
    trainer.start()
    return trainer


PRODUCTS = ("dot_general", "conv_general_dilated")


def products(jaxpr: Any) -> list[Any]:
    """List the equations of a traced function that are matrix products or convolutions; those of a loop once."""
    found = []
    for equation in jaxpr.eqns:
        if equation.primitive.name in PRODUCTS:
            found.append(equation)
        for parameter in equation.params.values():
            for item in parameter if isinstance(parameter, tuple | list) else (parameter,):
                inner = getattr(item, "jaxpr", item)  # a closed program holds an open one
                found += products(inner) if hasattr(inner, "eqns") else []
    return found


def operations(equation: Any) -> float:
    """Count two operations for each multiply-add of a matrix product or a convolution.

    The zeros that the gradient of a strided convolution puts between its inputs are not counted.
    """
    if equation.primitive.name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        shape = equation.invars[0].aval.shape
        return float(2 * equation.outvars[0].aval.size * math.prod(shape[axis] for axis in contracted))
    kernel, features = equation.invars[1].aval, equation.params["dimension_numbers"].rhs_spec[0]
    taps = kernel.size / kernel.shape[features] / math.prod(equation.params["lhs_dilation"])
    return float(2 * equation.outvars[0].aval.size * taps)


def alone(equations: Sequence[Any]) -> Callable[[], Any]:
    """Return a function that computes these products alone, each on its own operands.

    Its time is a lower bound on that of a gradient step with these products.
    """
    keys = iter(jax.random.split(jax.random.key(0), 2 * len(equations)))
    operands = [[jax.random.normal(next(keys), v.aval.shape, v.aval.dtype) for v in e.invars] for e in equations]

    @jax.jit
    def run(operands: list[list[jax.Array]]) -> list[Any]:
        return [e.primitive.bind(*inputs, **e.params) for e, inputs in zip(equations, operands, strict=True)]

    return lambda: run(operands)


def seconds_of(function: Callable[[], Any]) -> float:
    """Return the wall seconds of one call, until its results are ready."""
    began = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - began


def peak_rate() -> Callable[[], float]:
    """Return a function that measures the GFLOP/s of one large float32 matrix multiplication."""
    matrix = jax.random.normal(jax.random.key(0), (PEAK_SIZE, PEAK_SIZE))
    multiply = jax.jit(jnp.matmul)
    jax.block_until_ready(multiply(matrix, matrix))
    return lambda: 2 * PEAK_SIZE**3 / 1e9 / seconds_of(lambda: multiply(matrix, matrix))


def gradient_step(bench: Bench) -> float:
    """Train once on the batch of the bench, and return the wall seconds."""

    def update() -> Any:
        bench.trainer.state = bench.trainer.learner.update(bench.trainer.state, bench.batch)
        return bench.trainer.state

    return seconds_of(update)


def mask_update(bench: Bench, repetitions: int) -> float:
    """Return median seconds of pruning: one network to a half, or with K > 1 a target update (election, copies)."""
    trainer = bench.trainer
    dense = jax.tree.map(jnp.copy, trainer.state.online[0])
    prune, key = make_pruner(PrunerOptions(), trainer.learner.agent.all_networks).prune, jax.random.key(0)
    halve = jax.jit(lambda network: prune(key, network.params, network.masks, 0.5, None))

    def update() -> Any:
        if len(trainer.state.online) == 1:
            return halve(dense)
        trainer.state, election = trainer.learner.update_target(trainer.state)
        return trainer.state, election

    seconds_of(update)
    return statistics.median(seconds_of(update) for _ in range(repetitions))


def end_to_end(bench: Bench, steps: int) -> float:
    """Return seconds per gradient step in the trainer's own loop, which also acts, emulates and stores."""
    trainer = bench.trainer
    began, first = time.perf_counter(), trainer.gradient_step
    while trainer.gradient_step < first + steps:
        trainer.step()
    jax.block_until_ready(trainer.state)
    return (time.perf_counter() - began) / steps


def measure_case(bench: Bench, peak: Callable[[], float], repetitions: int) -> dict[str, float]:
    """Return medians over `repetitions` rounds; each measures every quantity once, so that drift affects all alike."""
    seconds_of(bench.products)  # compiles
    steps = max(round(WINDOW / min(gradient_step(bench) for _ in range(3))), 4)
    rounds = []
    for _ in range(repetitions):
        step = statistics.median(gradient_step(bench) for _ in range(steps))
        loop = end_to_end(bench, steps)
        sample = min(seconds_of(lambda: bench.trainer.experience.sample(np.random.default_rng(0))) for _ in range(4))
        bound = statistics.median(seconds_of(bench.products) for _ in range(steps))
        rate = max(peak() for _ in range(2))
        row = {"step": step, "loop": loop, "sample": sample, "bound": bound, "peak": rate}
        row |= {"of peak": bench.gigaflops / step / rate, "bound of peak": bench.gigaflops / bound / rate}
        rounds.append(row | {"not learning": 1 - step / loop})
    return {key: statistics.median(row[key] for row in rounds) for key in rounds[0]}


def report(repetitions: int, folder: Path, cases: Sequence[Case] = CASES) -> Table:
    """Return a table with a row for each case and method, and the cost of a mask update in gradient steps."""
    table = Table(title=f"{jax.devices()[0].device_kind}, jax {jax.__version__}; DQN: batch 32, SAC: batch 256")
    for heading in ("case", "method", "K", "gradient step", "GFLOP", "of peak", "products alone", "x K=1", "ops x K=1",
                    "end to end", "not learning", "agent steps/s", "sampling", "mask update"):  # fmt: skip
        table.add_column(heading, justify="right")
    peak = peak_rate()
    peaks = []
    for case in cases:
        one: dict[str, float] = {}
        for method in METHODS:
            bench = prepare(method, case, folder)
            m = measure_case(bench, peak, repetitions)
            m |= {"gflop": bench.gigaflops, "K": len(bench.trainer.state.online)}
            one = one or m
            peaks.append(m["peak"])
            pruning = mask_update(bench, repetitions) if bench.trainer.state.online[0].masks else 0.0
            table.add_row(
                case.name,
                method.partition(":")[0],
                f"{m['K']}",
                f"{m['step'] * 1e3:.1f} ms",
                f"{m['gflop']:.2f}",
                f"{m['of peak']:.2f}",
                f"{m['bound'] * 1e3:.1f} ms = {m['bound of peak']:.2f}",
                f"{m['step'] / one['step']:.2f}",
                f"{m['gflop'] / one['gflop']:.2f}",
                f"{m['loop'] * 1e3:.1f} ms",
                f"{m['not learning']:.1%}",
                f"{bench.trainer.options.replay_ratio**-1 / m['loop']:.0f}",
                f"{m['sample'] * 1e3:.2f} ms = {m['sample'] / m['step']:.1%}",
                f"{pruning / m['step']:.2f} steps" if pruning else "-",
            )
    memory = f"peak memory {peak_memory() / 2**30:.1f} GiB"
    table.caption = f"peak {statistics.median(peaks):.0f} GFLOP/s (matrix product); {memory}"
    return table


def show(repetitions: int) -> int:
    """Print the table of this machine and return the exit code 0."""
    with tempfile.TemporaryDirectory() as folder:
        terminal.console(width=170).print(report(repetitions, Path(folder)))
    return 0
