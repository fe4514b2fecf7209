"""Part (d): the gradient step, by network, K, batch, mapping and precision, and its share of what the card can do."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax

from sweeps.gpu import runs
from sweeps.gpu.agreement import FULL_PRODUCTS
from sweeps.gpu.peaks import Peak, peak
from sweeps.gpu.sizes import Measured, Row, Size

WARM_UP = 3  # gradient steps that are not timed
VMAPPED, LOOPED = "vmapped", "looped"


class Setting(NamedTuple):
    """One gradient step that is timed."""

    case: runs.Case
    networks: int
    way: str = VMAPPED
    precision: str | None = None  # of products; None: the device's default
    batch: int | None = None  # None: the task's default


def measure(size: Size, scratch: Path, measured: Measured) -> Iterator[Row]:
    """Yield the row of `time_of` for each setting, in the order of `settings`."""
    runs.begin()
    card = peak(jax.devices()[0].device_kind)
    for setting in settings(size):
        with jax.default_matmul_precision(setting.precision):
            yield time_of(setting, size.seconds, card)


def settings(size: Size) -> list[Setting]:
    """List what is timed, the most important first: the time may be over before the end."""
    one, many, *others = size.networks
    dqn, sac = runs.dqn(size), runs.sac(size)
    found = [Setting(case, networks) for case in (dqn, sac) for networks in (one, many)]
    found += [Setting(dqn, many, LOOPED), Setting(sac, many, LOOPED)]
    found += [Setting(dqn, networks, VMAPPED, FULL_PRODUCTS) for networks in (one, many)]
    wider = [runs.dqn(size, width) for width in size.widths] + [runs.sac(size, width) for width in size.sac_widths]
    found += [Setting(case, networks) for case in wider for networks in (one, many)]
    found += [Setting(dqn, networks, batch=batch) for batch in size.batches for networks in (one, many)]
    found += [Setting(dqn, networks, way) for networks in others for way in (VMAPPED, LOOPED)]
    found += [Setting(sac, networks) for networks in others]
    impala = runs.Case("DQN impala", "atari/Pong", {"agent.network": "impala"})
    return found + [Setting(impala, networks) for networks in (one, many)]


def time_of(setting: Setting, seconds: float, card: Peak | None) -> Row:
    """Return the row of a gradient step, which is repeated for about `seconds`.

    Operations are those of the program as JAX wrote it, since XLA counts none in the calls of cuBLAS and cuDNN that it
    becomes. Bytes are those that the compiled program reads and writes.
    """
    options: dict[str, Any] = {"learner__vectorize": setting.way == VMAPPED}
    if setting.batch:
        options["replay__batch_size"] = setting.batch
    run = runs.run_of(setting.case, setting.networks, runs.ENDLESS, **options)
    experience, learner = runs.parts(run)
    batch = jax.device_put(next(runs.batches(run, experience)))
    state = learner.init(run.seed)
    lowered = learner.gradient_step.lower(state, batch)  # type: ignore[attr-defined]
    step = lowered.compile()
    taken = timed(step, state, batch, seconds)
    operations, moved = cost(lowered, "flops"), cost(step, "bytes accessed")
    work = runs.work(run)
    row: Row = {
        "case": setting.case.name,
        "agent": work.agent,
        "width": work.width,
        "K": setting.networks,
        "batch": len(batch.reward),
        "way": setting.way,
        "products": setting.precision or "default",
        "ms": 1e3 * taken,
        "GFLOP": operations and operations / 1e9,
        "MB": moved and moved / 1e6,
    }
    return row | shares(taken, operations, moved, setting.precision == FULL_PRODUCTS, card)


def timed(step: Any, state: Any, batch: Any, seconds: float) -> float:
    """Return the mean seconds of a step, queued one after the other as in the trainer."""
    for _ in range(WARM_UP):
        state = step(state, batch)
    jax.block_until_ready(state)
    began = time.perf_counter()
    state = jax.block_until_ready(step(state, batch))
    number = max(int(seconds / (time.perf_counter() - began)), 3)
    began = time.perf_counter()
    for _ in range(number):
        state = step(state, batch)
    jax.block_until_ready(state)
    return (time.perf_counter() - began) / number


def cost(program: Any, what: str) -> float | None:
    """Return a number of XLA's analysis of a program; None where it has none."""
    analysis = program.cost_analysis()
    analysis = analysis[0] if isinstance(analysis, list) and analysis else analysis
    number = (analysis or {}).get(what)
    return float(number) if number and number > 0 else None


def shares(seconds: float, operations: float | None, moved: float | None, full: bool, card: Peak | None) -> Row:
    """Return the shares of the card's peak rates; nothing for a card whose peaks are not known."""
    if card is None:
        return {}
    peak_operations = (card.float32 if full else card.tf32) * 1e12
    return {
        "of peak operations": operations and operations / seconds / peak_operations,
        "of peak bandwidth": moved and moved / seconds / (card.bandwidth * 1e9),
    }
