"""Export the policy of a finished run, and play it without JAX.

Run it from the root of the repository:

    .venv/bin/python -m examples.run_exported_policy runs/mujoco-laptop/<run> --episodes 3

The export runs in another process. It needs JAX, because it compares the exported policy with the trained one.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from suite.deploy import compact
from suite.deploy.runner import Runner
from suite.environments import environment_of
from suite.errors import UserError
from suite.record import schema


def export(run: Path) -> None:
    """Write the policy of a finished run in the compact format. Raise CalledProcessError if that fails."""
    command = [sys.executable, "-m", "sweeps.export", str(run), "--format", "compact", "--calls", "0"]
    subprocess.run(command, check=True)


def play(run: Path, episodes: int) -> list[float]:
    """Return the undiscounted returns of some episodes with greedy actions. Raise UserError for a damaged file."""
    policy, _ = compact.read(run / schema.EXPORT / "compact.safetensors")
    act = Runner(policy)  # observation -> action, with numpy and scipy alone
    environment = environment_of(schema.read_json(run / schema.POLICY_CARD))
    returns = []
    for seed in range(episodes):
        observation, _ = environment.reset(seed=seed)
        total, over = 0.0, False
        while not over:
            observation, reward, terminated, truncated, _ = environment.step(act(observation))
            total, over = total + float(reward), terminated or truncated
        returns.append(total)
    environment.close()
    return returns


def main() -> None:
    """Export a policy, play it, and print the returns. Exit with an error if the run has no policy."""
    description = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m examples.run_exported_policy", description=description)
    parser.add_argument("run", type=Path, help="the folder of a finished run")
    parser.add_argument("--episodes", type=int, default=3, help="number of episodes [3]")
    given = parser.parse_args()
    try:
        export(given.run)
        returns = play(given.run, given.episodes)
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
    except UserError as error:
        sys.exit(f"error: {error}")
    print("returns:", *(f"{value:.1f}" for value in returns))
    print("JAX was imported" if "jax" in sys.modules else "JAX was not imported")


if __name__ == "__main__":
    main()
