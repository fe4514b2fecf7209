"""The engines by name, as in `--engine slurm`."""

from sweeps.engines import local, slurm, wandb
from sweeps.engines.base import Engine

ENGINES: dict[str, Engine] = {"local": local, "slurm": slurm, "wandb": wandb}
