"""Tables of Atari, of MuJoCo, and of both side by side."""

import shutil

import pytest

from analysis.render import tables, tidy
from analysis.stats.metrics import NOTHING
from tests.support.tables import OVERALL, check_latex, comparison_of, csv_of, read_markdown


def test_mujoco_is_measured_by_dense_sac_and_has_an_actor(mujoco):
    comparison = comparison_of(mujoco)
    text = tables.markdown(comparison)
    found = read_markdown(text)
    overall = found["Dense-SAC-normalised score over 2 tasks, and final sparsity of critics and actor"]
    assert overall[0] == ["method", *OVERALL[:-1], "critic sparsity", "actor sparsity", "seeds"]
    hopper, reacher = (0.5 - 17.8) / (3542.2 - 17.8), (100.5 + 43.4) / (43.4 - 2.6)
    assert overall[1][3].startswith(f"{(hopper + reacher) / 2:.3f} [")
    assert overall[2][5:7] == ["0.900 [0.900, 0.900]", "0.800 [0.800, 0.800]"]
    assert found["Mean return per task [range of runs] (seeds)"] == [
        ["task", "random", "dense SAC", "dense", "gmp"],
        ["Hopper", "17.8", "3,542", "0.5 [0.0, 1.0] (2)", "-19.5 [-20.0, -19.0] (2)"],
        ["Reacher", "-43.4", "-2.6", "100.5 [100.0, 101.0] (2)", "80.5 [80.0, 81.0] (2)"],
    ]
    assert found["Final critic sparsity per task [range of runs] (seeds)"][1][2] == "0.900 [0.900, 0.900] (2)"
    assert found["Final actor sparsity per task [range of runs] (seeds)"][1][2] == "0.800 [0.800, 0.800] (2)"
    assert "game" not in text and "human" not in text and "Tianshou" in text and "told apart" in text
    assert "score = (return - random) / (dense SAC - random)" in text
    lines = csv_of(comparison)
    assert float(lines["gmp", "all", "actor_sparsity"]["value"]) == pytest.approx(0.8)
    assert float(lines["gmp", "mujoco/Hopper", "actor_sparsity"]["value"]) == pytest.approx(0.8)
    check_latex(tables.latex(comparison))


def test_atari_alone_has_no_actor_and_no_tasks(grid):
    comparison = comparison_of(grid)
    text = tables.markdown(comparison)
    assert "actor_sparsity" not in tidy.tidy_csv(comparison)
    assert not any(word in text for word in ("SAC", "task", "actor", "critic"))
    assert "Final sparsity per game" in text


def test_families_side_by_side(grid, mujoco):
    for folder in mujoco.iterdir():
        shutil.copytree(folder, grid / folder.name)
    comparison = comparison_of(grid)
    text = tables.markdown(comparison)
    found = read_markdown(text)
    title = "Human- or dense-SAC-normalised score over 4 tasks, and final sparsity of critics and actor"
    assert found[title][2][5:7] == ["0.925 [0.925, 0.925]", "0.800 [0.800, 0.800]"]  # the actor's of two tasks
    assert found["Mean return per game [range of runs] (seeds)"][0][:3] == ["game", "random", "human"]
    assert found["Mean return per task [range of runs] (seeds)"][0][:3] == ["task", "random", "dense SAC"]
    assert len(found["Final sparsity per game [range of runs] (seeds)"]) == 3
    assert len(found["Final critic sparsity per task [range of runs] (seeds)"]) == 3
    assert len(found["Final actor sparsity per task [range of runs] (seeds)"]) == 3
    assert all(part in text for part in ("(human or dense SAC - random): for atari, the", "for mujoco, "))
    assert "ALE v5, frame_skip=4, " in text and "gymnasium v5, mujoco of unknown version, frame_skip=2, " in text
    check_latex(tables.latex(comparison))
    scores = [csv_of(comparison)["dense", task, "score"]["value"] for task in comparison.grid.tasks]
    assert float(csv_of(comparison)["dense", "all", "mean"]["value"]) == pytest.approx(sum(map(float, scores)) / 4)


def test_a_task_without_reference_has_a_return_and_no_score(mujoco, run, tmp_path):
    for method in ("dense", "gmp"):
        for seed in range(2):
            options = {"environment.frame_skip": 2}
            folder = run(task="mujoco/Pusher", method=method, seed=seed, actor_sparsity=0.0, options=options)
            shutil.move(folder, mujoco)
    comparison = comparison_of(mujoco)
    found = read_markdown(tables.markdown(comparison))
    title = "Dense-SAC-normalised score over 2 of 3 tasks, and final sparsity of critics and actor over all 3"
    assert found[title][2][5] == "0.600 [0.600, 0.600]"  # 0.9 where there is a score
    pusher = found["Mean return per task [range of runs] (seeds)"][2]
    assert pusher == ["Pusher", "-148.8", "—", "0.0 [0.0, 0.0] (2)", "0.0 [0.0, 0.0] (2)"]
    assert any("No reference return is known for mujoco/Pusher" in note for note in comparison.notes)
    assert ("dense", "mujoco/Pusher", "score") not in csv_of(comparison)
    assert comparison.overall["dense"]["mean"] == comparison_of(_without(mujoco, "Pusher")).overall["dense"]["mean"]


def _without(root, word):
    for folder in root.iterdir():
        if word in folder.name:
            shutil.rmtree(folder)
    return root


def test_only_tasks_without_reference_leave_no_aggregate_of_returns(run, tmp_path):
    run(task="mujoco/Pusher", actor_sparsity=0.0)
    comparison = comparison_of(tmp_path / "runs")
    found = read_markdown(tables.markdown(comparison))
    assert found["Final sparsity of critics and actor over 1 task"][0][1:] == [
        "critic sparsity",
        "actor sparsity",
        "seeds",
    ]
    assert any("No reference return is known for mujoco/Pusher" in note for note in comparison.notes)


def test_evaluation_returns(mujoco):
    training, evaluated = (comparison_of(mujoco, which=which) for which in ("training", "evaluation"))
    assert training.on_task["gmp", "mujoco/Hopper"]["return"].value == -19.5
    assert evaluated.on_task["gmp", "mujoco/Hopper"]["return"].value == 30.5
    assert evaluated.on_task["gmp", "mujoco/Hopper"]["sparsity"].value == 0.9
    assert "Return: mean undiscounted training return" in tables.markdown(training)
    assert "Return: mean undiscounted return over the episodes of the last evaluation" in tables.markdown(evaluated)


def test_an_actor_is_expected_on_tasks_without_a_run(mujoco):
    comparison = comparison_of(_without(mujoco, "Reacher.gmp"))
    assert comparison.on_task["gmp", "mujoco/Reacher"]["actor_sparsity"] == NOTHING
    assert comparison.overall["gmp"]["actor_sparsity"] == NOTHING
    assert "gmp - no aggregate: no number on mujoco/Reacher." in comparison.notes  # once, not for each statistic
    assert sum("no aggregate" in note for note in comparison.notes) == 1
