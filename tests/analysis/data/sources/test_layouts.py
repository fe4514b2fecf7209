"""CSV files in the shapes that other programs write."""

import gzip
from pathlib import Path

import pytest

from analysis.data.scores import from_file
from analysis.data.sources import csvfile, names
from analysis.data.sources.layouts import CsvOptions
from suite.errors import UserError

CLEANRL = "HalfCheetah-v4__sac_continuous_action__{}__1675888373"  # as CleanRL names runs
METRIC = "charts/episodic_return"


def load(path: Path, text: str, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return csvfile.load(path, CsvOptions(**options))


def who(runs) -> list[tuple[str, str, int]]:
    return [(run.method, run.task, run.seed) for run in runs]


def returns(run) -> list[list[float]]:
    return run.history[["agent_step", "return"]].to_numpy().tolist()


def monitor(*episodes: tuple[float, int, float], start: float = 1753248007.4, task: str = '"HalfCheetah-v4"') -> str:
    rows = "".join(f"{value},{length},{time}\n" for value, length, time in episodes)
    return f'#{{"t_start": {start}, "env_id": {task}}}\nr,l,t\n{rows}'


def test_episodes_of_stable_baselines3_are_averaged_over_epochs(tmp_path):
    episodes = [(float(i), 1000, 2.5 * i) for i in range(1, 31)]
    (run,), notes = load(tmp_path / "logs/sac/HalfCheetah-v4_7/0.monitor.csv", monitor(*episodes))
    assert who([run]) == [("sac", "mujoco/HalfCheetah", 7)] and run.protocol.startswith("environment v4, ")
    assert returns(run)[:2] == [[5000, 3.0], [10000, 8.0]] and run.agent_steps == 30_000
    assert "5,000 agent steps" in notes[0] and "--epoch" in notes[0]
    (run,), _ = csvfile.load(tmp_path / "logs", CsvOptions(epoch=15_000))
    assert returns(run) == [[15000, 8.0], [30000, 23.0]]


def test_environments_of_one_run_count_their_steps_together(tmp_path):
    """As stable-baselines3's load_results: in the order of the wall time, whenever each of them started."""
    folder = tmp_path / "a2c" / "Hopper-v4_1"
    load(folder / "0.monitor.csv", monitor((1.0, 100, 1.0), (3.0, 100, 3.0), start=10.0, task='"Hopper-v4"'))
    load(folder / "1.monitor.csv", monitor((2.0, 100, 1.0), (4.0, 100, 3.0), start=11.0, task='"Hopper-v4"'))
    (run,), _ = csvfile.load(tmp_path, CsvOptions(epoch=100))
    assert returns(run) == [[100, 1.0], [200, 2.0], [300, 3.0], [400, 4.0]]


@pytest.mark.parametrize("task", ["null", '"None"'])
def test_a_monitor_without_a_task_is_named_by_its_folder(tmp_path, task):
    text = monitor((1.0, 10, 1.0), task=task)
    (run,), _ = load(tmp_path / "ppo" / "Ant" / "3" / "monitor.csv", text, names="{method}/{task}/{seed}")
    assert who([run]) == [("ppo", "mujoco/Ant", 3)]
    with pytest.raises(UserError, match=r"no column method, task, seed.* found: return.* --names"):
        load(tmp_path / "monitor.csv", text)


PROGRESS = """rollout/ep_len_mean,rollout/ep_rew_mean,time/fps,time/time_elapsed,time/total_timesteps,eval/mean_reward
1000.0,100.0,200,20,4000,
1000.0,150.0,200,40,8000,
,,,,10000,300.0
1000.0,200.0,200,50,10000,
,,,,20000,700.0
"""


@pytest.mark.parametrize("pattern", [None, "{method}/{task}_{seed}"])
@pytest.mark.parametrize("name", ["progress.csv", "progress.csv.gz"])
def test_a_log_of_stable_baselines3_has_rollouts_and_evaluations(tmp_path, name, pattern):
    path = tmp_path / "logs" / "sac" / "HalfCheetah-v4_1" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(PROGRESS.encode()) if name.endswith(".gz") else PROGRESS.encode())
    (run,), notes = csvfile.load(tmp_path / "logs", CsvOptions(names=pattern))
    assert who([run]) == [("sac", "mujoco/HalfCheetah", 1)] and run.agent_steps == 20_000
    assert returns(run) == [[4000, 100.0], [8000, 150.0], [10_000, 200.0], [20_000, 200.0]]
    assert run.history["evaluation_return"].fillna(-1).tolist() == [-1, -1, 300.0, 700.0]
    assert run.history["seconds"].fillna(-1).tolist() == [20, 40, 50, -1]
    assert len(notes) == 1 and "rollout/ep_len_mean" in notes[0]
    (run,), _ = csvfile.load(tmp_path / "logs", CsvOptions(epoch=10_000))
    assert returns(run) == [[10_000, 150.0], [20_000, 150.0]]
    assert run.history["evaluation_return"].tolist() == [300.0, 700.0]


