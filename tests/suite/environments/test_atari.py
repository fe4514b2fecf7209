"""The Atari protocol, held against gymnasium's wrappers, ale-py's own preprocessing and the emulator."""

from typing import Any

import ale_py
import gymnasium
import numpy as np
import pytest
from ale_py.vector_env import AtariVectorEnv
from gymnasium.wrappers import AtariPreprocessing, FrameStackObservation

from suite.environments import AtariOptions, atari
from suite.errors import UserError
from suite.tasks import TASKS

gymnasium.register_envs(ale_py)

Step = tuple[np.ndarray, float, bool, bool]


def num_actions(env: gymnasium.Env) -> int:
    assert isinstance(env.action_space, gymnasium.spaces.Discrete)
    return int(env.action_space.n)


def play(env: gymnasium.Env, seed: int, agent_steps: int) -> list[Step]:
    """Random actions, resetting where an episode ends."""
    rng = np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed)
    steps: list[Step] = [(observation, 0.0, False, False)]
    for _ in range(agent_steps):
        observation, reward, terminated, truncated, _ = env.step(int(rng.integers(num_actions(env))))
        steps.append((observation, float(reward), terminated, truncated))
        if terminated or truncated:
            steps.append((env.reset()[0], 0.0, False, False))
    return steps


def same(ours: list[Step], theirs: list[Step]) -> bool:
    return len(ours) == len(theirs) and all(
        np.array_equal(a[0], b[0]) and a[1:] == b[1:] for a, b in zip(ours, theirs, strict=True)
    )


@pytest.mark.parametrize(
    ("game", "emulator", "wrapper", "stack", "options"),
    [
        ("Breakout", {}, {}, 4, {}),
        ("Pong", {"repeat_action_probability": 0.0}, {}, 4, {"sticky_actions": 0.0}),
        ("Breakout", {}, {"terminal_on_life_loss": True}, 4, {"terminal_on_life_loss": True}),
        ("Boxing", {}, {"noop_max": 30, "screen_size": 60}, 2,
         {"noop_max": 30, "screen_size": 60, "stack": 2}),
        ("VideoPinball", {"full_action_space": True}, {"frame_skip": 3}, 1,
         {"full_action_space": True, "frame_skip": 3, "stack": 1}),
    ],
)  # fmt: skip
def test_equal_to_gymnasiums_wrappers_pixel_for_pixel(
    game: str, emulator: dict[str, Any], wrapper: dict[str, Any], stack: int, options: dict[str, Any]
) -> None:
    base = gymnasium.make(f"ALE/{game}-v5", **({"frameskip": 1, "repeat_action_probability": 0.25} | emulator))
    composed = FrameStackObservation(AtariPreprocessing(base, **({"noop_max": 0} | wrapper)), stack)
    assert same(play(atari.make(game, AtariOptions(**options)), 1, 150), play(composed, 1, 150))


@pytest.mark.parametrize("max_pool", [True, False])
@pytest.mark.parametrize(("game", "rom"), [("Breakout", "breakout"), ("SpaceInvaders", "space_invaders")])
def test_equal_to_ale_pys_own_preprocessing_pixel_for_pixel(game: str, rom: str, max_pool: bool) -> None:
    """An implementation in C++ that shares only the emulator.

    Its stacks start with black frames, so the newest frame is compared. Seed 1 gives the emulator a seed that
    both take: theirs must not be negative.
    """
    env = atari.make(game, AtariOptions(max_pool=max_pool))
    observation, info = env.reset(seed=1)
    options = {"repeat_action_probability": 0.25, "noop_max": 0, "use_fire_reset": False, "reward_clipping": False}
    theirs = AtariVectorEnv(rom, 1, **options, maxpool=max_pool)
    images, _ = theirs.reset(seed=np.array([info["seeds"][1]], np.int32))
    assert np.array_equal(observation[-1], images[0, -1])
    rng = np.random.default_rng(0)
    terminated = False
    rewards: list[float] = []
    while not terminated and len(rewards) < 250:
        action = rng.integers(num_actions(env), size=1)
        observation, reward, terminated, _, _ = env.step(int(action[0]))
        images, their_reward, their_terminated, _, _ = theirs.step(action)
        rewards.append(float(reward))
        assert np.array_equal(observation[-1], images[0, -1])
        assert (reward, terminated) == (their_reward[0], their_terminated[0])
    assert any(rewards), "an episode without a reward compares too little"


