"""Tiny runs of real environments, as options, as flags and as sweep files."""

from typing import Any

#: The beginning of a sweep file; its parameters follow, indented.
HEAD = """
program: sweeps/run.py
command: ["${env}", python, "-m", sweeps.run, "--folder=runs/tiny", "${args}"]
name: tiny
method: grid
parameters:
"""
#: A run of a second, beside its imports: DQN on CartPole has the least to compile.
TINY: dict[str, Any] = {
    "task": "gym/CartPole-v1",
    "method": "dense",
    "seed": 0,
    "agent.network": "mlp",
    "agent.width": 4,
    "environment.max_episode_agent_steps": 20,
    "learner.target_update_period": 10,
    "replay.batch_size": 4,
    "replay.capacity": 100,
    "trainer.epochs": 1,
    "trainer.epoch_agent_steps": 60,
    "trainer.initial_samples": 20,
    "trainer.evaluation_episodes": 1,
}
#: The same with an actor: SAC on InvertedPendulum.
TINY_SAC: dict[str, Any] = {
    **{key: value for key, value in TINY.items() if not key.startswith("agent.")},
    "task": "mujoco/InvertedPendulum",
    "agent.critic_width": 8,
    "agent.actor_width": 8,
    "agent.random_steps": 20,
}
#: Cells that tests plan and do not run.
PLANNED: dict[str, Any] = {
    "task": "atari/Pong",
    "method": ["dense", "eaudeqn"],
    "seed": [0, 1],
    "trainer.epochs": 2,
    "trainer.epoch_agent_steps": 10_000,
    "trainer.initial_samples": 4_000,
    "learner.target_update_period": 100,
}


def run_flags(options: dict[str, Any]) -> list[str]:
    """Options of a run on the command line, without W&B."""
    return [f"--{key}={value}" for key, value in {"wandb": "disabled", **options}.items()]


def sweep_file(options: dict[str, Any]) -> str:
    """A sweep file of these options; a list holds the values of one option."""
    lines = [
        f"  {key}: {{values: [{', '.join(map(str, value))}]}}"
        if isinstance(value, list)
        else f"  {key}: {{value: {value}}}"
        for key, value in options.items()
    ]
    return HEAD + "\n".join(lines) + "\n"
