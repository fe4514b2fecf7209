"""Normalised scores, and the words for them."""

import pytest

from analysis.data import scores
from suite.errors import UserError


def test_scores():
    assert scores.normalised("atari/Pong", -20.7) == 0.0
    assert scores.normalised("atari/Pong", 14.6) == pytest.approx(1.0)
    assert scores.normalised("atari/VideoPinball", 16256.9) == 0.0
    assert scores.normalised("atari/Pong", None) is None
    assert scores.normalised("mujoco/Reacher", -43.4) == 0.0
    assert scores.normalised("mujoco/Reacher", -2.6) == 1.0
    assert scores.normalised("mujoco/Pusher", -30.0) is None
    with pytest.raises(UserError, match="'atari/Pang'"):
        scores.normalised("atari/Pang", 1.0)


def test_words_follow_the_families():
    atari, mujoco = ["atari/Pong", "atari/Boxing"], ["mujoco/Ant"]
    assert scores.noun(atari) == "game"
    assert scores.noun(mujoco) == scores.noun(atari + mujoco) == scores.noun([]) == "task"
    assert scores.names(mujoco + atari) == ["dense SAC", "human"]
    assert "16256.9" in scores.source(atari) and "SAC" not in scores.source(atari)
    assert "Tianshou" in scores.source(mujoco) and "dqn_zoo" not in scores.source(mujoco)
    assert all(
        part in scores.source(atari + mujoco) for part in ("for atari, ", "16256.9", "; for mujoco, ", "Tianshou")
    )


def test_video_pinball_has_two_random_returns():
    other = scores.with_video_pinball(scores.PUBLISHED, 0.0)
    assert scores.normalised("atari/Pong", -20.7, other) == 0.0
    for task in ("atari/VideoPinball", "offline/VideoPinball"):
        assert scores.normalised(task, 17667.9 / 2, other) == pytest.approx(0.5)
        assert scores.source(["atari/Pong", task], other).endswith("; but VideoPinball's is 0.0 here")
        assert "here" not in scores.source(["atari/Pong", task])


def test_video_pinballs_random_return_is_below_a_humans_and_said_once(tmp_path):
    with pytest.raises(UserError, match=r"below a human's return, 17667\.9, found 30000"):
        scores.with_video_pinball(scores.PUBLISHED, 30_000)
    path = tmp_path / "mine.csv"
    for task in ("atari/VideoPinball", "offline/VideoPinball"):
        path.write_text(f"task,random,reference\n{task},0,100")
        with pytest.raises(UserError, match=rf"mine\.csv names {task} too"):
            scores.with_video_pinball(scores.from_file(path), 0.0)


def test_references_of_ones_own(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("task, random, reference\n# dense SAC of ours\nmujoco/Ant, 100, 300\nmujoco/Pusher, -50, -20\n")
    mine = scores.from_file(path)
    assert scores.normalised("mujoco/Ant", 200.0, mine) == 0.5
    assert scores.normalised("mujoco/Pusher", -20.0, mine) == 1.0  # it had none
    assert scores.normalised("mujoco/Reacher", -43.4, mine) == 0.0  # as published
    assert scores.names(["mujoco/Ant", "mujoco/Reacher"], mine) == ["reference", "dense SAC"]
    assert scores.names(["mujoco/Ant"], mine) == ["reference"]
    text = scores.source(["mujoco/Ant", "mujoco/Reacher"], mine)
    assert "for mujoco, " in text and "for mujoco/Ant, the random and reference returns of mine.csv" in text


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_comments_neither_decide_the_separator_nor_hide_the_line(tmp_path, separator):
    path = tmp_path / "mine.csv"
    lines = [
        "# my tasks; measured, by\tme",
        "",
        "task,random,reference # of dense SAC",
        "",
        "a,0,10",
        "#b,0,1",
        "c,x,9",
    ]
    path.write_text("\n".join(line if line[:1] == "#" else line.replace(",", separator) for line in lines))
    with pytest.raises(UserError, match=r"mine\.csv:7: random should be a finite number, found 'x'"):
        scores.from_file(path)
    path.write_text(path.read_text().replace("x", "1"))
    mine = scores.from_file(path)
    assert mine.given == {"own/a", "own/c"} and scores.normalised("own/c", 5.0, mine) == 0.5


def test_tasks_of_ones_own(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("task,random,reference\nmine/Maze, 0, 10\nCartPole-v1, 20, 500\n")
    mine = scores.from_file(path)
    tasks = ["mine/Maze", "own/CartPole-v1"]
    assert [scores.normalised(task, 260.0, mine) for task in tasks] == [26.0, 0.5]
    assert scores.names(tasks, mine) == ["reference"] and scores.noun(tasks) == "task"
    assert "the random and reference returns of mine.csv" in scores.source(tasks, mine)
    assert scores.normalised("mine/Maze", 5.0) is None  # figures may not know the file
    with pytest.raises(UserError, match=r"'atari/Maze' is unknown.*--references"):
        scores.reference("atari/Maze")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task,random\natari/Pong,1", "have the columns task, random, reference"),
        ("", "not a CSV file"),
        ("task,random,reference\n", "a row for each task"),
        ("task,random\natari/Pong,1", "found task, random"),
        ("task,random,reference\natari/Pong,1,1", "reference should be above its random return, found 1 and 1"),
        ("task,random,reference\natari/Pong,20,-20", "reference should be above its random return, found -20 and 20"),
        ("task,random,reference\nmine,0,1\nown/mine,0,2", "names own/mine more than once"),
        ("task,random,reference\npong,0,1", "pong should be one of atari/Pong, offline/Pong, or own/pong for a task"),
        ("task,random,reference\natari/Pong,1,high", ":2: reference should be a finite number, found 'high'"),
        ("task,random,reference\natari/Pong,,3", ":2: random is empty"),
        ("task,random,reference\natari/Pong,1,inf", "reference should be a finite number"),
    ],
)
def test_a_file_of_references_that_is_none(tmp_path, text, message):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        scores.from_file(path)
