"""Classic control and LunarLander: gymnasium's environments, with float32 observations."""

import gymnasium
import numpy as np
import pytest

from suite.environments import RegisteredOptions
from suite.environments.classic import VERSIONS, make
from suite.errors import UserError
from suite.tasks import TASKS


@pytest.mark.parametrize("name", VERSIONS)
def test_a_task_is_gymnasiums(name: str) -> None:
    environment, raw = make(name, RegisteredOptions()), gymnasium.make(f"{name}-{VERSIONS[name]}")
    environment.action_space.seed(0)
    for seed in (3, 3, 4):
        observation, _ = environment.reset(seed=seed)
        expected, _ = raw.reset(seed=seed)
        for _ in range(50):
            np.testing.assert_array_equal(observation, np.asarray(expected, np.float32))
            assert observation.dtype == np.float32 and environment.observation_space.contains(observation)
            action = environment.action_space.sample()
            observation, reward, *ended, _ = environment.step(np.asarray(action))
            expected, expected_reward, *expected_ended, _ = raw.step(action)
            assert (reward, ended) == (expected_reward, expected_ended)
            if any(ended):
                break


def test_a_length_is_an_option() -> None:
    environment = make("MountainCar", RegisteredOptions(max_episode_agent_steps=3))
    environment.reset(seed=0)
    assert [environment.step(1)[3] for _ in range(3)] == [False, False, True]


def test_tasks_are_these() -> None:
    assert {task.environment for task in TASKS.values() if task.family == "classic"} == VERSIONS.keys()
    with pytest.raises(UserError, match="CartPole"):
        make("Pendulum", RegisteredOptions())
