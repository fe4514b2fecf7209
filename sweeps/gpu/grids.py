"""Part (g): what the paper's grids would take on this card, from the figures of the parts before."""

import statistics
from collections.abc import Iterator
from pathlib import Path

from suite.errors import UserError
from sweeps.gpu import runs
from sweeps.gpu.best import Together, fastest
from sweeps.gpu.runs import Workload
from sweeps.gpu.sizes import Measured, Row, Size

SWEEPS = Path(__file__).resolve().parents[1]
GRIDS = ("atari/paper", "atari/offline-paper", "mujoco/paper")
DAY = 86_400.0  # seconds


def measure(size: Size, scratch: Path, measured: Measured) -> Iterator[Row]:
    """Yield a row for each grid: hours of its runs and card-days, or the measurement that is missing for them."""
    sharing = speed_up(measured.get("sharing", []))
    for name in GRIDS:
        works = runs.grid_work(SWEEPS / f"{name}.yaml")
        try:
            seconds = [duration(work, measured) for work in works]
        except UserError as missing:
            yield {"grid": name, "runs": len(works), "missing": str(missing)}
            continue
        row = {"grid": name, "runs": len(works), "hours of a run": statistics.median(seconds) / 3_600}
        row |= {"hours of the longest": max(seconds) / 3_600, "card-days, one at a time": sum(seconds) / DAY}
        if sharing:
            number, factor = sharing
            row |= {"runs at once": number, "card-days, so many at once": sum(seconds) / factor / DAY}
        yield row


def duration(work: Workload, measured: Measured) -> float:
    """Return seconds of a run that has the card for itself. Raises UserError for a missing figure.

    If the loop was measured at another width, the difference between the gradient steps of both widths is added.
    """
    loop = loop_of(work, measured)
    gradient_step = step_of(work, measured)
    evaluation = work.evaluation_steps * (loop["acting (ms)"] + loop["emulator (ms)"]) / 1e3
    if not work.agent_steps:  # from a data set: no loop with an environment
        alone = (loop["sampling (ms)"] + loop["transfer (ms)"] + gradient_step) / 1e3
        return float(work.gradient_steps * alone + evaluation)
    longer = gradient_step - step_of(work._replace(width=loop["width"]), measured)
    playing = work.agent_steps / loop["agent steps per second"]
    return float(playing + work.gradient_steps * longer / 1e3 + evaluation)


def loop_of(work: Workload, measured: Measured) -> Row:
    """Return the measured loop with as many networks; CQL's phases are those of DQN, whose networks it has."""
    for row in measured.get("loops", []):
        if (row["agent"], row["K"]) == (networks_of(work.agent), work.networks):
            return row
    raise UserError(f"end to end, {work.agent} with K = {work.networks}")


def step_of(work: Workload, measured: Measured) -> float:
    """Return milliseconds of a gradient step at the defaults: products, batch, and mapping of a GPU."""
    wanted = (networks_of(work.agent), work.width, work.networks)
    rows = [
        row
        for row in measured.get("steps", [])
        if (row["agent"], row["width"], row["K"], row["products"], row["way"]) == (*wanted, "default", "vmapped")
    ]
    if not rows:
        raise UserError(f"gradient step of {wanted[0]} {work.width} with K = {work.networks}")
    return float(min(rows, key=lambda row: row["batch"])["ms"])


def networks_of(agent: str) -> str:
    """Return the agent that has the same networks and is measured: "dqn" for "cql"."""
    return "dqn" if agent == "cql" else agent


def speed_up(rows: list[Row]) -> tuple[int, float] | None:
    """Return how many runs at once have the most agent steps per second, and their speed-up over a single run."""
    shared = [Together.model_validate(row) for row in rows]
    alone, best = fastest(row for row in shared if row.runs == 1), fastest(shared)
    return (best.runs, best.rate / alone.rate) if best and best.rate and alone and alone.rate else None
