"""Stacks that are made on the device are those that the replay makes, and learning from them gives the same bits."""

import jax
import numpy as np
import pytest
from gymnasium import spaces

from suite.agents import DQNOptions
from suite.agents.dqn import dqn
from suite.experience.replay import Replay
from suite.options import ReplayOptions
from suite.tracking.checkpoint import leaves
from suite.types import Frames, stack_frames
from tests.support.learning import learner_with

STACK, SIDE = 4, 20
IMAGES, ACTIONS = spaces.Box(0, 255, (STACK, SIDE, SIDE), np.uint8), spaces.Discrete(3)


def filled(n_step: int) -> Replay:
    """A replay of random images in episodes of 1 to 9 steps, which has gone round."""
    replay = Replay(IMAGES, ACTIONS, ReplayOptions(capacity=60, n_step=n_step, batch_size=16))
    rng = np.random.default_rng(0)
    for length in rng.integers(1, 10, size=30):
        images = rng.integers(256, size=(length + 1, SIDE, SIDE), dtype=np.uint8)
        shown = np.concatenate([np.repeat(images[:1], STACK - 1, axis=0), images])
        for step in range(length):
            last = step == length - 1
            now, then = shown[step : step + STACK], shown[step + 1 : step + 1 + STACK]
            replay.add(now, step % 3, 1.0, then, last and bool(length % 2), last and not length % 2)
    return replay


@pytest.mark.parametrize("n_step", [1, 3])
def test_learning_from_frames_gives_the_same_bits(n_step: int) -> None:
    replay = filled(n_step)
    agent = dqn(IMAGES, ACTIONS, DQNOptions(network="small", width=4))
    learner = learner_with(agent, "dense", 100, target_update_period=2_000)
    one, two = learner.init(0), learner.init(0)
    for seed in range(8):
        frames = replay.sample(np.random.default_rng(seed))
        assert isinstance(frames, Frames) and frames.frames.shape[1] == STACK + n_step
        batch, on_device = stack_frames(replay.sample(np.random.default_rng(seed))), jax.jit(stack_frames)(frames)
        jax.tree.map(np.testing.assert_array_equal, on_device, batch)
        one, two = learner.update(one, frames), learner.update(two, batch)
    found, expected = leaves(one), leaves(two)
    assert found.keys() == expected.keys()
    for name in found:
        assert found[name].tobytes() == expected[name].tobytes(), name


def test_stacks_without_a_shared_frame_are_made_by_the_replay() -> None:
    batch = filled(STACK).sample(np.random.default_rng(0))
    assert batch.observation.shape == batch.next_observation.shape == (16, STACK, SIDE, SIDE)