def test_the_papers_protocol_is_the_default() -> None:
    env = atari.make("Breakout", AtariOptions())
    assert env.observation_space == gymnasium.spaces.Box(0, 255, (4, 84, 84), np.uint8)
    assert env.action_space == gymnasium.spaces.Discrete(4)
    assert env.get_wrapper_attr("frame_skip") == 4
    assert env.get_wrapper_attr("terminal_on_life_loss") is False
    assert env.get_wrapper_attr("noop_max") == 0
    assert env.get_wrapper_attr("_max_episode_steps") == 27_000
    emulator = env.get_wrapper_attr("ale")
    assert emulator.getFloat("repeat_action_probability") == 0.25
    assert emulator.getInt("max_num_frames_per_episode") == 0
    _, info = env.reset(seed=0)
    assert info["episode_frame_number"] == 0
    assert env.step(0)[4]["episode_frame_number"] == 4


def test_options_reach_the_emulator() -> None:
    env = atari.make(
        "Breakout", AtariOptions(sticky_actions=0.125, full_action_space=True, frame_skip=2, max_pool=False)
    )
    assert env.get_wrapper_attr("ale").getFloat("repeat_action_probability") == 0.125
    assert env.action_space == gymnasium.spaces.Discrete(18)
    env.reset(seed=0)
    assert env.step(0)[4]["episode_frame_number"] == 2


def test_sticky_actions_and_pooling_change_what_is_seen() -> None:
    paper = play(atari.make("SpaceInvaders", AtariOptions()), 1, 50)
    assert not same(paper, play(atari.make("SpaceInvaders", AtariOptions(sticky_actions=0.0)), 1, 50))
    assert not same(paper, play(atari.make("SpaceInvaders", AtariOptions(max_pool=False)), 1, 50))


@pytest.mark.parametrize(("frame_skip", "noop_max"), [(4, 0), (1, 0), (3, 20)])
def test_the_cap_truncates_and_counts_agent_steps(frame_skip: int, noop_max: int) -> None:
    free = play(atari.make("Pong", AtariOptions(frame_skip=frame_skip, noop_max=noop_max)), 2, 50)
    steps = play(
        atari.make("Pong", AtariOptions(frame_skip=frame_skip, noop_max=noop_max, max_episode_agent_steps=50)), 2, 110
    )
    ends = [index for index, step in enumerate(steps) if step[2] or step[3]]
    assert ends == [50, 101]  # a reset stands between the two episodes
    assert all(steps[index][2:] == (False, True) for index in ends)
    # The last observation is the true one, which a learner bootstraps from.
    assert np.array_equal(steps[50][0], free[50][0])
    assert not np.array_equal(steps[50][0][-1], steps[49][0][-1])


def test_the_seed_decides_everything() -> None:
    first = play(atari.make("Boxing", AtariOptions(noop_max=5)), 3, 100)
    assert same(first, play(atari.make("Boxing", AtariOptions(noop_max=5)), 3, 100))
    env = atari.make("Boxing", AtariOptions(noop_max=5))
    play(env, 7, 20)
    assert same(first, play(env, 3, 100)), "a reset with a seed forgets what was before"


def test_the_seed_decides_what_sticks() -> None:
    def screens(seed: int, sticky_actions: float) -> bytes:
        env = atari.make("Boxing", AtariOptions(sticky_actions=sticky_actions))
        env.reset(seed=seed)
        return np.stack([env.step(step // 3 % 18)[0] for step in range(30)]).tobytes()

    assert len({screens(seed, 0.25) for seed in range(3)}) == 3
    assert len({screens(seed, 0.0) for seed in range(3)}) == 1


def test_the_first_frame_fills_the_stack() -> None:
    observation, _ = atari.make("Qbert", AtariOptions()).reset(seed=0)
    assert observation.shape == (4, 84, 84) and observation.dtype == np.uint8
    assert all(np.array_equal(frame, observation[0]) for frame in observation)


@pytest.mark.parametrize("task", [name for name, task in TASKS.items() if task.family == "atari"])
def test_every_game_can_be_played(task: str) -> None:
    env = atari.make(task.split("/")[1], AtariOptions())
    observation, _ = env.reset()
    assert observation in env.observation_space
    assert env.step(num_actions(env) - 1)[0] in env.observation_space
    env.close()


@pytest.mark.parametrize("game", ["Pnog", "pong", "ALE/Pong-v5", "", "../x"])
def test_an_unknown_game_is_a_clear_error(game: str) -> None:
    with pytest.raises(UserError, match="unknown Atari game"):
        atari.make(game, AtariOptions())
