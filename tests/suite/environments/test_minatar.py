"""MinAtar: the package's games step by step, observations as images, and a tiny run of DQN."""

from pathlib import Path

import numpy as np
import pytest
from minatar import Environment

from suite.environments import MinAtarOptions
from suite.environments.minatar import GAMES, make
from suite.environments.spaces import Channels
from suite.errors import UserError
from suite.experience.replay import Replay
from suite.options import ReplayOptions
from suite.record import reader, schema
from suite.tasks import TASKS
from sweeps import run as entry
from tests.support.sweeps import TINY, run_flags


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("sticky_actions, ramping", [(0.1, True), (0.5, False)])
def test_a_game_is_the_packages(game: str, sticky_actions: float, ramping: bool) -> None:
    options = MinAtarOptions(sticky_actions=sticky_actions, difficulty_ramping=ramping)
    environment, rng = make(game, options), np.random.default_rng(1)
    package = Environment(GAMES[game], sticky_action_prob=sticky_actions, difficulty_ramping=ramping)
    observation, _ = environment.reset(seed=3)
    seed = np.random.default_rng(3)  # gymnasium's own way from a seed to a generator
    package.seed(int(seed.integers(2**31)))
    package.reset()
    episodes = 0
    for _ in range(600):
        np.testing.assert_array_equal(observation, 255 * package.state().transpose(2, 0, 1))
        assert environment.observation_space.contains(observation)
        action = rng.integers(6)
        observation, reward, terminated, truncated, _ = environment.step(np.asarray(action))
        assert (reward, terminated) == package.act(action) and not truncated
        if terminated:
            episodes += 1
            observation, _ = environment.reset()
            package.seed(int(seed.integers(2**31)))
            package.last_action = 0
            package.reset()
    assert episodes > 0 or game == "Freeway"  # whose episodes have 2,500 steps


def test_actions_and_length_are_options() -> None:
    environment = make("Freeway", MinAtarOptions(full_action_space=False, max_episode_agent_steps=5))
    assert environment.action_space.n == 3  # type: ignore[attr-defined]
    environment.reset(seed=0)
    assert [environment.step(1)[3] for _ in range(5)] == [False] * 4 + [True]


def test_tasks_are_the_games() -> None:
    assert {task.environment for task in TASKS.values() if task.family == "minatar"} == GAMES.keys()
    with pytest.raises(UserError, match="SpaceInvaders"):
        make("Pong", MinAtarOptions())


def test_a_frame_shows_what_is_there() -> None:
    environment = make("Breakout", MinAtarOptions())
    environment.reset(seed=0)
    environment.step(0)
    environment.step(0)
    frame = environment.unwrapped.render()
    assert frame.shape == (160, 160, 3) and frame.dtype == np.uint8  # type: ignore[union-attr]
    assert len(np.unique(frame)) == 5  # nothing, the paddle, the ball, its trail and bricks


def test_channels_are_no_stack_of_frames() -> None:
    """The replay gives back whole observations, also at the start of an episode."""
    environment = make("Seaquest", MinAtarOptions())
    space = environment.observation_space
    assert isinstance(space, Channels)
    replay = Replay(space, environment.action_space, ReplayOptions(capacity=50, batch_size=40))
    observation, _ = environment.reset(seed=0)
    seen = {observation.tobytes()}
    for _ in range(30):
        after, reward, terminated, truncated, _ = environment.step(environment.action_space.sample())
        replay.add(observation, 0, float(reward), after, terminated, truncated)
        observation = environment.reset()[0] if terminated else after
        seen |= {after.tobytes(), observation.tobytes()}
    batch = replay.sample(np.random.default_rng(0))
    for found in (*batch.observation, *batch.next_observation):
        assert found.tobytes() in seen


@pytest.mark.parametrize("method", ["dense", "eaudeqn"])
def test_a_tiny_run_leaves_a_finished_record(method: str, tmp_path: Path) -> None:
    options = {**TINY, "task": "minatar/Breakout", "method": method, "folder": tmp_path}
    options |= {"agent.network": "minatar", "agent.width": 8}
    assert entry.main(run_flags(options)) == 0
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert reader.is_finished(folder)
    card = schema.read_json(folder / schema.POLICY_CARD)
    assert card["network"]["observation"]["shape"] == [4, 10, 10]
    assert card["arrays"]["Conv_0/kernel"]["shape"] == [3, 3, 4, 16]
    assert card["arrays"]["Dense_0/kernel"]["shape"] == [1600, 8]