def test_seeds_need_the_same_steps_but_not_the_same_rows(tmp_path):
    rollout = "1000.0,200.0,200,50,10000,\n"
    for seed, text in ((1, PROGRESS), (2, PROGRESS.replace(rollout, ""))):
        folder = tmp_path / "sac" / f"HalfCheetah-v4_{seed}"
        folder.mkdir(parents=True)
        (folder / "progress.csv").write_text(text)
    assert [returns(run)[2] for run in csvfile.load(tmp_path)[0]] == [[10_000, 200.0], [10_000, 150.0]]


def test_a_log_beside_the_episodes_of_its_run_is_left_out(tmp_path):
    folder = tmp_path / "sac" / "HalfCheetah-v4_1"
    load(folder / "monitor.csv", monitor(*((float(i), 1000, float(i)) for i in range(1, 11))))
    load(folder / "progress.csv", PROGRESS)
    (run,), notes = csvfile.load(tmp_path, CsvOptions(epoch=5000))
    assert returns(run) == [[5000, 3.0], [10_000, 8.0]] and run.returns == {"return"}
    assert [note for note in notes if "progress.csv" in note and "monitor.csv" in note and "--runs" in note] == notes
    (run,), _ = csvfile.load(folder / "progress.csv")
    assert run.returns == {"return", "evaluation_return"}


def test_episodes_and_means_of_a_run_are_not_averaged_together(tmp_path):
    constants = {"method": "sac", "task": "HalfCheetah-v4", "seed": "1"}
    load(tmp_path / "monitor.csv", monitor((1.0, 1000, 1.0), (2.0, 1000, 2.0)), constants=constants)
    load(tmp_path / "log" / "progress.csv", PROGRESS, constants=constants)
    with pytest.raises(UserError, match="single episodes and means in the column return") as caught:
        csvfile.load(tmp_path, CsvOptions(constants=constants))
    assert all(name in str(caught.value) for name in ("monitor.csv", "progress.csv", "--runs"))


def two_logs(folder: Path, kind: str) -> None:
    """Write returns of about 100 and about 900, of two runs that have the same seed."""
    for i, name in enumerate(("1675888373", "1675999999")):
        value, scalars = 100 + 800 * i, f"run-Hopper-v4__sac__1__{name}-tag-charts_episodic_return.csv"
        rows = [(step + 13 * i * (kind == "apart"), value) for step in range(1000, 20_000, 1000)]
        if kind == "scalars":
            load(folder / scalars, "Wall time,Step,Value\n" + "".join(f"1,{step},{value}\n" for step, value in rows))
        elif kind == "monitors":
            load(folder / name / "sac/HalfCheetah-v4_1/monitor.csv", monitor(*((value, 1000, i) for i in range(20))))
        else:
            text = "".join(f"a,Pong,1,{step},{value}\n" for step, value in rows)
            load(folder / f"{name}.csv", f"method,task,seed,agent_step,return\n{text}")


@pytest.mark.parametrize("kind", ["scalars", "monitors", "apart", "averaged"])
def test_two_runs_of_a_seed_are_not_one(tmp_path, kind):
    two_logs(tmp_path, kind)
    with pytest.raises(UserError, match="each seed of a method should be one run") as caught:
        csvfile.load(tmp_path, CsvOptions(epoch=2000 if kind == "averaged" else None))
    assert all(name in str(caught.value) for name in ("seed 1 ", "1675888373", "1675999999"))


def test_a_log_may_continue_in_another_file(tmp_path):
    for name, steps in (("a", (1000, 2000)), ("b", (3000, 4000))):
        text = "".join(f"a,Pong,1,{step},{step / 1000}\n" for step in steps)
        load(tmp_path / f"{name}.csv", f"method,task,seed,agent_step,return\n{text}")
    for epoch, expected in ((None, [1.0, 2.0, 3.0, 4.0]), (2000, [1.5, 3.5])):
        (run,), _ = csvfile.load(tmp_path, CsvOptions(epoch=epoch))
        assert run.history["return"].tolist() == expected and run.agent_steps == 4000


