"""The MuJoCo environments: actions in [-1, 1], float32 observations, truncation; and tiny runs of SAC in one."""

from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from safetensors.numpy import load_file

from suite.agents import SACOptions
from suite.agents.sac import sac
from suite.environments import RegisteredOptions
from suite.environments.mujoco import make
from suite.errors import UserError
from suite.record import reader, schema
from suite.tasks import TASKS
from sweeps import run as entry
from tests.support.methods import NETWORKS, NEVER_PRUNE, WITHOUT_A_SET_SPARSITY
from tests.support.sweeps import TINY_SAC, run_flags

NAMES = [task.environment for task in TASKS.values() if task.family == "mujoco"]
OWN_BOUNDS = {"Humanoid": 0.4, "HumanoidStandup": 0.4, "Pusher": 2.0, "InvertedPendulum": 3.0}  # of others 1


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MuJoCo writes its warnings to a file where it runs."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_every_task_makes_and_steps(name: str) -> None:
    """The highest and lowest actions are the environment's own bounds, and a seed fixes everything."""
    environment, raw = make(name, RegisteredOptions()), gymnasium.make(f"{name}-v5")
    assert isinstance(raw.action_space, spaces.Box)
    dimension = raw.action_space.shape
    assert environment.action_space == spaces.Box(-1, 1, dimension, np.float32)
    np.testing.assert_allclose(raw.action_space.high, OWN_BOUNDS.get(name, 1.0))
    assert environment.unwrapped.frame_skip == TASKS[f"mujoco/{name}"].frame_skip
    for seed in (3, 3, 4):
        observation, _ = environment.reset(seed=seed)
        expected, _ = raw.reset(seed=seed)
        np.testing.assert_array_equal(observation, expected.astype(np.float32))
        steps = (1, raw.action_space.high), (-1, raw.action_space.low), (0, 0 * raw.action_space.low)
        for scaled, own in steps:
            observation, reward, *ended, _ = environment.step(np.full(dimension, scaled, np.float32))
            expected, expected_reward, *expected_ended, _ = raw.step(own)
            assert observation in environment.observation_space
            assert observation.dtype == environment.observation_space.dtype == np.float32
            np.testing.assert_allclose(observation, expected, rtol=1e-4, atol=1e-4)
            assert reward == pytest.approx(expected_reward, rel=1e-4, abs=1e-4)
            assert ended == expected_ended


@pytest.mark.parametrize("options, length", [({}, 1000), ({"max_episode_agent_steps": 7}, 7)])
def test_the_last_step_truncates_and_is_no_terminal(options: dict, length: int) -> None:
    environment = make("HalfCheetah", RegisteredOptions(**options))
    environment.reset(seed=0)
    action = np.zeros(6, np.float32)
    endings = [environment.step(action)[2:4] for _ in range(length)]
    assert endings == [(False, False)] * (length - 1) + [(False, True)]


def test_a_fall_is_a_terminal() -> None:
    environment = make("InvertedPendulum", RegisteredOptions())
    environment.reset(seed=0)
    ended, steps = (False, False), 0
    while not any(ended):
        _, _, *flags, _ = environment.step(np.ones(1, np.float32))
        ended, steps = tuple(flags), steps + 1
    assert ended == (True, False)
    assert steps < 100


@pytest.mark.parametrize("name", ["HalfCheeta", "Ant-v5", "CartPole", ""])
def test_an_unknown_name_is_told(name: str) -> None:
    with pytest.raises(UserError, match=r"unknown MuJoCo environment .* such as HalfCheetah"):
        make(name, RegisteredOptions())


def test_sac_fits_every_task() -> None:
    """Its own check of the action space accepts what `make` scales."""
    for name in ("Humanoid", "Pusher"):
        environment = make(name, RegisteredOptions())
        sac(environment.observation_space, environment.action_space, SACOptions())
        with pytest.raises(UserError, match=r"\[-1, 1\]"):
            sac(environment.observation_space, environment.unwrapped.action_space, SACOptions())


# Tiny runs -----------------------------------------------------------------------------------------------------------

WIDER = {**TINY_SAC, "agent.critic_width": 16, "agent.actor_width": 12, "trainer.epochs": 2}


@pytest.mark.parametrize("method", ["dense", "gmp", "distill", "eaudeqn"])
def test_a_tiny_run_leaves_a_finished_record(method: str, tmp_path: Path) -> None:
    assert entry.main(run_flags({**WIDER, "method": method, "folder": tmp_path})) == 0
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert reader.is_finished(folder)

    rows = schema.read_rows(folder / schema.METRICS)
    epochs = [row for row in rows if row["kind"] == "epoch"]
    updates = [row for row in rows if row["kind"] == "target_update"]
    assert [row["epoch"] for row in epochs] == [1, 2]
    assert [row["kind"] for row in rows].count("evaluation") == 2
    assert [row["gradient_step"] for row in updates] == list(range(10, epochs[-1]["gradient_step"] + 1, 10))
    for row in epochs:
        assert row["frame"] == 2 * row["agent_step"]
        assert set(row["layer_sparsity"]) == {f"critic_{i}/Dense_{j}/kernel" for i in (0, 1) for j in (0, 1, 2)}
        assert set(row["actor_layer_sparsity"]) == {f"policy/Dense_{j}/kernel" for j in (0, 1, 2)}
    last = epochs[-1]
    if method in NEVER_PRUNE:
        assert last["sparsity"] == last["actor_sparsity"] == 0
    assert {len(row["losses"]) for row in updates} == {NETWORKS.get(method, 1)}
    if method in NETWORKS:
        for row in updates:
            assert max(row["sparsities"]) > 0
            assert row["actor_sparsity"] == pytest.approx(
                row["sparsities"][0], abs=0.02
            )  # whole weights of small layers
    if method not in WITHOUT_A_SET_SPARSITY:
        assert last["sparsity"] == pytest.approx(0.9, abs=0.01)
        assert last["actor_sparsity"] == pytest.approx(0.9, abs=0.02)

    card, arrays = schema.read_json(folder / schema.POLICY_CARD), load_file(folder / schema.POLICY)
    kernels = {path: array for path, array in arrays.items() if path.endswith("kernel")}
    assert sorted(kernel.shape for kernel in kernels.values()) == [(4, 12), (12, 2), (12, 12)]
    zeros = sum(int((kernel == 0).sum()) for kernel in kernels.values())
    assert zeros / sum(kernel.size for kernel in kernels.values()) == pytest.approx(card["sparsity"], abs=1e-6)
    assert card["sparsity"] == pytest.approx(last["actor_sparsity"], abs=1e-6)
    for path, level in card["layer_sparsity"].items():
        assert (kernels[path] == 0).mean() == pytest.approx(level, abs=1e-6)
