"""What a sweep costs, in which order it runs, and what its command says."""

import os
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from analysis.table import parser as table_parser
from suite.record import schema
from sweeps import grid, launch
from sweeps import sweep as sweep_module
from sweeps.config import resolve
from sweeps.engines import local, wandb
from sweeps.engines.base import SOME_FAILED, Session, Work
from sweeps.engines.registry import ENGINES
from sweeps.estimate import forecast
from sweeps.estimate.forecast import Speed, estimate
from sweeps.plan import order, resolve_all
from tests.support.compiling import QUICKLY
from tests.support.damage import refused
from tests.support.engines import TinyEngine, TinyOptions
from tests.support.makefile import SET_UP, run_make
from tests.support.sweeps import PLANNED, sweep_file

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((Path(launch.__file__).parent).glob("*/*.yaml"))
SPEED = Speed(agent_step=0.001, gradient_step=0.1, networks=5, parameters=1_000_000, memory_bytes=10**9)
SWEEP = sweep_file(PLANNED)
FINISHED = {"status": "finished", "error": None}


def run_of(**more):
    return resolve({"task": "atari/Pong", "method": "eaudeqn", "seed": 0, **more})


def short(epochs: int):
    return run_of(**{**PLANNED, "method": "eaudeqn", "seed": 0, "trainer.epochs": epochs, "replay.capacity": 15_000})


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_cell_of_a_shipped_file_is_a_run(path):
    sweep = grid.read(path)
    assert len(resolve_all(sweep, str(path))) == len(sweep.cells)


def test_estimate_by_hand():
    one, two = short(1), short(2)  # 10,000 and 20,000 agent steps; 1,500 and 4,000 gradient steps
    # and per epoch the second half of an episode, 500 agent steps and 125 gradient steps
    seconds = [forecast.START + 10.5 + 162.5, forecast.START + 21 + 425]
    both = estimate([one, two], 1, lambda run: SPEED)
    assert (both.runs, both.agent_steps) == (2, 30_000)
    assert both.seconds == pytest.approx(sum(seconds))
    assert both.memory_bytes == 10**9 + 15_000 * 7_056  # the replay's capacity, not the 20,000 steps
    assert estimate([one], 1, lambda run: SPEED).memory_bytes == 10**9 + 10_000 * 7_056
    assert estimate([one, two], 2, lambda run: SPEED).seconds == pytest.approx(seconds[1])  # the longest run


def test_checkpoints_of_the_runs_that_are_active_need_disk():
    networks, replays = 2 * 13 * 5 * 1_000_000, [10_000 * 7_056, 15_000 * 7_056]  # the second: the replay's capacity
    runs = [short(1), short(2)]
    assert estimate(runs, 1, lambda run: SPEED).checkpoint_bytes == networks + replays[1]
    assert estimate(runs, 2, lambda run: SPEED).checkpoint_bytes == 2 * networks + sum(replays)


def test_the_record_is_mostly_the_policy_in_short_runs_and_grows_with_the_elections():
    assert 4_000_000 < forecast.record_bytes(short(1), SPEED) < 4_200_000
    often = forecast.record_bytes(short(50), SPEED) - forecast.record_bytes(short(1), SPEED)
    assert often > 2 * 5 * 50 * 24  # twice, five numbers a network, the further target updates


MEASURED = [  # runs of the reference grids: their speed, and the bytes of their folders
    ("atari/Assault", "eaudeqn", 100, 2_000, Speed(0.003, 0.04, 5, 187_000, 0), 1_710_000),
    ("atari/Assault", "dense", 100, 2_000, Speed(0.002, 0.004, 1, 187_000, 0), 1_175_000),
    ("mujoco/Hopper", "eaudeqn", 200, 5_000, Speed(0.001, 0.035, 5, 140_000, 0), 2_210_000),
    ("mujoco/Hopper", "gmp", 200, 5_000, Speed(0.001, 0.008, 1, 140_000, 0), 1_200_000),
]


@pytest.mark.parametrize(("task", "method", "period", "initial", "speed", "measured"), MEASURED)
def test_the_record_is_about_as_large_as_measured(task, method, period, initial, speed, measured):
    given = {"task": task, "method": method, "seed": 1, "learner.target_update_period": period}
    trainer = {"trainer.epochs": 10, "trainer.epoch_agent_steps": 10_000, "trainer.initial_samples": initial}
    assert forecast.record_bytes(resolve(given | trainer), speed) == pytest.approx(measured, rel=0.3)


