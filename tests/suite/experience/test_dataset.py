"""Data sets in the DQN Replay layout against a naive reference, and which chunks are drawn."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.experience.dqn_replay import episodes
from suite.types import stack_frames
from tests.support.datasets import GAMMA, STACK, chunk, dataset, loaded, replay, rounded, sampled, write_chunk


def naive(parts: dict[str, np.ndarray], n_step: int) -> set[tuple]:
    """Each transition as Mnih et al. would have seen it, by looking back and ahead one step at a time."""
    frames, terminals, found = parts["observation"], parts["terminal"], set()
    n = len(terminals)

    def stack(newest: int) -> tuple:
        rows = []
        for back in range(STACK):
            row = newest
            for _ in range(back):
                if row > 0 and not terminals[row - 1]:
                    row -= 1
            rows.append(frames[row].reshape(-1))
        return tuple(float(x) for x in np.concatenate(rows[::-1]))

    for i in range(n):
        total, j = 0.0, i
        while True:  # j: the last step that is summed
            total += GAMMA ** (j - i) * float(parts["reward"][j])
            last = j + 2 > n - 1 and not (j + 1 < n and terminals[j + 1])  # the next one leads nowhere
            if terminals[j] or j - i + 1 == n_step or last:
                break
            j += 1
        if not terminals[j] and j + 1 >= n:
            continue  # what it reached is not there
        discount = 0.0 if terminals[j] else GAMMA ** (j - i + 1)
        following = stack(i) if terminals[j] else stack(j + 1)
        numbers = [(float(parts["action"][i]),), (total,), (discount,)]
        row = (stack(i), *(rounded(x) for x in numbers), following if discount else None)
        found.add(row)
    return found


@settings(deadline=None, max_examples=60)
@given(terminals=st.lists(st.sampled_from([0, 0, 0, 1]), min_size=2, max_size=40), n_step=st.integers(1, 3))
def test_equal_to_the_naive_reference(
    terminals: list[int], n_step: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, parts = tmp_path_factory.mktemp("chunks"), chunk(terminals)
    write_chunk(folder, 0, **parts)
    data = loaded(folder, replay(n_step=n_step), chunks=1, chunk_transitions=len(terminals))
    expected = naive(parts, n_step)
    # A step that is cut off by the end of the data is bootstrapped from the last frame, as after a truncation. What
    # follows a terminal is never looked at.
    found = {(*row[:4], row[4] if row[3][0] else None) for row in sampled(data)}
    assert {(row[0], row[1]) for row in found} == {(row[0], row[1]) for row in expected}
    for row, wanted in zip(sorted(found, key=str), sorted(expected, key=str), strict=True):
        for part, number in zip(row[:4], wanted[:4], strict=True):
            np.testing.assert_allclose(part, number, atol=2e-5)
        assert row[4] == wanted[4]


def test_episodes_by_hand() -> None:
    """Dopamine's three blanks before an episode are left out; the last step of the data has nowhere to lead to."""
    frames = np.array([0, 0, 0, 7, 8, 9, 0, 0, 0, 4, 5])[:, None, None] * np.ones((1, 2, 2))
    actions, rewards = np.array([0, 0, 0, 1, 2, 1, 0, 0, 0, 2, 2]), np.zeros(11)
    terminals = np.array([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0])
    first, second = episodes(frames, actions, rewards, terminals)
    assert (first.frames[:, 0, 0].tolist(), first.actions.tolist(), first.terminated) == ([7, 8, 9, 9], [1, 2, 1], True)
    assert (second.frames[:, 0, 0].tolist(), second.actions.tolist(), second.terminated) == ([4, 5], [2], False)
    # Two dark frames are no padding, and neither are three after which nothing comes.
    assert len(next(episodes(frames[1:], actions[1:], rewards[1:], terminals[1:])).actions) == 5
    (last,) = episodes(frames[:3], actions[:3], rewards[:3], terminals[:3])
    assert len(last.actions) == 2


def test_only_the_first_transitions_of_a_chunk_are_read(tmp_path: Path) -> None:
    write_chunk(tmp_path, 0, **chunk([0] * 30))
    data = loaded(tmp_path, chunks=1, chunk_transitions=10)
    assert len(data.replay) == 9
    assert stack_frames(data.sample(np.random.default_rng(0))).next_observation.max() == 10


def test_the_chunks_of_an_epoch_are_drawn_by_the_seed(tmp_path: Path) -> None:
    for number in range(6):
        write_chunk(tmp_path, number, **chunk([0] * 9 + [1], first=1 + 10 * number))
    options = {"chunks": 6, "chunk_transitions": 10, "chunks_per_epoch": 2}

    def drawn(seed: int) -> list[list[int]]:
        data = dataset(tmp_path, **options)
        data.start(seed)
        numbers = []
        for epoch in range(1, 9):
            data.begin_epoch(epoch)
            assert len(data.replay) == 20
            frames = np.unique(stack_frames(data.sample(np.random.default_rng(0))).observation)
            assert sorted({int(frame - 1) // 10 for frame in frames}) == data.loaded  # and nothing of another epoch
            numbers.append(data.loaded)
        return numbers

    one = drawn(0)
    assert one == drawn(0) != drawn(1)
    assert all(len(set(numbers)) == 2 for numbers in one)
    assert {number for numbers in one for number in numbers} == set(range(6))
    assert len({tuple(numbers) for numbers in one}) > 2
    later = loaded(tmp_path, epoch=7, **options)  # as a run that is resumed
    assert later.loaded == one[6]


def test_a_turn_is_a_batch(tmp_path: Path) -> None:
    """The clock goes on with `choose`, so that the gradient step of the turn is due at once; nobody acts."""
    write_chunk(tmp_path, 0, **chunk([0] * 20))
    data = loaded(tmp_path, chunks=1, chunk_transitions=20)
    for turn in range(1, 4):
        assert data.choose(lambda *_: pytest.fail("acted")) is None
        assert data.agent_step == turn
        assert data.take(None) is True
    assert data.summary() == {"return": None, "episodes": 0, "episode_returns": [], "episode_lengths": []}
