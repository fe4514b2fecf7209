"""Plans for the SLURM engine, submitted as a launch does."""

from typing import Any

from sweeps.engines import slurm
from sweeps.engines.base import Plan


def submit(plan: Plan, **options: Any) -> int:
    """Check the options and start the plan; -> exit code."""
    chosen = slurm.SlurmOptions(**options)
    slurm.check(chosen)
    return slurm.start(plan, chosen).wait()
