"""The replay ring, held against a naive reference that keeps whole transitions in a list."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.errors import UserError
from suite.experience.replay import Replay
from suite.options import ReplayOptions
from suite.tracking.checkpoint import Segment
from suite.types import stack_frames

GAMMA = 0.9
MANY = 1500  # draws enough to meet each of a few dozen transitions: the chance to miss one is below 1e-9


class Transition(NamedTuple):
    observation: np.ndarray
    action: int
    reward: float
    next_observation: np.ndarray
    terminated: bool
    truncated: bool


def episodes(lengths: list[int], endings: list[str], stack: int, vector: bool = False) -> list[Transition]:
    """Episodes whose frames are numbered 0, 1, 2, ... over all of them: a frame's content is its number.

    Each stack is laid out in full, the first frame of an episode repeated. The ending "open", which only the
    last episode can have, leaves it running.
    """
    transitions, number = [], 0
    for length, ending in zip(lengths, endings, strict=True):
        frames = [number] * stack + list(range(number + 1, number + length + 1))
        observations = [np.array(frames[i : i + stack]) for i in range(length + 1)]
        observations = [o.astype(np.float32) if vector else o.reshape(stack, 1, 1) for o in observations]
        for i, (observation, following) in enumerate(pairwise(observations)):
            last = i == length - 1
            reward = float(np.sin(number + i) * 2)
            ends = last and ending == "terminated", last and ending == "truncated"
            transitions.append(Transition(observation, number + i, reward, following, *ends))
        number += length + 1
    return transitions


def expected(transitions: list[Transition], capacity: int, n_step: int, clip: float | None) -> dict[int, tuple]:
    """What can be sampled, by the number of the observation's newest frame.

    Frames are numbered as they are met, so those that are kept are the `capacity` highest numbers.
    """
    newest = int(transitions[-1].next_observation.flat[-1])
    found = {}
    for start, transition in enumerate(transitions):
        if transition.observation.min() <= newest - capacity:
            continue
        total, discount, complete = 0.0, 1.0, False
        for step, one in enumerate(transitions[start : start + n_step], start=1):
            total += discount * (one.reward if clip is None else float(np.clip(one.reward, -clip, clip)))
            discount *= GAMMA
            complete = step == n_step or one.terminated or one.truncated
            if complete:
                break
        if complete:
            bootstrap = 0.0 if one.terminated else discount
            number = int(transition.observation.flat[-1])
            found[number] = (transition.observation, transition.action, total, bootstrap, one.next_observation)
    return found


def least(stack: int, n_step: int) -> int:
    """The smallest capacity: with returns of more than one step, the end of an episode takes a slot more."""
    return stack + n_step + (n_step > 1)


def fill(replay: Replay, transitions: list[Transition]) -> None:
    for transition in transitions:
        replay.add(*transition)


def check(replay: Replay, reference: dict[int, tuple]) -> None:
    """Everything in the reference is sampled, as it is there, and nothing else is."""
    assert len(replay) == len(reference)
    if not reference:
        with pytest.raises(UserError, match="nothing to sample"):
            stack_frames(replay.sample(np.random.default_rng(0)))
        return
    batch = stack_frames(replay.sample(np.random.default_rng(0)))
    assert batch.action.dtype == np.int32
    assert batch.reward.dtype == batch.discount.dtype == np.float32
    numbers = [int(observation.flat[-1]) for observation in batch.observation]
    assert set(numbers) == set(reference)
    for number, row in {number: row for row, number in enumerate(numbers)}.items():
        observation, action, reward, discount, next_observation = reference[number]
        assert np.array_equal(batch.observation[row], observation)
        assert np.array_equal(batch.next_observation[row], next_observation)
        assert batch.action[row] == action
        assert batch.reward[row] == pytest.approx(reward, abs=1e-5)
        assert batch.discount[row] == pytest.approx(discount, abs=1e-6)


@st.composite
def experiences(draw: st.DrawFn) -> dict[str, Any]:
    stack, n_step = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    lengths = draw(st.lists(st.integers(1, 12), min_size=1, max_size=10))
    ended = st.sampled_from(["terminated", "truncated"])
    endings = [draw(ended) for _ in lengths[:-1]] + [draw(st.sampled_from(["terminated", "truncated", "open"]))]
    return {
        "lengths": lengths,
        "endings": endings,
        "stack": stack,
        "n_step": n_step,
        "capacity": draw(st.integers(least(stack, n_step), 40)),
        "clip": draw(st.sampled_from([1.0, 0.3, None])),
    }


@settings(deadline=None, max_examples=200)
@given(experiences())
def test_equal_to_the_naive_reference(case: dict[str, Any]) -> None:
    stack, capacity, n_step, clip = case["stack"], case["capacity"], case["n_step"], case["clip"]
    space = spaces.Box(0, 10_000, (stack, 1, 1), np.int64)
    replay = Replay(
        space,
        spaces.Discrete(10_000),
        ReplayOptions(capacity=capacity, batch_size=MANY, n_step=n_step, discount=GAMMA, reward_clip=clip),
    )
    transitions = episodes(case["lengths"], case["endings"], stack)
    halfway = len(transitions) // 2
    if halfway:
        fill(replay, transitions[:halfway])
        check(replay, expected(transitions[:halfway], capacity, n_step, clip))
    fill(replay, transitions[halfway:])
    check(replay, expected(transitions, capacity, n_step, clip))


@settings(deadline=None, max_examples=50)
@given(experiences())
def test_the_least_capacity_always_holds_a_transition(case: dict[str, Any]) -> None:
    """From the first one on, whatever episodes end."""
    stack, n_step = case["stack"], case["n_step"]
    space, options = spaces.Box(0, 10_000, (stack, 1, 1), np.int64), {"batch_size": 1, "n_step": n_step}
    replay = Replay(space, spaces.Discrete(10_000), ReplayOptions(capacity=least(stack, n_step), **options))
    held = [replay.add(*transition) or len(replay) for transition in episodes(case["lengths"], case["endings"], stack)]
    assert all(held[next((i for i, number in enumerate(held) if number), len(held)) :])
    with pytest.raises(UserError, match=str(least(stack, n_step))):
        Replay(space, spaces.Discrete(10_000), ReplayOptions(capacity=least(stack, n_step) - 1, **options))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, 3), st.integers(4, 30))
def test_vectors_are_stored_whole(lengths: list[int], n_step: int, capacity: int) -> None:
    """Observations of one axis have no stack: here vectors of three floats, each the number of the frame."""
    transitions = [
        t._replace(observation=t.observation.repeat(3), next_observation=t.next_observation.repeat(3))
        for t in episodes(lengths, ["truncated"] * len(lengths), stack=1, vector=True)
    ]
    space = spaces.Box(-1, 10_000, (3,), np.float32)
    replay = Replay(
        space,
        spaces.Discrete(10_000),
        ReplayOptions(capacity=capacity, batch_size=MANY, n_step=n_step, discount=GAMMA, reward_clip=None),
    )
    fill(replay, transitions)
    check(replay, expected(transitions, capacity, n_step, None))


def test_continuous_actions_keep_their_shape_and_type() -> None:
    replay = Replay(
        spaces.Box(-1, 1, (3,), np.float32),
        spaces.Box(-1, 1, (2,), np.float32),
        ReplayOptions(capacity=8, batch_size=5),
    )
    zeros = np.zeros(3, np.float32)
    replay.add(zeros, np.array([0.25, -0.5], np.float32), 0.0, zeros, False, False)
    action = stack_frames(replay.sample(np.random.default_rng(0))).action
    assert action.dtype == np.float32 and np.array_equal(action, [[0.25, -0.5]] * 5)


def test_sampling_is_uniform_and_the_generator_decides() -> None:
    replay = Replay(
        spaces.Box(0, 999, (4, 1, 1), np.int64), spaces.Discrete(999), ReplayOptions(capacity=30, batch_size=100_000)
    )
    fill(replay, episodes([3, 1, 9, 1, 1, 14, 7], ["terminated", "truncated"] * 3 + ["open"], stack=4))
    actions = stack_frames(replay.sample(np.random.default_rng(0))).action
    counts = np.unique(actions, return_counts=True)[1]
    assert len(counts) == len(replay) > 15
    mean = 100_000 / len(replay)
    assert ((counts - mean) ** 2 / mean).sum() < 2 * len(replay)  # chi-squared
    assert np.array_equal(actions, stack_frames(replay.sample(np.random.default_rng(0))).action)
    assert not np.array_equal(actions, stack_frames(replay.sample(np.random.default_rng(1))).action)


def test_a_truncation_bootstraps_from_the_observation_that_was_reached() -> None:
    for ending, discount in (("truncated", GAMMA), ("terminated", 0.0)):
        replay = Replay(
            spaces.Box(0, 99, (2, 1, 1), np.int64), spaces.Discrete(99), ReplayOptions(capacity=9, discount=GAMMA)
        )
        fill(replay, episodes([1, 1], [ending, "open"], stack=2))
        batch = stack_frames(replay.sample(np.random.default_rng(0)))
        first = batch.action == 0
        assert np.array_equal(np.unique(batch.next_observation[first].reshape(-1, 2), axis=0), [[0, 1]])
        assert np.allclose(batch.discount[first], discount)


def test_a_terminal_at_the_time_limit_is_a_terminal() -> None:
    """Gymnasium's TimeLimit truncates the last step also where it ends by a terminal."""
    replay = new_replay(1, capacity=9)
    replay.add(np.zeros((1, 1, 1), np.int64), 0, 1.0, np.ones((1, 1, 1), np.int64), True, True)
    assert (replay.sample(np.random.default_rng(0)).discount == 0).all()


