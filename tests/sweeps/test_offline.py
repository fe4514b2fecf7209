"""A DQN run is recorded, and EauDeCQL learns from what it saw: the whole way, by the commands."""

from pathlib import Path
from typing import Any

import minari
import pytest

from suite.agents import agents_for
from suite.errors import UserError
from suite.record import reader, schema
from suite.tasks import PAPER_GAMES, TASKS
from sweeps import grid
from sweeps import run as entry
from sweeps.config import resolve
from sweeps.plan import resolve_all
from tests.support.damage import refused
from tests.support.sweeps import run_flags

SMALL = {
    "agent.network": "small",
    "agent.width": 8,
    "environment.screen_size": 42,
    "environment.max_episode_agent_steps": 60,
    "learner.target_update_period": 5,
    "replay.batch_size": 4,
    "replay.capacity": 300,
}
ONLINE = {"trainer.epochs": 1, "trainer.epoch_agent_steps": 180, "trainer.initial_samples": 50, **SMALL}
OFFLINE = {
    "trainer.epochs": 2,
    "trainer.epoch_agent_steps": 20,
    "trainer.evaluation_episodes": 1,
    "dataset.chunk_transitions": 60,
    "dataset.chunks_per_epoch": 2,
    **SMALL,
}


def flags(options: dict[str, Any], **named: Any) -> list[str]:
    return run_flags({**named, "seed": 0, **options})


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("recorded")
    options = flags(ONLINE, task="atari/Pong", method="dense", folder=place / "runs", record=place / "Pong")
    assert entry.main(options) == 0
    assert entry.main(options) == 0  # finished, and the data set is there
    return place


def test_a_run_leaves_its_experience(recorded: Path) -> None:
    data = minari.MinariDataset(recorded / "Pong" / "data")
    (rows,) = [schema.read_rows(folder / schema.METRICS) for folder in (recorded / "runs").iterdir()]
    (epoch,) = [row for row in rows if row["kind"] == "epoch"]
    assert [len(episode) for episode in data] == epoch["episode_lengths"] == [60, 60, 60]
    assert [episode.rewards.sum() for episode in data] == epoch["episode_returns"]


def test_eaudecql_learns_from_it(recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    options = {**OFFLINE, "dataset.path": recorded / "{game}"}
    arguments = flags(options, task="offline/Pong", method="eaudeqn:num_networks=2", folder=tmp_path)
    assert entry.main(arguments) == 0, capsys.readouterr().err
    (folder,) = tmp_path.iterdir()
    assert reader.is_finished(folder) and (folder / schema.POLICY).exists()
    rows = schema.read_rows(folder / schema.METRICS)
    epochs, evaluations = ([row for row in rows if row["kind"] == kind] for kind in ("epoch", "evaluation"))
    for row in rows:
        assert row["agent_step"] == row["gradient_step"] and row["frame"] == 0
    assert [row["gradient_step"] for row in epochs] == [20, 40]
    assert [(row["return"], row["episodes"]) for row in epochs] == [(None, 0)] * 2
    assert [row["epoch"] for row in evaluations] == [1, 2]
    assert all(row["return"] is not None for row in evaluations)
    updates = [row for row in rows if row["kind"] == "target_update"]
    assert [row["gradient_step"] for row in updates] == list(range(5, 41, 5))
    assert all(loss > 0 for row in updates for loss in row["losses"])
    assert epochs[-1]["sparsity"] == updates[-1]["sparsities"][0]


@pytest.mark.parametrize(
    "options, words",
    [
        ({"dataset.path": "nowhere"}, ["nowhere", "no such folder"]),
        ({"task": "offline/Breakout", "dataset.path": "{recorded}/Pong"}, ["Discrete(6)", "Discrete(4)"]),
        ({"environment.full_action_space": True}, ["Discrete(6)", "Discrete(18)"]),
        ({"environment.screen_size": 84}, ["(42, 42)", "(84, 84)"]),
        ({"replay.capacity": 100}, ["replay.capacity=100"]),
        ({"trainer.replay_ratio": 0.25}, ["trainer.replay_ratio", "data set"]),
        ({"trainer.initial_samples": 100}, ["trainer.initial_samples", "data set"]),
        ({"record": "somewhere"}, ["--record=somewhere", "offline/Pong"]),
        ({"task": "atari/Pong"}, ["--dataset.", "--help"]),  # an option of offline tasks
    ],
)
def test_what_does_not_fit_is_one_line(
    options: dict[str, Any], words: list[str], recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    options = {key: str(value).replace("{recorded}", str(recorded)) for key, value in options.items()}
    given = {"task": "offline/Pong", "method": "dense", "folder": tmp_path, "dataset.path": recorded / "Pong"}
    line = refused(capsys, entry.main(flags({**OFFLINE, **given, **options})))
    assert all(word in line for word in words), line
    assert not list(tmp_path.iterdir())


def test_the_defaults_are_the_papers_offline_configuration() -> None:
    run = resolve({"task": "offline/Pong", "method": "gmp", "seed": 1})
    assert (run.gradient_steps, run.options.trainer.epochs) == (3_125_000, 50)
    assert (run.options.agent.learning_rate, run.options.agent.cql_weight) == (5e-5, 0.1)
    assert run.options.learner.target_update_period == 2_000
    dataset = run.options.dump()["dataset"]
    assert (dataset["chunks"], dataset["chunk_transitions"], dataset["chunks_per_epoch"]) == (50, 50_000, 5)
    method = run.options.dump()["method"]
    assert (method["start"] * run.gradient_steps, method["end"] * run.gradient_steps) == (625_000, 2_500_000)
    assert method["final_sparsity"] == 0.95
    assert resolve({"task": "atari/Pong", "method": "gmp", "seed": 1}).options.dataset is None


def test_an_offline_task_is_scored_as_its_game() -> None:
    for game in PAPER_GAMES:
        online, offline = TASKS[game], TASKS[game.replace("atari", "offline")]
        assert (offline.random, offline.reference) == (online.random, online.reference)
        assert (agents_for(online), agents_for(offline)) == (("dqn",), ("cql", "dqn"))


@pytest.mark.parametrize("scale, runs", [("offline", 6), ("offline-paper", 150)])
def test_the_scales_are_runs(scale: str, runs: int) -> None:
    file = Path(__file__).parents[2] / "sweeps" / "atari" / f"{scale}.yaml"
    found = resolve_all(grid.read(file), str(file))
    assert len(found) == runs and all(run.offline for run in found)


def test_a_run_that_is_not_known_is_no_data_set() -> None:
    with pytest.raises(UserError, match="offline/Pong"):
        resolve({"task": "offlin/Pong", "method": "dense", "seed": 0})
