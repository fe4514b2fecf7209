"""Data sets of both layouts against naive references, which chunks are drawn, and one line for whatever is wrong."""

import gzip
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import h5py
import minari
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import FrameStackObservation
from hypothesis import given, settings
from hypothesis import strategies as st

from suite.errors import UserError
from suite.experience.dataset import Dataset
from suite.experience.dqn_replay import episodes
from suite.experience.minari_data import Recorder
from suite.experience.replay import Replay

STACK, GAMMA = 4, 0.9
SPACE, ACTIONS = spaces.Box(0, 255, (STACK, 2, 2), np.uint8), spaces.Discrete(3)
MANY = 600  # draws enough to meet each of a few dozen transitions


def replay(capacity: int = 300, n_step: int = 1, space: spaces.Space = SPACE) -> Replay:
    return Replay(space, ACTIONS, capacity=capacity, batch_size=MANY, n_step=n_step, discount=GAMMA, reward_clip=None)


def dataset(path: Path, ring: Replay | None = None, actions: spaces.Space = ACTIONS, **options: Any) -> Dataset:
    return Dataset(actions, replay() if ring is None else ring, path=str(path), **options)


def loaded(path: Path, ring: Replay | None = None, epoch: int = 1, **options: Any) -> Dataset:
    data = dataset(path, ring, **options)
    data.start(0)
    data.begin_epoch(epoch)
    return data


def rounded(numbers: Any) -> tuple[float, ...]:
    return tuple(np.round(np.asarray(numbers, np.float64), 5).tolist())


def sampled(data: Dataset) -> set[tuple]:
    """What is met in many draws."""
    batch = data.sample(np.random.default_rng(0))
    columns = [np.asarray(part).reshape(MANY, -1).tolist() for part in batch]
    return {tuple(rounded(part) for part in row) for row in zip(*columns, strict=True)}


# The DQN Replay layout -----------------------------------------------------------------------------------------------