def test_a_batch_is_the_callers_own() -> None:
    """Reused buffers would change under a computation that has not run yet."""
    replay = Replay(
        spaces.Box(0, 99, (2, 1, 1), np.int64), spaces.Discrete(99), ReplayOptions(capacity=4, batch_size=8)
    )
    transitions = episodes([20], ["open"], stack=2)
    fill(replay, transitions[:3])
    batch = stack_frames(replay.sample(np.random.default_rng(0)))
    before = [np.array(field) for field in batch]
    fill(replay, transitions[3:])
    stack_frames(replay.sample(np.random.default_rng(1)))
    assert all(np.array_equal(a, b) for a, b in zip(before, batch, strict=True))


def test_a_million_atari_frames_fit_the_budget() -> None:
    """Nothing is touched here, so the arrays take address space only."""
    replay = Replay(spaces.Box(0, 255, (4, 84, 84), np.uint8), spaces.Discrete(18), ReplayOptions())
    arrays = [value for value in vars(replay).values() if isinstance(value, np.ndarray)]
    assert replay.frames.shape == (1_000_000, 84, 84)
    assert 7.056e9 < sum(array.nbytes for array in arrays) < 7.3e9
    observation = np.zeros((4, 84, 84), np.uint8)
    replay.add(observation, 0, 0.0, observation, False, False)
    batch = stack_frames(replay.sample(np.random.default_rng(0)))
    assert batch.observation.shape == batch.next_observation.shape == (32, 4, 84, 84)
    frames = replay.sample(np.random.default_rng(0)).frames  # what is copied to the device
    assert frames.shape == (32, 5, 84, 84) and frames.dtype == np.uint8 and frames.flags.c_contiguous
    assert batch.observation.dtype == np.uint8


