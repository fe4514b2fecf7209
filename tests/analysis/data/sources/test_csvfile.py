"""CSV files: the documented layout, the other names, and the one line that each damage gives."""

import dataclasses
import re

import pandas as pd
import pytest

from analysis.data import cells, protocol, runs
from analysis.data.sources import csvfile, runfolder
from analysis.data.sources.layouts import CsvOptions
from suite.errors import UserError


def test_the_smallest_file(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("method,task,seed,agent_step,return\nme,atari/Pong,3,2000,5\nme,atari/Pong,3,1000,\n")
    (run,), notes = csvfile.load(path)
    assert (run.method, run.task, run.seed, run.status, run.source) == ("me", "atari/Pong", 3, "finished", "csv")
    assert run.history["agent_step"].tolist() == [1000, 2000] and run.history["epoch"].tolist() == [1, 2]
    assert (run.final("return"), run.history["return"].isna().tolist()) == (5.0, [True, False])
    assert run.protocol == "not stated in mine.csv" and run.agent_steps == 2000
    assert notes == []


def test_what_the_table_writes_is_read_back(run, tmp_path):
    first = runfolder.read(run(seed=1, returns=(1.0, None, 3.0), evaluations=(7.5, 8.5, 9.5)))
    second = runfolder.read(run(task="mujoco/Ant", sparsity=0.9, actor_sparsity=0.6, status="failed"))
    frame = runs.tidy([("dense", first), ("dense", second)])
    runs.write_csv(frame, tmp_path / "curves.csv")
    read, notes = csvfile.load(tmp_path / "curves.csv")
    assert notes == []
    again = runs.tidy([("dense", run) for run in read])
    pd.testing.assert_frame_equal(again.drop(columns="source"), frame.drop(columns="source"), check_dtype=False)
    assert [run.status for run in read] == ["finished", "failed"]
    assert read[1].reason == "stated in curves.csv"


def test_thinned_seeds_of_unequal_length_meet_at_equal_steps(run, tmp_path):
    for seed, length in enumerate((300, 200)):
        run(seed=seed, returns=tuple(range(length)), options={"trainer.epochs": length})
    found = [("dense", runfolder.read(folder)) for folder in sorted((tmp_path / "runs").iterdir())]
    runs.write_csv(runs.tidy(found), tmp_path / "curves.csv")
    for again in ("a", "b"):
        read, _ = csvfile.load(tmp_path / "curves.csv")
        frame = runs.tidy([("dense", each) for each in read])
        assert (frame["agent_step"] == 1000 * frame["epoch"] + frame["seed"]).all()
        assert (frame["return"] == frame["epoch"] - 1).all() and frame["epoch"].max() == 300
        runs.write_csv(frame, tmp_path / again)
        assert (tmp_path / again).read_text().count("\n") == (tmp_path / "curves.csv").read_text().count("\n")
        (tmp_path / again).rename(tmp_path / "curves.csv")


@pytest.mark.parametrize("numbers", ["2,1", "1.5,2", ",2", "1,1", "1,1e300", "inf,inf"])
def test_numbers_of_epochs_that_are_none_are_counted(tmp_path, numbers):
    rows = [f"me,atari/Pong,0,{i}000,{i},{number}" for i, number in enumerate(numbers.split(","), start=1)]
    (tmp_path / "mine.csv").write_text("\n".join([f"{HEAD},epoch", *rows]))
    assert csvfile.load(tmp_path / "mine.csv")[0][0].history["epoch"].tolist() == [1, 2]


def test_the_names_of_open_rl_benchmark(tmp_path):
    path = tmp_path / "export.csv"
    lines = ["exp_name,env_id,seed,global_step,charts/episodic_return,losses/q"]
    lines += [
        f"{name},1,100,{value},0" for name, value in (("sac,HalfCheetah-v4", 9), ("dqn,BreakoutNoFrameskip-v4", 2))
    ]
    path.write_text("\n".join(lines))
    found, notes = csvfile.load(path)
    assert [(run.task, run.final("return")) for run in found] == [("mujoco/HalfCheetah", 9), ("atari/Breakout", 2)]
    assert found[0].protocol == "environment v4, not stated in export.csv"
    assert len(notes) == 2 and notes[0].endswith("left out: losses/q.") and "last episode" in notes[1]


HEAD = "method,task,seed,agent_step,return"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a CSV file"),
        (HEAD, "holds no row"),
        ("method,task,agent_step\na,b,1", "has no column seed, return"),
        ("method,task,agent_step\na,b,1", "found: method, task, agent_step. Name columns with --columns seed=THEIRS"),
        (f"{HEAD}\nme,Pang,0,1000,1\nme,Pung,0,1000,1", "a reference return: Pang, Pung (--references FILE"),
        (f"{HEAD}\nme,atari/Pong,0,1000,high", ":2: return should be a number, found 'high'"),
        (f"{HEAD}\nme,atari/Pong,0,1000,1\nme,atari/Pong,zero,1000,1", ":3: seed should be a whole number"),
        (f"{HEAD}\nme,atari/Pong,0,1000.5,1", "agent_step should be a whole number"),
        (f"{HEAD}\nme,atari/Pong,0,-5,1", ":2: agent_step should be a whole number from 0 on, found '-5'"),
        (f"{HEAD},sparsity\nme,atari/Pong,0,1000,1,95", ":2: sparsity should be a number from 0 to 1, found '95'"),
        (f"{HEAD}\nme,,0,1000,1", ":2: task is empty"),
        (
            f"{HEAD}\nme,atari/Pong,0,1000,1\nme,atari/Pong,0,1000,2",
            "seed 0 has agent step 1,000 twice, with return 1.0 and 2.0",
        ),
        (
            f"{HEAD},name\nme,atari/Pong,0,1000,1,a\nme,atari/Pong,0,1000,1,b",
            "seed 0 has agent step 1,000 twice, with name a and b",
        ),
        (f"{HEAD},status\nme,atari/Pong,0,1000,1,done", "should be finished, failed or unfinished"),
        (f"{HEAD},protocol\nme,atari/Pong,0,1,1,a\nme,atari/Pong,0,2,1,b", "more than one protocol: a, b"),
        (  # the end of the file is lost
            f"{HEAD},status,planned_agent_steps\nme,atari/Pong,0,1000,1,finished,9000\nme,atari/Pong,0,2000,1,,",
            "seed 0 is finished, but its last row is at agent step 2,000 of 9,000",
        ),
    ],
)
def test_damage_gives_one_clear_line(tmp_path, text, message):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"mine\.csv.*{re.escape(message)}"):
        csvfile.load(path)