def write_chunk(folder: Path, number: int, **parts: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part, array in parts.items():
        with gzip.open(folder / f"$store$_{part}_ckpt.{number}.gz", "wb", compresslevel=1) as file:
            np.save(file, array)


def chunk(terminals: list[int], first: int = 1) -> dict[str, np.ndarray]:
    """Frames numbered from `first`, so that no frame is blank."""
    n = len(terminals)
    frames = np.arange(first, first + n, dtype=np.uint8)[:, None, None].repeat(2, 1).repeat(2, 2)
    actions, rewards = np.arange(n, dtype=np.int32) % 3, np.sin(np.arange(n, dtype=np.float32) + first)
    return {"observation": frames, "action": actions, "reward": rewards, "terminal": np.array(terminals, np.uint8)}


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


def without_ends(rows: set[tuple]) -> set[tuple]:
    """What follows a terminal is never looked at."""
    return {(*row[:4], row[4] if row[3][0] else None) for row in rows}


@settings(deadline=None, max_examples=60)
@given(
    terminals=st.lists(st.sampled_from([0, 0, 0, 1]), min_size=2, max_size=40),
    n_step=st.integers(1, 3),
)
def test_equal_to_the_naive_reference(
    terminals: list[int], n_step: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, parts = tmp_path_factory.mktemp("chunks"), chunk(terminals)
    write_chunk(folder, 0, **parts)
    data = loaded(folder, replay(n_step=n_step), chunks=1, chunk_transitions=len(terminals))
    expected = naive(parts, n_step)
    # A step that is cut off by the end of the data is bootstrapped from the last frame, as after a truncation.
    found = without_ends(sampled(data))
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
    assert data.sample(np.random.default_rng(0)).next_observation.max() == 10


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
            frames = np.unique(data.sample(np.random.default_rng(0)).observation)
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


# Minari --------------------------------------------------------------------------------------------------------------


class Film(gymnasium.Env):
    """Random frames; episodes of random lengths that end both ways."""

    observation_space, action_space = spaces.Box(0, 255, (2, 2), np.uint8), ACTIONS

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = int(self.np_random.integers(1, 9))
        return self.observation_space.dtype.type(self.np_random.integers(256, size=(2, 2))), {}

    def step(self, action):
        self.left -= 1
        ended, terminal = self.left == 0, bool(self.np_random.integers(2))
        frame = np.uint8(self.np_random.integers(256, size=(2, 2)))
        return frame, float(self.np_random.normal()), ended and terminal, ended and not terminal, {}


def play(environment: gymnasium.Env, steps: int = 60) -> set[tuple]:
    """To the end of an episode; -> the transitions as the environment gave them."""
    rng, transitions = np.random.default_rng(0), set()
    observation, _ = environment.reset(seed=0)
    ended = False
    while not ended or len(transitions) < steps:
        if ended:
            observation, _ = environment.reset()
        action = np.int32(rng.integers(3))
        following, reward, terminated, truncated, _ = environment.step(action)
        ended = terminated or truncated
        parts = (observation, action, reward, 0 if terminated else GAMMA, following)
        transitions.add(tuple(rounded(np.float32(part).reshape(-1)) for part in parts))
        observation = following
    return transitions


def record(folder: Path) -> set[tuple]:
    environment = Recorder(FrameStackObservation(Film(), STACK), folder, "chance")
    transitions = play(environment)
    environment.close()
    return transitions


@pytest.mark.parametrize("relative", [False, True])
def test_what_is_recorded_is_learned_from(relative: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stacks, next stacks, rewards and endings: the same transitions, and no others."""
    monkeypatch.chdir(tmp_path)
    folder = Path("some/film") if relative else tmp_path / "film"
    transitions = record(folder)
    data = loaded(folder)
    assert sampled(data) == transitions
    assert len(data.replay) == len(transitions)


def test_minari_reads_what_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transitions = record(tmp_path / "film-v3")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    data = minari.load_dataset("film-v3")
    assert data.total_steps == len(transitions) == sum(len(episode) for episode in data)
    assert (data.spec.dataset_id, data.spec.observation_space.shape) == ("film-v3", (2, 2))
    assert data.storage.metadata["algorithm_name"] == "chance"
    for episode in data:
        assert episode.observations.shape == (len(episode.rewards) + 1, 2, 2)
        assert (episode.terminations | episode.truncations).tolist() == [False] * (len(episode.rewards) - 1) + [True]


@pytest.mark.filterwarnings("ignore::UserWarning")  # Minari wants an author and more
def test_a_data_set_of_whole_observations_is_read_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Minari's own collector writes it."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    environment = minari.DataCollector(FrameStackObservation(Film(), STACK))
    transitions = play(environment)
    environment.create_dataset("whole-v0", algorithm_name="chance")
    assert sampled(loaded(tmp_path / "whole-v0")) == transitions


def test_chunks_are_cut_at_ends_of_episodes(tmp_path: Path) -> None:
    transitions = record(tmp_path / "film")
    data = dataset(tmp_path / "film", chunk_transitions=10, chunks_per_epoch=2)
    sizes = data.chunks.sizes
    assert sum(sizes) == len(transitions) and all(size >= 10 for size in sizes[:-1]) and len(sizes) > 3
    data.start(0)
    data.begin_epoch(1)
    assert len(data.replay) == sum(sizes[number] for number in data.loaded)


def test_vectors_are_taken_whole(tmp_path: Path) -> None:
    class Walk(Film):
        observation_space = spaces.Box(-9, 9, (3,), np.float32)

        def reset(self, **options):
            super().reset(**options)
            return np.float32(self.np_random.normal(size=3)), {}

        def step(self, action):
            _, *rest = super().step(action)
            return np.float32(self.np_random.normal(size=3)), *rest

    environment = Recorder(Walk(), tmp_path / "walk", "chance")
    environment.reset(seed=0)
    ends = 0
    while ends < 3:
        _, _, terminated, truncated, _ = environment.step(np.int32(1))
        if terminated or truncated:
            ends += 1
            environment.reset()
    environment.close()
    data = loaded(tmp_path / "walk", replay(space=Walk.observation_space))
    assert data.sample(np.random.default_rng(0)).observation.shape == (MANY, 3)


def test_a_recording_that_is_not_finished_is_none(tmp_path: Path) -> None:
    """An interrupted one leaves a folder with another name, which the next one replaces."""
    environment = Recorder(FrameStackObservation(Film(), STACK), tmp_path / "film", "chance")
    environment.reset(seed=0)
    for _ in range(20):
        if any(environment.step(np.int32(0))[2:4]):
            environment.reset()
    with pytest.raises(UserError, match="no such folder"):
        dataset(tmp_path / "film")
    record(tmp_path / "film")
    assert [path.name for path in tmp_path.iterdir()] == ["film"]
    with pytest.raises(UserError, match="there already"):
        record(tmp_path / "film")


# What is wrong -------------------------------------------------------------------------------------------------------


def saved(array: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return gzip.compress(buffer.getvalue())


def spoil(part: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def spoiled(folder: Path) -> None:
        path = folder / f"$store$_{part}_ckpt.1.gz"
        path.write_bytes(change(path.read_bytes()))

    return spoiled


HUGE = io.BytesIO()
np.lib.format.write_array_header_1_0(HUGE, {"shape": (10**13, 2, 2), "fortran_order": False, "descr": "|u1"})


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda folder: (folder / "$store$_reward_ckpt.1.gz").unlink(), ["reward_ckpt.1.gz", "missing"]),
        (lambda folder: shutil.rmtree(folder), ["no such folder", "dataset.path"]),
        (lambda folder: [path.unlink() for path in folder.iterdir()], ["holds no data set", "Minari"]),
        (spoil("observation", lambda data: data[:-30]), ["observation_ckpt.1.gz", "cut short or damaged"]),
        (spoil("action", lambda data: data[:-20]), ["action_ckpt.1.gz", "cut short or damaged"]),
        (spoil("action", lambda data: data[:4]), ["action_ckpt.1.gz", "damaged"]),
        (spoil("reward", lambda data: b"not gzip"), ["reward_ckpt.1.gz", "no gzipped numpy array"]),
        (spoil("reward", lambda data: gzip.compress(b"text")), ["reward_ckpt.1.gz", "no gzipped numpy array"]),
        (spoil("reward", lambda data: b""), ["reward_ckpt.1.gz", "damaged"]),
        (
            spoil("observation", lambda data: saved(np.zeros((20, 3, 3), np.uint8))),
            ["(N, 2, 2)", "(20, 3, 3)"],
        ),
        (spoil("observation", lambda data: saved(np.zeros((20, 2, 2), np.float32))), ["observations", "float32"]),
        (spoil("action", lambda data: saved(np.zeros((20, 1), np.int32))), ["(N,)", "(20, 1)"]),
        (spoil("action", lambda data: saved(np.int32(3))), ["(N,)", "()"]),
        (spoil("action", lambda data: saved(np.array([{}] * 20), **{"allow_" + "pickle": True})), ["object"]),
        (spoil("terminal", lambda data: saved(np.zeros(19, np.uint8))), ["19 transitions", "chunk_transitions=20"]),
        (spoil("observation", lambda data: gzip.compress(HUGE.getvalue())), ["cut short"]),
        (spoil("action", lambda data: saved(np.full(20, 3, np.int32))), ["chunk 1", "actions from 3 to 3", "has 3"]),
        (spoil("action", lambda data: saved(np.full(20, -1, np.int32))), ["actions from -1"]),
        (spoil("reward", lambda data: saved(np.full(20, np.nan, np.float32))), ["rewards hold NaN"]),
    ],
)
def test_a_bad_dqn_replay_is_one_line(change: Callable[[Path], Any], words: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    for number in range(2):
        write_chunk(folder, number, **chunk([0] * 20))
    change(folder)
    with pytest.raises(UserError) as error:
        loaded(folder, chunks=2, chunk_transitions=20)
    line = str(error.value)
    assert "\n" not in line and len(line) < 400
    for word in words:
        assert word in line, line


def metadata(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        file = folder / "data" / "metadata.json"
        content = {**json.loads(file.read_text()), **changes}
        file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))

    return change


def cut(folder: Path) -> None:
    file = folder / "data" / "main_data.hdf5"
    file.write_bytes(file.read_bytes()[:3000])


def replaced(name: str, array: np.ndarray) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
            del file["episode_2"][name]
            file["episode_2"][name] = array

    return change


def grow(folder: Path) -> None:
    """An array of 4 TB of which nothing is stored."""
    with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
        file["episode_2"]["observations"].resize(10**12, axis=0)


DISCRETE = '{"type": "Discrete", "dtype": "int64", "start": 0, "n": 18}'
BOX = '{"type": "Box", "dtype": "uint8", "shape": [1], "low": [0], "high": [255]}'


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda folder: (folder / "data" / "main_data.hdf5").unlink(), ["damaged"]),
        (lambda folder: (folder / "data" / "metadata.json").write_text("{"), ["damaged"]),
        (cut, ["damaged"]),
        (grow, ["damaged", "episode 2"]),
        (replaced("rewards", np.zeros(99)), ["damaged", "episode 2"]),
        (metadata(total_steps=1), ["1 steps", "damaged"]),
        (metadata(total_episodes=10**6), ["damaged"]),
        (metadata(data_format="arrow"), ["arrow", "hdf5"]),
        (metadata(data_format="pickled"), ["pickled", "hdf5"]),
        (metadata(observation_space=None), ["damaged", "observation_space"]),  # or the file's environment is made
        (metadata(action_space=None), ["damaged", "action_space"]),
        (metadata(action_space=DISCRETE), ["Discrete(18)", "Discrete(3)", "another environment"]),
        (metadata(observation_space=BOX), ["(1,)", "(2, 2)", "(4, 2, 2)"]),
    ],
)
def test_a_bad_minari_data_set_is_one_line(change: Callable[[Path], Any], words: list[str], tmp_path: Path) -> None:
    record(tmp_path / "film")
    change(tmp_path / "film")
    with pytest.raises(UserError) as error:
        loaded(tmp_path / "film")
    line = str(error.value)
    assert "\n" not in line and len(line) < 500
    for word in words:
        assert word in line, line


def test_a_replay_that_is_too_small_is_one_line(tmp_path: Path) -> None:
    write_chunk(tmp_path, 0, **chunk([1] * 20))
    with pytest.raises(UserError, match=r"replay\.capacity=19"):
        dataset(tmp_path, replay(19), chunks=1, chunk_transitions=20)
    with pytest.raises(UserError, match=r"last frame of each episode.*replay\.capacity=30"):
        loaded(tmp_path, replay(30), chunks=1, chunk_transitions=20)


def test_a_turn_is_a_batch(tmp_path: Path) -> None:
    """The clock goes on with `choose`, so that the gradient step of the turn is due at once; nobody acts."""
    write_chunk(tmp_path, 0, **chunk([0] * 20))
    data = loaded(tmp_path, chunks=1, chunk_transitions=20)
    for turn in range(1, 4):
        assert data.choose(lambda *_: pytest.fail("acted")) is None
        assert data.agent_step == turn
        assert data.take(None) is True
    assert data.summary() == {"return": None, "episodes": 0, "episode_returns": [], "episode_lengths": []}