def test_bad_capacities_are_clear_errors() -> None:
    image, actions = spaces.Box(0, 255, (4, 84, 84), np.uint8), spaces.Discrete(4)
    with pytest.raises(UserError, match="no memory"):
        Replay(image, actions, ReplayOptions(capacity=10**13))
    with pytest.raises(UserError, match="arrays"):
        Replay(spaces.Dict({"image": image}), actions, ReplayOptions())


# Saving ------------------------------------------------------------------------------------------------------------


def new_replay(stack: int, **options: Any) -> Replay:
    return Replay(spaces.Box(0, 10_000, (stack, 1, 1), np.int64), spaces.Discrete(10_000), ReplayOptions(**options))


def through_a_file(state: dict[str, Any], files: dict[str, dict[str, np.ndarray]]) -> dict[str, Any]:
    """What a checkpoint makes of a state: segments are taken once and stay as they are, the rest is copied."""
    for _, _, segment in state["segments"]:
        if segment.name not in files:
            files[segment.name] = {name: array.copy() for name, array in segment.arrays().items()}
    segments = [[begin, end, Segment(s.name, partial(files.get, s.name))] for begin, end, s in state["segments"]]
    return {**state, "sampleable": state["sampleable"].copy(), "segments": segments}


@settings(max_examples=200, deadline=None)
@given(experiences(), st.data())
def test_a_restored_replay_goes_on_as_the_one_that_was_saved(case: dict[str, Any], data: st.DataObject) -> None:
    """Saved after some of the steps, by processes of which some are killed; SEGMENT is so small that it matters."""
    transitions = episodes(case["lengths"], case["endings"], case["stack"])
    make = partial(new_replay, case["stack"], capacity=case["capacity"], n_step=case["n_step"])
    undisturbed, disturbed = make(), make()
    written: dict[str, dict[str, np.ndarray]] = {}
    saved = None
    with mock.patch("suite.experience.replay.SEGMENT", 3):
        for number, transition in enumerate(transitions):
            undisturbed.add(*transition)
            disturbed.add(*transition)
            if data.draw(st.booleans()):
                saved = number + 1, through_a_file(disturbed.save(), written)
            if saved and data.draw(st.integers(0, 3)) == 0:
                disturbed = make()
                disturbed.restore(saved[1])
                fill(disturbed, transitions[saved[0] : number + 1])
    assert len(disturbed) == len(undisturbed)
    if len(undisturbed):
        one, two = (stack_frames(replay.sample(np.random.default_rng(1))) for replay in (undisturbed, disturbed))
        for left, right in zip(one, two, strict=True):
            assert np.array_equal(left, right)


@pytest.mark.parametrize("name", ["sampleable", "actions"])
@pytest.mark.parametrize(
    "change", [lambda array: array[:1], lambda array: array.astype(np.float64)], ids=["shape", "dtype"]
)
def test_an_array_of_another_shape_or_dtype_is_refused(name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    replay = new_replay(2, capacity=100)
    fill(replay, episodes([9], ["terminated"], 2))
    saved = through_a_file(replay.save(), {})
    arrays = saved if name in saved else saved["segments"][0][2].arrays()
    arrays[name] = change(arrays[name])
    with pytest.raises(UserError, match=f"incompatible checkpoint .*{name}"):
        new_replay(2, capacity=100).restore(saved)


def test_a_slot_is_saved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the newest of each time, whose action is not known yet."""
    monkeypatch.setattr("suite.experience.replay.SEGMENT", 8)
    replay = new_replay(2, capacity=100)
    saved: list[tuple[int, int]] = []
    for _ in range(10):
        fill(replay, episodes([9], ["terminated"], 2))
        for begin, end, _ in replay.save()["segments"]:
            if (begin, end) not in saved:
                saved.append((begin, end))
    assert all(end - begin <= 8 for begin, end in saved)
    assert sum(end - begin for begin, end in saved) == 100 + 9
