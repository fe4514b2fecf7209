"""Which reader has which place, and how tasks are called elsewhere."""

import json

import pytest

from analysis.data import runs, sources
from analysis.data.sources import runfolder, wandb
from analysis.data.sources.names import task_named, version_of
from suite.errors import UserError


def test_every_place_goes_to_its_reader(run, tmp_path, monkeypatch):
    folder = run()
    (folder / "wandb" / "offline-run-1").mkdir(parents=True)
    (folder / "wandb" / "offline-run-1" / "run-1.wandb").write_text("")  # the record beside it is read
    published = tmp_path / "published"
    published.mkdir()
    (published / "pong.json").write_text(json.dumps([{"Iteration": 0, "Value": 1.0, "Agent": "DQN"}]))
    runs.tidy([("dense", runfolder.read(folder))]).assign(method="copy").to_csv(tmp_path / "copy.csv", index=False)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "run-2.wandb").write_text("")
    monkeypatch.setattr(wandb, "project", lambda place: ([], [f"project {place}"]))
    monkeypatch.setattr(wandb, "offline", lambda place: ([], [f"offline {place.name}"]))
    places = ["runs", "published", "published/pong.json", "copy.csv", "elsewhere"]
    found, notes = sources.load([*(str(tmp_path / place) for place in places), "wandb:me/mine"])
    assert [run.source for run in found] == ["records", "dopamine", "dopamine", "csv"]
    assert notes == ["offline elsewhere", "project wandb:me/mine"]


def test_options_in_json_beside_csv_files_are_named_and_left_out(run, tmp_path):
    (tmp_path / "given").mkdir()
    runs.tidy([("dense", runfolder.read(run()))]).to_csv(tmp_path / "given" / "copy.csv", index=False)
    (tmp_path / "given" / "options.json").write_text('{"learning_rate": 0.001}')
    found, notes = sources.load([str(tmp_path / "given")])
    assert [run.source for run in found] == ["csv"] and ".json" in notes[-1]


def test_a_place_that_is_none(tmp_path):
    for place, message in (("", "an empty name"), (str(tmp_path), "holds no run"), ("nowhere", "no such folder")):
        with pytest.raises(UserError, match=message):
            sources.load([place])


@pytest.mark.parametrize(
    ("name", "task", "version"),
    [
        ("atari/Pong", "atari/Pong", None),
        ("pong", "atari/Pong", None),
        ("PongNoFrameskip-v4", "atari/Pong", "v4"),
        ("ALE/MsPacman-v5", "atari/MsPacman", "v5"),
        ("mspacman", "atari/MsPacman", None),
        ("up_n_down", "atari/UpNDown", None),
        ("HalfCheetah-v2", "mujoco/HalfCheetah", "v2"),
        ("walker2d", "mujoco/Walker2d", None),
        ("airraid", None, None),
        ("dm_control/walker-walk", None, None),
    ],
)
def test_tasks_by_their_other_names(name, task, version):
    assert (task_named(name), version_of(name)) == (task, version)