@pytest.mark.parametrize(
    ("task", "slot"), [("atari/Pong", 84 * 84), ("mujoco/Humanoid", 4 * 348), ("mujoco/Swimmer", 4 * 8)]
)
def test_the_replay_of_each_task_has_its_own_size(task: str, slot: int) -> None:
    """Tasks of a family are measured once, and observations differ among them."""
    run = resolve({"task": task, "method": "dense", "seed": 0})
    assert forecast.replay_bytes(run) == 10**6 * slot


def test_kinds_differ_by_what_makes_a_step_slower():
    assert forecast.kind(run_of()) == forecast.kind(resolve({"task": "atari/Qbert", "method": "eaudeqn", "seed": 3}))
    assert forecast.kind(run_of()) != forecast.kind(run_of(method="dense"))
    assert forecast.kind(run_of()) != forecast.kind(run_of(**{"agent.width": 32}))


def test_measured_in_a_process_of_its_own(monkeypatch):
    for name in QUICKLY:  # as a run compiles
        monkeypatch.delenv(name, raising=False)
    speed = forecast.measure_speeds([run_of(method="dense", **{"agent.network": "small"})], jobs=1)(
        run_of(method="dense", **{"agent.network": "small"})
    )
    assert 0 < speed.agent_step < 1
    assert 0 < speed.gradient_step < 5
    assert speed.networks == 1
    assert speed.parameters > 1_000
    assert speed.memory_bytes > 10**8


def test_the_last_seed_begins_with_its_longest():
    works = [
        Work(name, [], 1, seconds) for name, seconds in [("a", 1.0), ("b", 5.0), ("c", 1.0), ("d", 5.0), ("e", 5.0)]
    ]
    assert [work.name for work in order(works, [0, 0, 1, 1, 1])] == ["a", "b", "d", "e", "c"]


# The command, with the measurement, the engine and the table replaced.


@pytest.fixture
def sweep(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep_module, "measure_speeds", lambda runs, jobs: lambda run: SPEED)
    monkeypatch.setattr(sweep_module, "_table", lambda folder, file, returns: 0)
    path = tmp_path / "tiny.yaml"
    path.write_text(SWEEP)
    return path


@pytest.fixture
def engine(monkeypatch):
    """What the engine was asked to run; it answers with `code`."""
    asked = []

    def run(works, root, jobs, tries):
        asked.append((list(works), root, jobs, tries))
        return engine_code[0]

    engine_code = [local.OK]
    monkeypatch.setattr(local, "run", run)
    return asked, engine_code


@pytest.fixture
def elsewhere(monkeypatch) -> TinyEngine:
    """An engine that runs elsewhere, so that nothing is measured before and no table is made after."""
    engine = TinyEngine(HERE=False)
    monkeypatch.setitem(ENGINES, "elsewhere", engine)
    monkeypatch.setattr(sweep_module, "measure_speeds", None)
    monkeypatch.setattr(sweep_module, "_table", None)
    return engine


def test_the_engine_gets_the_cells_under_the_names_that_the_runs_will_have(sweep, engine):
    assert launch.main([str(sweep), "--jobs", "2", "--local.tries", "5"]) == 0
    ((works, root, *numbers),) = engine[0]
    assert (root, numbers) == (Path("runs/tiny"), [2, 5])
    for work in works:
        given = dict(flag.removeprefix("--").split("=", 1) for flag in work.arguments)
        assert resolve(given).name == work.name
        assert work.agent_steps == 20_000
    assert len({work.name for work in works}) == 4


def test_it_says_what_is_ahead(sweep, engine, capsys):
    runs = resolve_all(grid.read(sweep), "tiny.yaml")
    (Path("runs/tiny") / runs[0].name).mkdir(parents=True)
    schema.write_json(Path("runs/tiny") / runs[0].name / schema.STATUS, FINISHED)
    launch.main([str(sweep), "--jobs", "3"])
    said = capsys.readouterr().out
    for text in ("4 runs, 80,000 agent steps", "finished already: 1 of 4", "3 runs, 60,000", "3 workers", "Ctrl-C"):
        assert text in said, text


