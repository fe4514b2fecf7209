"""An episode that is played again from its origin is the same episode, and what follows it is the same too."""

from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest

from suite.environments import (
    AtariOptions,
    MinAtarOptions,
    RegisteredOptions,
    atari,
    classic,
    gym,
    minatar,
    mujoco,
    snapshot,
)
from suite.environments.classic import VERSIONS
from suite.environments.minatar import GAMES


def lifeless_pong() -> gymnasium.Env:
    return atari.make("Pong", AtariOptions(max_episode_agent_steps=40))


def protocol_of_others() -> gymnasium.Env:
    """No-op starts, lives, and so many sticky actions that the one before is held across most steps."""
    return atari.make(
        "Breakout",
        AtariOptions(
            sticky_actions=0.9, noop_max=30, terminal_on_life_loss=True, max_pool=False, max_episode_agent_steps=60
        ),
    )


ENVIRONMENTS: list[Callable[[], gymnasium.Env]] = [
    lifeless_pong,
    protocol_of_others,
    lambda: atari.make("MsPacman", AtariOptions(max_episode_agent_steps=50)),
    lambda: mujoco.make("Hopper", RegisteredOptions()),
    lambda: mujoco.make("HalfCheetah", RegisteredOptions(max_episode_agent_steps=50)),
    lambda: mujoco.make("Pusher", RegisteredOptions(max_episode_agent_steps=30)),
    lambda: mujoco.make("Humanoid", RegisteredOptions()),
    *(partial(minatar.make, game, MinAtarOptions(max_episode_agent_steps=60)) for game in GAMES),
    *(partial(classic.make, name, RegisteredOptions(max_episode_agent_steps=60)) for name in VERSIONS),
    lambda: gym.make("CartPole-v1", RegisteredOptions()),
    lambda: gym.make("Pendulum-v1", RegisteredOptions(max_episode_agent_steps=30)),
]


def play(environment: gymnasium.Env, actions: list[Any]) -> list[tuple]:
    """(observation, reward, terminated, truncated) of each step; an episode that ends is followed by the next."""
    seen = []
    for action in actions:
        observation, *rest = environment.step(action)
        seen.append((observation.tobytes(), *rest[:3]))
        if rest[1] or rest[2]:
            seen.append((environment.reset()[0].tobytes(),))
    return seen


@pytest.mark.parametrize("make", ENVIRONMENTS)
def test_an_episode_is_played_again(make: Callable[[], gymnasium.Env]) -> None:
    one = make()
    one.action_space.seed(1)
    draw = lambda count: [one.action_space.sample() for _ in range(count)]  # noqa: E731
    one.reset(seed=3)
    play(one, draw(47))  # leaves it in the middle of an episode, as an agent's restart by a lost life does
    origin = snapshot.capture(one)
    first = one.reset()[0]
    again, later = draw(25), draw(120)
    seen = [play(one, again), play(one, later)]

    other = make()
    other.reset(seed=99)
    play(other, again)
    snapshot.restore(other, origin)
    assert np.array_equal(other.reset()[0], first)
    assert play(other, again) == seen[0]
    assert play(other, later) == seen[1]
    one.close()
    other.close()


def test_an_origin_is_of_numbers_and_text() -> None:
    environment = lifeless_pong()
    environment.reset(seed=0)
    origin = snapshot.capture(environment)
    assert origin["emulator"].dtype == np.uint8 and origin["emulator"].nbytes < 100_000
    assert origin["random"]["bit_generator"] == "PCG64"
