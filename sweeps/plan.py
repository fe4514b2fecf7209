"""From a sweep file to the cells that an engine runs."""

from collections.abc import Callable, Sequence

from suite.errors import UserError
from sweeps import grid
from sweeps.config import RunConfig, resolve
from sweeps.engines.base import Work


def resolve_all(sweep: grid.Sweep, file: str) -> list[RunConfig]:
    """Resolve each cell to its run, from its command line. Raises UserError for an invalid cell, and for two cells that
    are the same run."""
    runs: dict[str, RunConfig] = {}
    for cell in sweep.cells:
        try:
            run = resolve({name: str(value) for name, value in cell.items()})
        except UserError as error:
            raise UserError(f"{file}: {error}") from None
        if run.name in runs:
            raise UserError(
                f"{file}: two cells are the same run, {run.name}; leave out one of them, such as"
                f" {' '.join(grid.flags(cell))}"
            )
        runs[run.name] = run
    return list(runs.values())


def works_of(sweep: grid.Sweep, runs: Sequence[RunConfig], seconds: Callable[[RunConfig], float] | None) -> list[Work]:
    """Return the cells as an engine sees them. Their cost is their agent steps where the seconds are not known."""
    cost = seconds or (lambda run: run.total_agent_steps)
    works = [
        Work(run.name, grid.flags(cell), run.total_agent_steps, cost(run), label)
        for cell, run, label in zip(sweep.cells, runs, labels(runs), strict=True)
    ]
    return order(works, [run.seed for run in runs])


def labels(runs: Sequence[RunConfig]) -> list[str]:
    """Label runs for a table: by their names, or, where these differ in their digest alone, by the options that differ,
    as in "atari-Pong.gmp.seed0 width=32"."""
    alike: dict[str, list[RunConfig]] = {}
    for run in runs:
        alike.setdefault(run.readable, []).append(run)
    shown = {name: _differing(group) for name, group in alike.items()}
    return [_label(run, shown[run.readable]) for run in runs]


def _differing(runs: Sequence[RunConfig]) -> list[str]:
    """List the options in which runs differ. An agent has options and defaults of its own, which go without saying."""
    agents = dict.fromkeys(run.agent for run in runs)
    differing = ["agent"] if len(agents) > 1 else []
    for agent in agents:
        first, *others = [run.arguments() for run in runs if run.agent == agent]
        differing += [key for key, value in first.items() if any(other[key] != value for other in others)]
    return list(dict.fromkeys(differing))


def _label(run: RunConfig, differing: Sequence[str]) -> str:
    if not differing:
        return run.name
    options = {**run.arguments(), "agent": run.agent}  # also where it is the task's default
    ends = [key.rpartition(".")[2] for key in differing]
    names = {key: end if ends.count(end) == 1 else key for key, end in zip(differing, ends, strict=True)}
    return " ".join([run.readable, *(f"{name}={options[key]}" for key, name in names.items() if key in options)])


def order(works: Sequence[Work], seeds: Sequence[int]) -> list[Work]:
    """Order cells as the grid does, but the last seed's longest first, so that workers end at about the same time."""
    pairs = list(zip(works, seeds, strict=True))
    head = [work for work, seed in pairs if seed != seeds[-1]]
    tail = [work for work, seed in pairs if seed == seeds[-1]]
    return head + sorted(tail, key=lambda work: -work.cost)