@pytest.mark.parametrize("lost", [1, 2, 5])
def test_few_lost_epochs_of_many_are_an_error(run, tmp_path, lost):
    """Of 40 epochs: far less than lengths of training may differ by."""
    folder = run(returns=tuple(range(40)), options={"trainer.epochs": 40})
    read = dataclasses.replace(runfolder.read(folder), agent_steps=40_000)
    runs.write_csv(runs.tidy([("dense", read)]), tmp_path / "curves.csv")
    assert csvfile.load(tmp_path / "curves.csv")[0][0].final("return") == 39
    lines = (tmp_path / "curves.csv").read_text().splitlines()
    (tmp_path / "curves.csv").write_text("\n".join(lines[:-lost]) + "\n")
    with pytest.raises(UserError, match=f"its last row is at agent step {40 - lost},000 of 40,000"):
        csvfile.load(tmp_path / "curves.csv")


def test_a_last_line_that_is_cut_is_an_error(run, tmp_path):
    """Within the return, -123.5 would be -12."""
    runs.write_csv(runs.tidy([("dense", runfolder.read(run(returns=(1.0, 2.0, -123.5))))]), tmp_path / "curves.csv")
    whole = (tmp_path / "curves.csv").read_text()
    assert csvfile.load(tmp_path / "curves.csv")[0][0].final("return") == -123.5
    for end in range(whole.rindex("dense,dense") + 1, whole.rindex(",") + 1):
        (tmp_path / "curves.csv").write_text(whole[:end])
        with pytest.raises(UserError, match=r"curves\.csv: its last line has \d+ of \d+ cells; the file is damaged"):
            csvfile.load(tmp_path / "curves.csv")


@pytest.mark.parametrize("head", [HEAD, HEAD.replace("agent_step,return", "global_step,charts/episodic_return")])
@pytest.mark.parametrize("shift", [0, 7])
@pytest.mark.parametrize("epoch", [None, 3000])
def test_two_runs_of_a_seed_in_one_file_are_not_averaged(tmp_path, head, shift, epoch):
    """The steps of a log rise; parts of it may be in any order."""
    path = tmp_path / "mine.csv"

    def read(*rows):
        path.write_text("\n".join([head, *rows]) + "\n")
        return csvfile.load(path, CsvOptions(epoch=epoch))[0][0].history["return"].iloc[-1]

    one = [f"me,atari/Pong,0,{1000 * i},{i}" for i in range(1, 7)]
    other = [f"me,atari/Pong,0,{1000 * i + shift},{100 * i}" for i in range(1, 7)]
    assert read(*one) == read(*one[::-1]) == read(*one[3:], *one[:3]) == read(*one, *one)
    with pytest.raises(
        UserError, match=r"mine\.csv: me, atari/Pong, seed 0 has .*; each seed of a method should be one run"
    ):
        read(*one, *other)