def test_kinds_that_are_finished_are_not_measured(sweep, engine, monkeypatch):
    measured = []

    def measure(runs, jobs):
        measured.extend(run.method for run in runs)
        return [SPEED] * len(runs)

    monkeypatch.setattr(forecast, "_measure", measure)
    monkeypatch.setattr(sweep_module, "measure_speeds", forecast.measure_speeds)
    runs = resolve_all(grid.read(sweep), "tiny.yaml")
    done, left = dict.fromkeys(run.method for run in runs)
    for run in runs:
        if run.method == done:
            (Path("runs/tiny") / run.name).mkdir(parents=True)
            schema.write_json(Path("runs/tiny") / run.name / schema.STATUS, FINISHED)
    assert launch.main([str(sweep), "--jobs", "1"]) == 0
    assert measured == [left]
    ((works, *_),) = engine[0]
    assert len(works) == 4 and all(work.cost > 0 for work in works)


def test_nothing_is_measured_or_run_when_all_is_finished(sweep, engine, monkeypatch):
    for run in resolve_all(grid.read(sweep), "tiny.yaml"):
        (Path("elsewhere") / run.name).mkdir(parents=True)
        schema.write_json(Path("elsewhere") / run.name / schema.STATUS, FINISHED)
    monkeypatch.setattr(sweep_module, "measure_speeds", None)
    assert launch.main([str(sweep), "--folder", "elsewhere"]) == 0
    assert not engine[0]


@pytest.mark.parametrize(("engine_says", "table_says", "code"), [(0, 0, 0), (1, 0, 1), (0, 1, 1), (130, 0, 130)])
def test_exit_codes(sweep, engine, monkeypatch, engine_says, table_says, code):
    tables: list[str] = []

    def table(folder, file, returns):
        assert returns == "training"
        tables.append(file)
        return table_says

    monkeypatch.setattr(sweep_module, "_table", table)
    engine[1][0] = engine_says
    assert launch.main([str(sweep)]) == code
    assert len(tables) == (0 if code == 130 else 1)


def test_runs_that_failed_in_a_sweep_that_was_joined_are_rerun_in_another_one(sweep, monkeypatch, capsys):
    monkeypatch.setattr(wandb, "check_key", lambda: None)
    monkeypatch.setattr(wandb, "_wait", lambda plan, path, root: SOME_FAILED)
    assert launch.main([str(sweep), "--engine=wandb", "--wandb.sweep=team/mine/one"]) == SOME_FAILED
    (hint,) = [line for line in capsys.readouterr().out.splitlines() if "To rerun the others" in line]
    assert "without --wandb.sweep" in hint and "team/mine/one" not in hint


def test_a_big_sweep_must_be_confirmed(sweep, engine, monkeypatch, capsys):
    monkeypatch.setattr(
        sweep_module, "measure_speeds", lambda runs, jobs: lambda run: SPEED._replace(gradient_step=2.0)
    )
    assert launch.main([str(sweep)]) == 2
    said = capsys.readouterr()
    assert "4 runs, 80,000 agent steps" in said.out  # the cost stands there first
    assert f"-m sweeps.launch {sweep} --confirm yes" in said.err
    assert said.err.count("\n") == 1
    assert not engine[0]
    assert launch.main([str(sweep), "--confirm", "yes"]) == 0
    assert len(engine[0]) == 1


@pytest.mark.parametrize(
    "path", [path for path in SHIPPED if path.stem == "reference"], ids=lambda path: path.parent.name
)
def test_make_starts_a_reference_grid_when_it_is_confirmed(path, engine, capsys, monkeypatch):
    monkeypatch.setattr(sweep_module, "measure_speeds", lambda runs, jobs: lambda run: SPEED)
    made, described = run_make("-n", *SET_UP, f"sweep-{path.parent.name}", "SCALE=reference"), run_make("help")
    assert made.returncode == described.returncode == 0, made.stderr + described.stderr
    (line,) = [line for line in made.stdout.splitlines() if "-m sweeps.launch" in line]
    _, _, arguments = shlex.join(shlex.split(line)).partition("-m sweeps.launch ")
    given = shlex.split(arguments)
    assert given[0] == str(path.relative_to(ROOT)) and "--confirm no" in arguments
    assert launch.main([str(path), *given[1:], "--folder", "no/runs"]) == 2
    assert "a sweep of more than 4.0 h on one core, confirm it" in capsys.readouterr().err and not engine[0]
    cost = described.stdout.partition("SCALE=reference:")[2]
    assert all(words in cost for words in ("CONFIRM=yes", "(sweep-mujoco)", "(sweep-atari)"))