def chart(metric: str = METRIC, axis: str = "global_step", runs: tuple[str, ...] = (CLEANRL.format(1),)) -> str:
    """W&B's export: a run has no value where only another has a point."""
    ends = ("", "__MIN", "__MAX")
    lines = [",".join(f'"{column}"' for column in (axis, *(f"{run} - {metric}{end}" for run in runs for end in ends)))]
    for epoch in range(1, 21):
        for i in range(len(runs)):
            cells = [str(epoch) if run == runs[i] else "" for run in runs for _ in ends]
            lines.append(",".join(f'"{cell}"' for cell in (str(1000 * epoch + i), *cells)))
    return "\n".join(lines)


def test_the_only_metric_of_a_chart_is_not_another_that_was_asked_for(tmp_path):
    assert load(tmp_path / "loss.csv", chart("loss"))[0][0].final("return") is not None
    for columns in ({"return": "eval/score"}, {"evaluation_return": "eval/score"}):
        with pytest.raises(UserError, match="the metrics loss"):
            load(tmp_path / "loss.csv", chart("loss"), columns=columns)


def test_a_chart_of_wandb_has_a_run_in_each_column(tmp_path):
    found, notes = load(tmp_path / "wandb_export.csv", chart(runs=(CLEANRL.format(1), CLEANRL.format(2))), epoch=5000)
    assert who(found) == [("sac_continuous_action", "mujoco/HalfCheetah", seed) for seed in (1, 2)]
    assert returns(found[0]) == [[5000, 3.0], [10000, 8.0], [15000, 13.0], [20000, 18.0]] and notes == []
    assert "Step is taken" in load(tmp_path / "steps.csv", chart(axis="Step"))[1][0]
    found, _ = load(tmp_path / "Hopper.csv", chart("eval/return", runs=("td3 - b-1",)), names="{task}/{method}-{seed}")
    assert who(found) == [("td3 - b", "mujoco/Hopper", 1)]
    assert found[0].history["evaluation_return"].tolist() == list(range(1, 21))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (chart(axis="Relative Time (Process)"), "x axis 'Relative Time (Process)'"),
        (chart("loss").replace("loss__MAX", "x"), "the metrics loss, x; name them with --columns"),
        (chart(runs=("Group: sac",)), "ungroup the runs"),
        (chart(runs=(CLEANRL.format(1), CLEANRL.format(1))), f"columns {CLEANRL.format(1)} - {METRIC} are repeated"),
        (chart(runs=("a name",)), "has no column method, task, seed"),
        ('#{"t_start": "x"}\nr,l,t\n', "first line"),
        ('#{"t_start": 1.0}\nr,l\n1,2', "r, l and t"),
    ],
)
def test_a_refusal_says_what_helps(tmp_path, text, message):
    with pytest.raises(UserError) as caught:
        load(tmp_path / "mine.csv", text)
    assert message in str(caught.value)


def test_a_table_of_wandb_has_a_run_in_each_row(tmp_path):
    states = {"Finished": "finished", "failed": "failed", "crashed": "failed", "killed": "failed"}
    states |= dict.fromkeys(["running", "pending", "preempting", "preempted", "unfinished"], "unfinished")
    head = '"Name","State","Created","env_id","exp_name","seed","global_step","charts/episodic_return"'
    lines = [f'"a{i}","{state}","now","Hopper-v4","td3","{i}","1000","5.5"' for i, state in enumerate(states)]
    found, notes = load(tmp_path / "table.csv", "\n".join([head, *lines]))
    assert [run.status for run in found] == list(states.values()) and found[0].name == "a0"
    assert "Created" in notes[0] and "last episode" in notes[1]


def test_scalars_of_tensorboard_are_a_file_for_each_run(tmp_path):
    for seed in (1, 2):
        for tag in (METRIC, "losses/q", "eval/mean_reward"):
            path = tmp_path / f"run-{CLEANRL.format(seed)}-tag-{tag.replace('/', '_')}.csv"
            path.write_text("Wall time,Step,Value\n" + "".join(f"16758.5,{i * 1000},{i}\n" for i in range(1, 21)))
        (tmp_path / f"run-{CLEANRL.format(seed)}-tag-eval_mean_reward.csv").unlink()
    found, notes = csvfile.load(tmp_path)
    assert who(found) == [("sac_continuous_action", "mujoco/HalfCheetah", seed) for seed in (1, 2)]
    assert returns(found[0])[0] == [5000, 3.0] and sum("no returns" in note for note in notes) == 2
    found, _ = csvfile.load(tmp_path, CsvOptions(columns={"evaluation_return": "losses/q"}, epoch=20_000))
    assert found[0].history["evaluation_return"].tolist() == [10.5]


