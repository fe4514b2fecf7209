"""Records -> runs: what is read, and the one line that each damage gives."""

import json

import pytest

from analysis import runs, scores
from suite.errors import UserError


def change(path, **values):
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **values}))


def test_a_finished_run_is_read(run):
    read = runs.read(run(task="atari/Boxing", method="gmp", seed=4, sparsity=0.9))
    assert (read.task, read.method, read.seed, read.status) == ("atari/Boxing", "gmp", 4, "finished")
    assert read.options["agent.width"] == 512
    assert read.final("return") == 0.0
    assert read.final("sparsity") == 0.9
    assert [epoch["epoch"] for epoch in read.epochs] == [1, 2, 3]


def test_failed_and_unfinished_runs_say_why(run):
    assert runs.read(run(status="failed")).reason.startswith("all losses are NaN")
    read = runs.read(run(seed=1, status=None, returns=(1.0, 2.0)))
    assert (read.status, read.reason) == ("unfinished", "last epoch at agent step 2,001 of 3,000")


def test_a_killed_run_may_end_in_half_a_line(run):
    folder = run(status=None, returns=(1.0,))
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "epoch", "epo')
    assert len(runs.read(folder).epochs) == 1
    (folder / "metrics.jsonl").unlink()  # killed before its first row
    assert runs.read(folder).epochs == ()


def damage_line(folder):
    path = folder / "metrics.jsonl"
    path.write_text(path.read_text().replace('"epoch": 2', '"epoch": ?'))


def cut_last_line(folder):
    path = folder / "metrics.jsonl"
    path.write_text(path.read_text()[:-10])


def repeat_epoch(folder):
    path = folder / "metrics.jsonl"
    path.write_text(path.read_text() + path.read_text())


def drop_epoch(folder):
    path = folder / "metrics.jsonl"
    path.write_text("\n".join(path.read_text().splitlines()[:-2]) + "\n")


def no_actor_sparsity(folder):
    path = folder / "metrics.jsonl"
    path.write_text(path.read_text().replace('"actor_sparsity"', '"actors_sparsity"'))


def evaluate_twice(folder):
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line * (1 + ('"evaluation"' in line)) for line in lines))


def text_evaluation(folder):
    path = folder / "metrics.jsonl"
    path.write_text(path.read_text().replace('"return": 7.5', '"return": "high"'))


def text_return(folder):
    path = folder / "metrics.jsonl"
    path.write_text(path.read_text().replace('"return": -10.0', '"return": "high"'))


DAMAGES = {
    "damaged": damage_line,
    "last line is cut": cut_last_line,
    "epochs should be numbered": repeat_epoch,
    "2 of 3 epochs": drop_epoch,
    "epoch 2 has no valid 'return'": text_return,
    "epoch 1 has no valid 'actor_sparsity'": no_actor_sparsity,
    "evaluation 1 has no valid 'return'": text_evaluation,
    "one evaluation an epoch is expected, found those of [1, 1]": evaluate_twice,
    "schema version 1": lambda folder: change(folder / "config.json", schema=1),
    "'seed' should be of type int": lambda folder: change(folder / "config.json", seed="zero"),
    "not valid JSON": lambda folder: (folder / "config.json").write_text('{"schema": 1,'),
    "should be finished or failed": lambda folder: change(folder / "status.json", status="done"),
    "without its config.json": lambda folder: (folder / "config.json").unlink(),
}


@pytest.mark.parametrize("message", DAMAGES)
def test_damage_gives_one_clear_line(run, message):
    folder = run(evaluations=(7.5,))
    DAMAGES[message](folder)
    with pytest.raises(UserError) as caught:
        runs.load(folder.parent)
    assert message in str(caught.value)
    assert folder.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_runs(tmp_path):
    with pytest.raises(UserError, match="holds no run"):
        runs.load(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        runs.load(tmp_path / "nowhere")


def test_other_folders_are_named_and_the_report_is_not(run):
    root = run().parent
    (root / "odd").mkdir()
    (root / "report").mkdir()
    found, notes = runs.load(root, root / "report")
    assert len(found) == 1
    assert len(notes) == 1 and "odd" in notes[0]


def test_tidy_frame(run):
    pairs = [("dense, width=512", runs.read(run(seed=1, returns=(1.0, None, 3.0))))]
    frame = runs.tidy(pairs)
    assert list(frame.columns) == list(runs.COLUMNS)
    assert frame["return"].isna().tolist() == [False, True, False]
    assert frame["agent_step"].tolist() == [1001, 2001, 3001]
    assert set(frame["row"]) == {"dense, width=512"} and set(frame["method"]) == {"dense"}
    assert runs.tidy([]).empty


def test_the_actors_sparsity_is_read_beside_the_critics(run):
    read = runs.read(run(task="mujoco/Ant", sparsity=0.9, actor_sparsity=0.6))
    assert (read.final("sparsity"), read.final("actor_sparsity")) == (0.9, 0.6)
    assert runs.read(run()).final("actor_sparsity") is None
    assert runs.tidy([("dense", read)])["actor_sparsity"].tolist() == pytest.approx([0.2, 0.4, 0.6])


def test_evaluation_returns_are_those_of_the_evaluations(run):
    folder = run(returns=(1.0, 2.0, 3.0), evaluations=(7.5, 8.5), sparsity=0.5)
    training, evaluated = runs.read(folder), runs.read(folder, "evaluation")
    assert (training.final("return"), evaluated.final("return")) == (3.0, 8.5)  # the last one there is
    assert evaluated.final("sparsity") == 0.5
    frame = runs.tidy([("dense", evaluated)])
    assert frame["return"].tolist()[:2] == [7.5, 8.5] and frame["return"].isna().tolist() == [False, False, True]
    assert frame["episodes"].tolist()[:2] == [10, 10]
    assert runs.tidy([("dense", training)])["return"].tolist() == [1.0, 2.0, 3.0]


def test_a_finished_run_without_evaluations_has_no_evaluation_return(run):
    folder = run()
    with pytest.raises(UserError, match=r"seed0.*holds no evaluation.*trainer\.evaluation_episodes") as caught:
        runs.load(folder.parent, which="evaluation")
    assert "\n" not in str(caught.value)
    assert runs.read(run(seed=1, status="failed"), "evaluation").final("return") is None


def test_scores():
    assert scores.normalised("atari/Pong", -20.7) == 0.0
    assert scores.normalised("atari/Pong", 14.6) == pytest.approx(1.0)
    assert scores.normalised("atari/VideoPinball", 16256.9) == 0.0
    assert scores.normalised("atari/Pong", None) is None
    assert scores.normalised("mujoco/Reacher", -43.4) == 0.0
    assert scores.normalised("mujoco/Reacher", -2.6) == 1.0
    assert scores.normalised("mujoco/Pusher", -30.0) is None
    with pytest.raises(UserError, match="'atari/Pang'"):
        scores.normalised("atari/Pang", 1.0)


def test_words_follow_the_families():
    atari, mujoco = ["atari/Pong", "atari/Boxing"], ["mujoco/Ant"]
    assert scores.noun(atari) == "game"
    assert scores.noun(mujoco) == scores.noun(atari + mujoco) == scores.noun([]) == "task"
    assert scores.references(mujoco + atari) == ["dense SAC", "human"]
    assert "16256.9" in scores.source(atari) and "SAC" not in scores.source(atari)
    assert "Tianshou" in scores.source(mujoco) and "dqn_zoo" not in scores.source(mujoco)
    assert all(
        part in scores.source(atari + mujoco) for part in ("for atari, ", "16256.9", "; for mujoco, ", "Tianshou")
    )
