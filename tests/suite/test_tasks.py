"""The tasks: 57 games, the paper's ten, the published scores, and what a wrong name is told."""

import subprocess
import sys

import ale_py
import gymnasium
import pytest

from suite.errors import UserError
from suite.tasks import PAPER_GAMES, TASKS, task

gymnasium.register_envs(ale_py)


def test_there_are_57_games_that_gymnasium_knows() -> None:
    assert len(TASKS) == 57
    for name, entry in TASKS.items():
        family, game = name.split("/")
        assert family == "atari" and f"ALE/{game}-v5" in gymnasium.registry
        assert (entry.name, entry.agent, entry.frame_skip) == (name, "dqn", 4)


def test_a_human_beats_a_random_policy_everywhere() -> None:
    assert all(entry.human > entry.random for entry in TASKS.values())


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
        assert (TASKS[f"atari/{game}"].random, TASKS[f"atari/{game}"].human) == scores


def test_task_finds_every_name() -> None:
    assert all(task(name) is TASKS[name] for name in TASKS)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("atari/Pnog", "did you mean 'atari/Pong'?"),
        ("Pong", "did you mean 'atari/Pong'?"),
        ("atari/mspacman", "did you mean 'atari/MsPacman'?"),
        ("beam_rider", "did you mean 'atari/BeamRider'?"),
        ("", "for example"),
        ("chess", "for example"),
    ],
)
def test_a_wrong_name_is_answered_with_the_closest_one(wrong: str, hint: str) -> None:
    with pytest.raises(UserError) as error:
        task(wrong)
    assert hint in str(error.value) and repr(wrong) in str(error.value)
    assert "\n" not in str(error.value)


def test_tasks_import_no_jax() -> None:
    """The analysis reads the tasks, and must not wait for JAX."""
    script = "import sys, suite.tasks; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