def test_scalars_of_one_run_have_steps_of_their_own(tmp_path):
    points = {"rollout/ep_rew_mean": {4000: 1.0, 8000: 2.0}, "eval/mean_reward": {8000: 5.0, 12_000: 6.0}}
    for tag, values in points.items():
        rows = "".join(f"16758.5,{step},{value}\n" for step, value in values.items())
        path = tmp_path / f"run-{CLEANRL.format(1)}-tag-{tag.replace('/', '_')}.csv"
        path.write_text(f"Wall time,Step,Value\n{rows}")
    (run,), notes = csvfile.load(tmp_path)
    assert returns(run) == [[4000, 1.0], [8000, 2.0], [12_000, 2.0]] and notes == []
    assert run.history["evaluation_return"].fillna(-1).tolist() == [-1, 5.0, 6.0]


def test_episodes_of_cleanrl(tmp_path):
    """A row for each episode; seeds end theirs at different steps, and environments end some at the same."""
    head = "exp_name,env_id,seed,global_step,charts/episodic_return"
    steps = {1: [700, 700, 1500, 2000], 2: [10, 1100, 1900, 2000]}
    lines = [f"dqn,BreakoutNoFrameskip-v4,{s},{step},{i}" for s, own in steps.items() for i, step in enumerate(own)]
    found, _ = load(tmp_path / "history.csv", "\n".join([head, *lines]), epoch=1000)
    assert [returns(run) for run in found] == [[[1000, 0.5], [2000, 2.5]], [[1000, 0.0], [2000, 2.0]]]


def test_columns_of_ones_own(tmp_path):
    text = "algo;Env;run;x;score\nsac;Hopper-v2;4;1000;5,5\n"
    (run,), _ = load(tmp_path / "mine.csv", text, columns={"seed": "run", "agent_step": "x", "return": "score"})
    assert (*who([run])[0], run.final("return")) == ("sac", "mujoco/Hopper", 4, 5.5)
    options = {"constants": {"method": "mine"}, "columns": {"seed": "run", "agent_step": "x", "return": "score"}}
    assert who(load(tmp_path / "mine.csv", text, **options)[0]) == [("mine", "mujoco/Hopper", 4)]
    with pytest.raises(UserError, match=r"return=reward; found: algo, Env, run, x, score"):
        load(tmp_path / "mine.csv", text, columns={"return": "reward"})


def test_a_folder_of_files_some_compressed(tmp_path):
    head = "method,task,agent_step,return\n"
    for seed in (0, 1):
        (tmp_path / f"seed{seed}.csv.gz").write_bytes(gzip.compress(f"{head}a,atari/Pong,1000,{seed}\n".encode()))
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "curves.csv").write_text("what the last table left")
    (tmp_path / "comparison.csv").write_text("a table of ours")
    found, _ = csvfile.load(tmp_path, CsvOptions(names="seed{seed}", protocol="mine"), tmp_path / "report")
    assert who(found) == [("a", "atari/Pong", 0), ("a", "atari/Pong", 1)]
    assert {run.protocol for run in found} == {"mine"}


def test_rows_of_unknown_tasks_are_left_out_unless_references_name_them(tmp_path):
    text = "method,task,seed,agent_step,return\na,Maze-v1,0,1000,5\na,Pong,0,1000,7\n"
    found, notes = load(tmp_path / "mine.csv", text)
    assert who(found) == [("a", "atari/Pong", 0)] and "1 row left out" in notes[0] and "Maze-v1" in notes[0]
    (tmp_path / "own.csv").write_text("task,random,reference\nMaze-v1,0,10\n")
    found, notes = csvfile.load(tmp_path / "mine.csv", tasks=from_file(tmp_path / "own.csv").tasks)
    assert who(found) == [("a", "own/Maze-v1", 0), ("a", "atari/Pong", 0)] and notes == []


@pytest.mark.parametrize("text", ["", "{method}/{seeds}", "{seed}{seed}", "plain"])
def test_a_pattern_that_is_none(text):
    with pytest.raises(UserError, match="--names"):
        names.pattern(text)
