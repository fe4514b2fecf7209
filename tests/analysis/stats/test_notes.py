"""What a reader should know, with the numbers that it names."""

from dataclasses import replace

import pytest

from analysis.data import cells
from analysis.data.runs import Run, history
from analysis.settings import Settings
from analysis.stats import notes
from analysis.stats.comparison import compare


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


def test_runs_without_a_pair_are_counted_where_runs_are_paired():
    seeds = {
        "dense": {"atari/Pong": (0, 1, 2), "atari/Boxing": (0, 1)},
        "gmp": {"atari/Pong": (1, 2), "atari/Boxing": (5, 6)},
    }
    runs = [
        replace(ran(task, seed, 1000), method=method)
        for method, tasks in seeds.items()
        for task, own in tasks.items()
        for seed in own
    ]
    for paired, expected in (
        (False, []),
        (True, ["share no seed with a result", "1 run left out, whose seed the other lacks"]),
    ):
        said = compare(cells.seen(runs), "", Settings(repetitions=20, paired=paired)).notes
        pairs = [line for line in said if line.startswith("gmp and dense")]
        assert [text in line for line, text in zip(pairs, expected, strict=True)] == [True] * len(expected)


@pytest.mark.parametrize(
    ("options", "swept", "expected"),
    [
        ({"agent.width": 32}, (), "on atari/Pong: agent.width (512 or 32)."),
        ({"agent.width": 32}, ("agent.width",), None),
        ({"agent.width": 512.0}, (), None),
        ({"method.final_sparsity": 0.9, "pruning.score": "random", "dataset.path": "elsewhere"}, (), None),
    ],
)
def test_methods_that_ran_with_different_options_are_named(options, swept, expected):
    dense = replace(ran("atari/Pong", 0, 1000), options={"agent.width": 512, "dataset.path": "here"})
    runs = [dense, replace(dense, method="gmp", options=dense.options | options)]
    said = compare(replace(cells.seen(runs), swept=swept), "", Settings(repetitions=20)).notes
    found = [line for line in said if "DIFFERENT OPTIONS" in line]
    assert [expected in line for line in found] == [True] if expected else found == []


@pytest.mark.parametrize(("numbers", "lost"), [((1, 2, 3), 0), ((1, 3), 1), ((4, 8), 6)])
def test_epochs_that_files_lack_are_counted(numbers, lost):
    rows = [{"epoch": epoch, "agent_step": 1000 * epoch, "return": 5.0} for epoch in numbers]
    runs = [replace(ran("atari/Pong", seed, 9000), history=history(rows)) for seed in (0, 1)]
    found = [line for line in compare(cells.seen(runs), "", Settings(repetitions=20)).notes if "files lack" in line]
    assert [line.partition(":")[0] for line in found] == [f"The files lack {2 * lost} epochs of 2 runs"] * bool(lost)


def test_files_that_state_no_protocol_are_named_where_that_keeps_them_apart():
    def said(other, steps):
        runs = [ran("atari/Pong", 0, 1000), replace(ran("atari/Pong", 0, steps), method="gmp")]
        runs = [
            replace(run, protocol=f"not stated in {name}") for run, name in zip(runs, ("a.csv", other), strict=True)
        ]
        found = compare(cells.seen(runs), "", Settings(repetitions=20))
        return len(found.blocks), [line for line in found.notes if "state no protocol" in line]

    assert said("a.csv", 1000) == (1, [])
    assert said("a.csv", 5000) == (2, [])  # lengths differ
    blocks, (line,) = said("b.csv", 1000)
    assert blocks == 2 and "The files of dense, gmp" in line
