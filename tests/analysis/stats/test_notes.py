"""What a reader should know, with the numbers that it names."""

import pytest

from analysis.data import cells
from analysis.data.runs import Run, history
from analysis.stats import notes


def ran(task, seed, agent_steps):
    rows = [{"epoch": 1, "agent_step": agent_steps, "return": 5.0}]
    return Run("", task, "dense", seed, {}, {}, "finished", "", "records", "ours", agent_steps, history(rows))


@pytest.mark.parametrize(
    ("lengths", "advice"),
    [
        ({"atari/Pong": (5_000_000, 10_000_000), "mujoco/Hopper": (1_000_000, 1_000_000)}, 5_000_000),
        ({"atari/Pong": (5_000_000, 10_000_000), "mujoco/Hopper": (1_000_000, 500_000)}, 500_000),
        ({"atari/Pong": (10_000_000, 10_000_000), "mujoco/Hopper": (1_000_000,)}, None),
    ],
)
def test_the_advice_is_the_longest_cut_that_makes_runs_of_a_task_alike(lengths, advice):
    runs = [ran(task, seed, length) for task, own in lengths.items() for seed, length in enumerate(own)]
    said = notes.shorter(cells.seen(runs))
    assert [f"--agent-steps {advice} " in line for line in said] == [True] * (advice is not None)