def test_a_big_sweep_must_be_confirmed_where_nothing_is_measured(sweep, elsewhere, capsys):
    sweep.write_text(SWEEP.replace("epochs: {value: 2}", "epochs: {value: 40}"))
    assert "--engine elsewhere --confirm yes" in refused(capsys, launch.main([str(sweep), "--engine", "elsewhere"]))
    assert elsewhere.checked and not elsewhere.plans
    assert launch.main([str(sweep), "--engine", "elsewhere", "--confirm", "yes"]) == 0
    assert [len(plan.works) for plan in elsewhere.plans] == [4]


@pytest.mark.parametrize(("own", "project"), [("", "mine"), ("other", "other")])
def test_the_runs_go_to_the_entity_and_project_of_the_file_on_w_and_b(sweep, elsewhere, monkeypatch, own, project):
    monkeypatch.setenv("WANDB_PROJECT", own)
    monkeypatch.delenv("WANDB_ENTITY", raising=False)
    sweep.write_text(SWEEP.replace("method: grid\n", "method: grid\nproject: mine\nentity: team\n"))
    seen = []
    monkeypatch.setattr(elsewhere, "start", lambda plan, options: seen.append(dict(os.environ)) or Session("", int))
    assert launch.main([str(sweep), "--engine", "elsewhere"]) == 0
    assert (seen[-1]["WANDB_ENTITY"], seen[-1]["WANDB_PROJECT"]) == ("team", project)
    assert "WANDB_ENTITY" not in os.environ and os.environ["WANDB_PROJECT"] == own


def test_an_engine_that_works_elsewhere_gets_its_options_and_is_not_waited_for(sweep, elsewhere, capsys):
    assert launch.main([str(sweep), "--engine", "elsewhere", "--elsewhere.place=there"]) == 0
    (plan,), (options,) = elsewhere.plans, elsewhere.options
    assert options == TinyOptions(place="there", size=1)
    assert (plan.file, plan.folder, len(plan.works)) == (str(sweep), Path("runs/tiny"), 4)
    assert "to stop: leave there" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--elsewhere.size=2"], "--elsewhere.size: only with --engine elsewhere"),
        (["--engine=elsewhere", "--elsewhere.size=big"], "elsewhere.size=big"),
        (["--engine=elsewhere", "--elsewhere.speed=2"], "--elsewhere.speed"),
        (["--engine=elsewhere", "--jobs=2"], "--slurm.parallel and --slurm.runs_per_job"),
    ],
)
def test_an_option_that_does_not_fit_the_engine(sweep, elsewhere, capsys, arguments, says):
    assert says in refused(capsys, launch.main([str(sweep), *arguments]))
    assert not elsewhere.plans


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "required: file"),
        (["none.yaml"], "error: none.yaml: no such sweep file"),
        (["tiny.yaml", "--jobs", "0"], "--jobs"),
        (["tiny.yaml", "--jobs", "two"], "argument --jobs: should be a whole number from 1 to 1024, found 'two'"),
        (["tiny.yaml", "--confirm", "maybe"], "--confirm"),
        (["tiny.yaml", "--fast"], "--fast"),
        (["tiny.yaml", "--engine", "cloud"], "--engine"),
        (["gmm.yaml"], "did you mean 'gmp'"),
        (["same.yaml"], "two cells are the same run"),
    ],
)
def test_bad_input_is_one_line_and_code_2(sweep, engine, capsys, arguments, says):
    Path("gmm.yaml").write_text(SWEEP.replace("dense", "gmm"))
    Path("same.yaml").write_text(SWEEP.replace("[dense, eaudeqn]", "[eaudeqn, 'eaudeqn:num_networks=5']"))
    assert launch.main(arguments) == 2
    said = capsys.readouterr()
    assert says in said.err and said.out == ""
    assert said.err.startswith("error: ") and said.err.count("\n") == 1
    assert not engine[0]


def test_the_table_takes_paths_that_begin_with_a_dash(monkeypatch):
    asked = []
    made = SimpleNamespace(returncode=0)
    monkeypatch.setattr(sweep_module.subprocess, "run", lambda command, check: asked.append(command) or made)
    assert sweep_module._table(Path("-runs"), "-tiny.yaml", "evaluation") == 0
    given = table_parser().parse_args(asked[0][3:])
    assert (given.runs, given.sweep) == (["-runs"], Path("-tiny.yaml"))
