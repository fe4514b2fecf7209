"""The tasks: 57 games, eleven MuJoCo environments, the returns of score 0 and 1, and what a wrong name is told."""

import csv
from pathlib import Path

import ale_py
import gymnasium
import pytest

from suite.agents import agents_for
from suite.errors import UserError
from suite.tasks import FAMILIES, PAPER_GAMES, TASKS, task
from sweeps import references

gymnasium.register_envs(ale_py)

GAMES = {name: entry for name, entry in TASKS.items() if entry.family == "atari"}
MUJOCO = {name: entry for name, entry in TASKS.items() if entry.family == "mujoco"}
REFERENCES = Path(__file__).parents[2] / "results" / "references"
MEASURED = [name for name, family in FAMILIES.items() if family.random_episodes]


def test_there_are_57_games_that_gymnasium_knows() -> None:
    assert len(GAMES) == 57
    for name, entry in GAMES.items():
        assert f"ALE/{entry.environment}-v5" in gymnasium.registry
        assert (entry.name, agents_for(entry), entry.frame_skip) == (name, ("dqn",), 4)


def test_there_are_the_eleven_mujoco_environments_of_gymnasium() -> None:
    known = {
        spec.name
        for spec in gymnasium.registry.values()
        if spec.version == 5 and str(spec.entry_point).startswith("gymnasium.envs.mujoco")
    }
    assert {entry.environment for entry in MUJOCO.values()} == known and len(known) == 11
    assert all((entry.name, agents_for(entry)) == (name, ("sac", "td3")) for name, entry in MUJOCO.items())


def test_every_task_has_a_family_whose_benchmark_has_scores() -> None:
    assert {entry.family for entry in TASKS.values()} == {name for name in FAMILIES if FAMILIES[name].find is None}
    for name, family in FAMILIES.items():
        assert bool(family.tasks) == (family.find is None)
        assert len(set(family.benchmark)) == len(family.benchmark)
        assert all(TASKS[entry].family == name for entry in family.benchmark)
        assert all(TASKS[entry].reference is not None for entry in family.benchmark)
        assert not family.source.endswith(".")


def test_the_reference_beats_a_random_policy_everywhere() -> None:
    assert all(entry.reference > entry.random for entry in TASKS.values() if entry.reference is not None)


def test_references_of_minatar_lie_on_the_published_curves() -> None:
    """The axes of the curves: Asterix 0 to 20, Breakout 0 to 18, Freeway 0 to 51, Seaquest 0 to 21; AC's curve in
    SpaceInvaders, four times as high as DQN's, ends below 200."""
    returns = {task.removeprefix("minatar/"): entry.reference for task, entry in FAMILIES["minatar"].tasks.items()}
    assert returns == {"Asterix": 16.6, "Breakout": 10.0, "Freeway": 50.1, "Seaquest": 19.9, "SpaceInvaders": 43.8}


def test_few_tasks_have_no_reference() -> None:
    without = {name for name, entry in TASKS.items() if entry.reference is None}
    assert without == {"mujoco/Pusher", "mujoco/HumanoidStandup"}


@pytest.mark.parametrize("family", MEASURED)
def test_random_returns_are_the_measured_ones(family: str) -> None:
    with (REFERENCES / f"{family}-random.csv").open() as file:
        lines = {line["task"]: line for line in csv.DictReader(file)}
    assert lines.keys() == FAMILIES[family].tasks.keys()
    for name, line in lines.items():
        assert int(line["episodes"]) == FAMILIES[family].random_episodes >= 100
        assert TASKS[name].random == round(float(line["mean"]), 2 if family == "minatar" else 1)


def test_the_measurement_can_be_repeated() -> None:
    returns = references.random_returns(MUJOCO["mujoco/InvertedPendulum"])  # episodes of a few steps
    assert returns.mean() == pytest.approx(5.26)
    assert (returns == returns.round()).all() and returns.shape == (100,)  # 1 for each step that it stands


def test_scores_of_the_papers_games_are_the_published_ones() -> None:
    """Mnih et al. 2015, extended data table 2, which rounds VideoPinball's random score to 16257."""
    published = {
        "BeamRider": (363.9, 16926.5),
        "MsPacman": (307.3, 6951.6),
        "Qbert": (163.9, 13455.0),
        "Pong": (-20.7, 14.6),
        "Enduro": (0.0, 860.5),
        "SpaceInvaders": (148.0, 1668.7),
        "Assault": (222.4, 742.0),
        "CrazyClimber": (10780.5, 35829.4),
        "Boxing": (0.1, 12.1),
        "VideoPinball": (16256.9, 17667.9),
    }
    assert set(PAPER_GAMES) == {f"atari/{game}" for game in published} and len(PAPER_GAMES) == 10
    for game, scores in published.items():
        assert (TASKS[f"atari/{game}"].random, TASKS[f"atari/{game}"].reference) == scores


def test_task_finds_every_name() -> None:
    assert all(task(name) is TASKS[name] for name in TASKS)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("atari/Pnog", "did you mean 'atari/Pong'?"),
        ("Pong", "did you mean 'atari/Pong'?"),
        ("atari/mspacman", "did you mean 'atari/MsPacman'?"),
        ("beam_rider", "did you mean 'atari/BeamRider'?"),
        ("mujoco/Hoper", "did you mean 'mujoco/Hopper'?"),
        ("halfcheetah", "did you mean 'mujoco/HalfCheetah'?"),
        ("Ant-v5", "did you mean 'mujoco/Ant'?"),
        ("mujoco/Humanoid-v5", "did you mean 'mujoco/Humanoid'?"),
        ("", "atari/Pong or mujoco/Ant"),
        ("chess", "atari/Pong or mujoco/Ant"),
    ],
)
def test_a_wrong_name_is_answered_with_the_closest_one(wrong: str, hint: str) -> None:
    with pytest.raises(UserError) as error:
        task(wrong)
    assert hint in str(error.value) and repr(wrong) in str(error.value)