def test_seeds_at_other_steps_are_not_averaged(tmp_path):
    path = tmp_path / "mine.csv"

    def written(*lengths):
        steps = [(seed, length * (i + 1)) for seed, length in enumerate(lengths) for i in range(9)]
        path.write_text("\n".join([HEAD, *(f"me,atari/Pong,{seed},{step},1" for seed, step in steps)]))
        return path

    assert len(csvfile.load(written(1000, 1090))[0]) == 2  # where an epoch ends with an episode
    with pytest.raises(
        UserError, match=r"mine\.csv: me, atari/Pong: epoch 2 of one seed is at agent step 10,000 and of "
    ):
        csvfile.load(written(5_000, 10_000))


@pytest.mark.parametrize(("epochs", "expected"), [(("", "", ""), [1.0, 1.0, 3.0]), (("1", "2", "3"), [1.0, None, 3.0])])
def test_a_return_holds_until_the_next_except_in_numbered_epochs(tmp_path, epochs, expected):
    rows = [f"me,atari/Pong,0,{step},{value}" for step, value in (("1000", "1,7"), ("2000", ",8"), ("3000", "3,9"))]
    lines = [f"{HEAD},evaluation_return,epoch", *map(",".join, zip(rows, epochs, strict=True))]
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    (run,), _ = csvfile.load(tmp_path / "mine.csv")
    assert [None if pd.isna(value) else value for value in run.history["return"]] == expected
    assert run.history["evaluation_return"].tolist() == [7.0, 8.0, 9.0]


def test_rows_of_one_step_may_differ_in_their_clock(tmp_path):
    head = f"{HEAD},seconds,evaluation_return"
    (tmp_path / "mine.csv").write_text(f"{head}\nme,atari/Pong,0,1000,1,7,\nme,atari/Pong,0,1000,1,8,5")
    (run,), _ = csvfile.load(tmp_path / "mine.csv")
    assert run.history[["return", "seconds", "evaluation_return"]].to_numpy().tolist() == [[1.0, 8.0, 5.0]]


def test_epochs_have_mean_returns_and_the_last_counts(tmp_path):
    head = f"{HEAD},frame,seconds,sparsity"
    rows = [f"me,atari/Pong,0,{1000 * i},{i},{4000 * i},{36 * i},{i / 10}" for i in range(1, 11)]
    (tmp_path / "mine.csv").write_text("\n".join([head, *rows]))
    (run,), _ = csvfile.load(tmp_path / "mine.csv", CsvOptions(epoch=5000))
    assert run.history[["agent_step", "return", "frame", "seconds", "sparsity"]].to_numpy().tolist() == [
        [5000, 3.0, 20_000, 180, 0.5],
        [10_000, 8.0, 40_000, 360, 1.0],
    ]


@pytest.mark.parametrize(("last", "ends"), [(7, [7000]), (8, [5000, 8000]), (12, [5000, 12_000])])
def test_the_last_epoch_ends_with_the_run(tmp_path, last, ends):
    """Also one that is longer than the others, as the rest was less than half an epoch; so lengths can be compared."""
    rows = [f"me,atari/Pong,0,{1000 * i},{i}" for i in range(1, last + 1)]
    (tmp_path / "mine.csv").write_text("\n".join([HEAD, *rows]))
    (run,), _ = csvfile.load(tmp_path / "mine.csv", CsvOptions(epoch=5000))
    assert run.history["agent_step"].tolist() == ends and run.agent_steps == 1000 * last


def test_lengths_differ_also_where_an_epoch_is_as_long(tmp_path):
    path = tmp_path / "mine.csv"
    rows = [f"{name},atari/Pong,0,{step},1" for name, end in (("a", 100), ("b", 55)) for step in range(1, end + 1)]
    path.write_text("\n".join([HEAD, *rows]))
    for epoch in (None, 100):
        grid = cells.seen(csvfile.load(path, CsvOptions(epoch=epoch, protocol="p"))[0])
        assert protocol.blocks(grid.signatures()) == [["a"], ["b"]]


def test_swept_rows_are_methods_of_their_own(run, tmp_path):
    found = [("dense, width=32", runfolder.read(run(seed=0))), ("dense, width=64", runfolder.read(run(seed=1)))]
    runs.tidy(found).to_csv(tmp_path / "curves.csv", index=False)
    assert [read.method for read in csvfile.load(tmp_path / "curves.csv")[0]] == ["dense, width=32", "dense, width=64"]


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        csvfile.load(tmp_path / "nowhere.csv")
