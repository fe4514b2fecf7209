"""Markdown, LaTeX and CSV say the same, and LaTeX is well-formed."""

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import cells, costs, scores, tables
from analysis.comparison import compare
from analysis.markup import latex_text
from analysis.metrics import NOTHING, Estimate
from analysis.settings import Settings
from analysis.sources import csvfile, runfolder
from tests.analysis.conftest import write_grid

RESULTS = Path(__file__).parents[2] / "results"
OVERALL = ("IQM", "median", "mean", "optimality gap", "sparsity")
COMMAND = "python -m analysis.table --runs 'a_b & 50%'"


def comparison_of(root, sweep=None, which="training", **settings):
    found, notes = runfolder.load(root)
    grid = cells.expected(found, sweep, which) if sweep else cells.seen(found, which)
    grid.notes.extend(notes)
    return compare(grid, COMMAND, Settings(repetitions=50, **settings))


@pytest.fixture
def holed(tmp_path, grid, run, sweep):
    """The grid with a failed and a missing cell, and a method whose name needs escapes."""
    shutil.rmtree(grid / "atari-Boxing.gmp.seed1.0a1b2c3d")
    shutil.rmtree(grid / "atari-Pong.gmp.seed0.0a1b2c3d")
    run(method="gmp", status="failed", returns=(1.0,))
    file = sweep()
    file.write_text(file.read_text().replace("[dense, gmp]", '[dense, gmp, "rigl:a_b=1"]'))
    for task in ("atari/Pong", "atari/Boxing"):
        run(task=task, method="rigl:a_b=1")
        run(task=task, method="rigl:a_b=1", seed=1, returns=(1.0, 2.0, 9.0))
    return comparison_of(grid, file)


def read_markdown(text):
    """{title: [cells of each line]} of the pipe tables."""
    found, title = {}, ""
    for line in text.splitlines():
        if line.startswith("**"):
            title = line.strip("*")
        elif line.startswith("| "):
            found.setdefault(title, []).append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found


def test_numbers_of_a_full_grid(grid):
    comparison = comparison_of(grid)
    text = tables.markdown(comparison)
    found = read_markdown(text)
    overall = found["Human-normalised score over 2 games, and final sparsity"]
    assert overall[0] == ["method", *OVERALL, "seeds"]
    pong, boxing = (0.0 + 20.7) / 35.3, (5.0 - 0.1) / 12.0
    mean = (pong + 0.5 / 35.3 + boxing + 0.5 / 12) / 2
    assert overall[1][3].startswith(f"{mean:.3f} [")
    assert overall[2][5] == "0.950 [0.950, 0.950]"
    assert found["Mean return per game [95 % interval] (seeds)"] == [
        ["game", "random", "human", "dense", "gmp"],
        ["Boxing", "0.1", "12.1", "5.5 [5.0, 6.0] (2)", "3.5 [3.0, 4.0] (2)"],
        ["Pong", "-20.7", "14.6", "0.5 [0.0, 1.0] (2)", "-1.5 [-2.0, -1.0] (2)"],
    ]
    assert "Cells without a result" not in text


def test_footer(grid):
    text = tables.markdown(comparison_of(grid))
    for part in (
        "16256.9",
        "training return",
        "sticky_actions=0.25",
        "epochs of 1,000 agent steps",
        "3,000 agent steps",
        "2 expected",
        "jax 0.10.2",
        "rliable 1.2.0",
    ):
        assert part in text, part
    assert "Commit: 1f3a9c0b." in text
    assert f"Command: `{COMMAND}`" in text


def test_gaps_are_named_everywhere(holed):
    text, tex, rows = tables.markdown(holed), tables.latex(holed), tables.tidy_csv(holed)
    assert "Cells without a result (2 of 12)" in text
    assert "- gmp, atari/Pong, seed 0: failed (all losses are NaN at 50 % of gmp_1 & more)" in text
    assert "- gmp, atari/Boxing, seed 1: missing" in text
    assert "(1 of 2)" in text
    assert "gmp, atari/Pong, seed 0: failed (all losses are NaN at 50 \\% of gmp\\_1 \\& more)" in tex
    assert "atari/Pong seed 0: failed" in rows


def test_csv_is_tidy(holed):
    lines = list(csv.DictReader(io.StringIO(tables.tidy_csv(holed))))
    assert tuple(lines[0]) == tables.CSV_COLUMNS
    assert len(lines) == 3 * (len(OVERALL) + 2 * 4) + 2 * 2
    assert len({(line["method"], line["task"], line["statistic"]) for line in lines}) == len(lines)
    line = next(line for line in lines if (line["method"], line["task"]) == ("gmp", "atari/Boxing"))
    assert (line["statistic"], line["value"], line["low"], line["seeds"], line["expected_seeds"]) == (
        "return",
        "3.0",
        "",
        "1",
        "2",
    )
    assert line["gaps"].startswith("atari/Boxing seed 1: missing")


def test_only_finished_runs_count(holed):
    """The failed run of gmp on Pong has an epoch with a return of 1; its other seed ended at -1."""
    estimate = holed.on_task["gmp", "atari/Pong"]["return"]
    assert (estimate.value, estimate.seeds) == (-1.0, 1)
    assert {run.status for _, run in holed.grid.finished()} == {"finished"}


def check_latex(text):
    """Balanced, every row as wide as its table, and no bare special character."""
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    bare = re.sub(r"\\[\\{}_%&#$]", "", body)
    assert bare.count("{") == bare.count("}")
    depth = 0
    for c in bare:
        depth += {"{": 1, "}": -1}.get(c, 0)
        assert depth >= 0
    assert not set("_%#~^<>|") & set(bare)
    assert bare.replace("$-$", "").count("$") == 0
    assert bare.isascii()
    stack = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", body):
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert not stack
    assert body.rstrip().endswith("\\end{document}")
    for columns, inside in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", body, re.S):
        rows = [line for line in inside.splitlines() if line.endswith("\\\\")]
        assert len(rows) >= 2
        assert all(len(re.findall(r"(?<!\\)&", row)) == len(columns) - 1 for row in rows)
    assert len(re.findall(r"(?<!\\)&", re.sub(r"\\begin\{tabular\}.*?\\end\{tabular\}", "", body, flags=re.S))) == 0


def test_latex_is_well_formed(holed):
    text = tables.latex(holed)
    check_latex(text)
    assert "rigl:a\\_b=1" in text and "$-$20.7" in text
    assert text.count("\\toprule") == text.count("\\bottomrule") == 5


def compiled(text, folder):
    """By pdflatex, as it stands; nothing may run over the margin."""
    (folder / "t.tex").write_text(text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout, done.stdout[-2000:]


needs_latex = pytest.mark.skipif(
    shutil.which("pdflatex") is None,
    reason="pdflatex is not installed (Debian: apt-get install texlive-latex-recommended)",
)


@needs_latex
def test_latex_compiles(holed, tmp_path):
    measured = pd.DataFrame([("dense", "atari/Pong", 0, "a run", *[12345.6] * (len(costs.COLUMNS) - 4))])
    measured.columns = list(costs.COLUMNS)
    compiled(tables.latex(holed, costs.tables(measured)), tmp_path)


@needs_latex
@pytest.mark.parametrize("path", sorted(RESULTS.glob("*/comparison.tex")), ids=lambda path: path.parent.name)
def test_the_results_that_are_kept_compile(path, tmp_path):
    compiled(path.read_text(), tmp_path)


@given(st.text())
def test_any_text_is_escaped(text):
    escaped = latex_text(text)
    bare = re.sub(r"\\text\w+\{\}|\\[{}_%&#$]|\{[\[\]]\}|\$\\pm\$", "", escaped)
    assert not set("\\{}_%&#$~^<>|[]\n") & set(bare)


def test_wide_comparisons_are_split(tmp_path, run):
    for i in range(9):
        run(method=f"m{i}")
    text = tables.latex(comparison_of(tmp_path / "runs"))
    check_latex(text)
    assert text.count("Mean return per game") == 3
    assert "over 1 game," in text


@pytest.mark.parametrize("raw", [False, True])
def test_few_seeds_are_remarked_and_five_are_not(tmp_path, run, raw):
    for seed in range(5):
        run(seed=seed)
        said = [note for note in comparison_of(tmp_path / "runs", raw=raw).notes if "too narrow" in note]
        assert len(said) == (1 <= seed < 4) and all(f"{seed + 1} seeds" in note for note in said)


def test_nothing_over_all_tasks_is_no_table(tmp_path):
    (tmp_path / "mine.csv").write_text("method,task,seed,agent_step,return\nme,atari/Pong,0,1,2\nme,atari/Pong,1,1,3\n")
    found = compare(cells.seen(csvfile.load(tmp_path / "mine.csv")[0]), COMMAND, Settings(raw=True))
    assert [table.header[0] for table in tables.all_tables(found)] == ["game"]


def test_notes_say_what_was_done(tmp_path, run):
    run(returns=(None, 1.0, 2.0))
    run(seed=1, versions={"jax": "0.12.0", "project": "ffff+dirty"})
    text = tables.markdown(comparison_of(tmp_path / "runs"))
    assert "Epochs without a return, gaps in the curves: dense, atari/Pong, seed 0 (1)." in text
    assert "more than one version of: python, jax, ale-py, project" in text
    assert "jax 0.10.2 or 0.12.0" in text
    assert "Commit: 1f3a9c0b, ffff+dirty." in text
    assert "dense - 2 seeds: bootstrap intervals from fewer than 5 seeds are too narrow." in text


@pytest.mark.parametrize(
    ("value", "text"), [(0.04, "0.0"), (-0.04, "0.0"), (999.94, "999.9"), (1234.5, "1,234"), (-20.7, "-20.7")]
)
def test_numbers(value, text):
    assert tables._number(value) == text


def csv_of(comparison):
    """{(method, task, statistic): line}."""
    lines = csv.DictReader(io.StringIO(tables.tidy_csv(comparison)))
    return {(line["method"], line["task"], line["statistic"]): line for line in lines}


def test_mujoco_is_measured_by_dense_sac_and_has_an_actor(mujoco):
    comparison = comparison_of(mujoco)
    text = tables.markdown(comparison)
    found = read_markdown(text)
    overall = found["Dense-SAC-normalised score over 2 tasks, and final sparsity of critics and actor"]
    assert overall[0] == ["method", *OVERALL[:-1], "critic sparsity", "actor sparsity", "seeds"]
    hopper, reacher = (0.5 - 17.8) / (3542.2 - 17.8), (100.5 + 43.4) / (43.4 - 2.6)
    assert overall[1][3].startswith(f"{(hopper + reacher) / 2:.3f} [")
    assert overall[2][5:7] == ["0.900 [0.900, 0.900]", "0.800 [0.800, 0.800]"]
    assert found["Mean return per task [95 % interval] (seeds)"] == [
        ["task", "random", "dense SAC", "dense", "gmp"],
        ["Hopper", "17.8", "3,542", "0.5 [0.0, 1.0] (2)", "-19.5 [-20.0, -19.0] (2)"],
        ["Reacher", "-43.4", "-2.6", "100.5 [100.0, 101.0] (2)", "80.5 [80.0, 81.0] (2)"],
    ]
    assert found["Final critic sparsity per task [95 % interval] (seeds)"][1][2] == "0.900 [0.900, 0.900] (2)"
    assert found["Final actor sparsity per task [95 % interval] (seeds)"][1][2] == "0.800 [0.800, 0.800] (2)"
    assert "game" not in text and "human" not in text and "Tianshou" in text and "told apart" in text
    assert "score = (return - random) / (dense SAC - random)" in text
    lines = csv_of(comparison)
    assert float(lines["gmp", "all", "actor_sparsity"]["value"]) == pytest.approx(0.8)
    assert float(lines["gmp", "mujoco/Hopper", "actor_sparsity"]["value"]) == pytest.approx(0.8)
    check_latex(tables.latex(comparison))


def test_atari_alone_has_no_actor_and_no_tasks(grid):
    comparison = comparison_of(grid)
    text = tables.markdown(comparison)
    assert "actor_sparsity" not in tables.tidy_csv(comparison)
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
    assert found["Mean return per game [95 % interval] (seeds)"][0][:3] == ["game", "random", "human"]
    assert found["Mean return per task [95 % interval] (seeds)"][0][:3] == ["task", "random", "dense SAC"]
    assert len(found["Final sparsity per game [95 % interval] (seeds)"]) == 3
    assert len(found["Final critic sparsity per task [95 % interval] (seeds)"]) == 3
    assert len(found["Final actor sparsity per task [95 % interval] (seeds)"]) == 3
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
    assert "Dense-SAC-normalised score over 2 of 3 tasks, and final sparsity of critics and actor" in found
    pusher = found["Mean return per task [95 % interval] (seeds)"][2]
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


def test_raw_returns_are_not_aggregated(grid):
    comparison = comparison_of(grid, raw=True)
    text = tables.markdown(comparison)
    found = read_markdown(text)
    assert found["Final sparsity over 2 games"][0] == ["method", "sparsity", "seeds"]
    assert found["Mean return per game [95 % interval] (seeds)"][1][3] == "5.5 [5.0, 6.0] (2)"
    assert "- Returns are not normalised, and none is aggregated over tasks, as their units differ." in text
    assert "Normaliser: none, returns are raw" in text and "IQM" not in text and "score" not in text
    assert {name for _, _, name in csv_of(comparison)} == {"return", "sparsity", "seconds"}
    assert "2 seeds: bootstrap intervals" in text


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
    assert "gmp - no aggregate: no finished run on mujoco/Reacher." in comparison.notes  # once, not for each statistic
    assert sum("no aggregate" in note for note in comparison.notes) == 1


def estimates(*spans, seeds=5):
    return [Estimate((low + high) / 2, low, high, seeds) for low, high in spans]


def test_the_best_is_clear_only_when_its_interval_is_apart():
    assert tables.clear_best(estimates((0, 1), (2, 3), (1, 1.9))) == 1
    assert tables.clear_best(estimates((0, 1), (2, 3), (1, 2))) is None  # they touch
    assert tables.clear_best(estimates((0, 1), (2, 3)), lower=True) == 0
    assert tables.clear_best(estimates((0, 1), (2, 3), seeds=4)) is None  # too few seeds to say so
    assert tables.clear_best([*estimates((0, 1)), NOTHING]) is None  # nothing to be better than
    assert tables.clear_best([NOTHING, *estimates((0, 1), (2, 3))]) == 2
    assert tables.clear_best([Estimate(9.0, None, None, 9), *estimates((0, 1))]) is None


def test_the_clear_best_is_bold(tmp_path):
    comparison = comparison_of(write_grid(tmp_path / "runs", seeds=5))
    found = read_markdown(tables.markdown(comparison))
    returns = found["Mean return per game [95 % interval] (seeds)"]
    assert returns[1][3].startswith("7.0 [")  # seeds 0 to 4 on Boxing: 5 to 9 against 3 to 7, which overlap
    comparison.on_task["gmp", "atari/Boxing"]["return"] = Estimate(20.0, 19.0, 21.0, 5)
    comparison.overall["gmp"]["optimality gap"] = Estimate(-9.0, -9.1, -8.9, 5)
    text, tex = tables.markdown(comparison), tables.latex(comparison)
    assert read_markdown(text)["Mean return per game [95 % interval] (seeds)"][1][4] == "**20.0 [19.0, 21.0] (5)**"
    assert "**-9.000 [-9.100, -8.900]**" in text
    assert "\\textbf{20.0 {[}19.0, 21.0{]} (5)}" in tex and "\\textbf{$-$9.000" in tex
    check_latex(tex)


def test_methods_are_compared_with_dense(tmp_path):
    comparison = comparison_of(write_grid(tmp_path / "runs", seeds=5))
    found = read_markdown(tables.markdown(comparison))["Each method against a reference, game by game"]
    assert found[0] == [
        *("method", "compared with", "difference of mean score", "probability of improvement"),
        *("games better", "games worse", "games", "seeds needed"),
    ]
    assert len(found) == 2 and found[1][:2] == ["gmp", "dense"]
    difference = -2 * (1 / 35.3 + 1 / 12) / 2
    assert found[1][2].startswith(f"{difference:.3f} [")
    lines = csv_of(comparison)
    assert float(lines["gmp", "all", "difference to dense"]["value"]) == pytest.approx(difference)
    other = comparison_of(tmp_path / "runs", reference="gmp")
    assert float(csv_of(other)["dense", "all", "difference to gmp"]["value"]) == pytest.approx(-difference)


def test_without_the_reference_that_is_said(grid):
    comparison = comparison_of(grid, reference="rigl")
    assert "There is no row rigl of the same protocol to compare the others with." in comparison.notes
    assert "against a reference" not in tables.markdown(comparison)


def test_other_references(grid, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("task,random,reference\natari/Pong,0,1\natari/Boxing,0,10\n")
    comparison = comparison_of(grid, references=scores.from_file(path))
    text = tables.markdown(comparison)
    assert comparison.overall["dense"]["mean"].value == pytest.approx((0.5 + 0.55) / 2)
    assert "Reference-normalised score over 2 games" in text and "of mine.csv" in text and "human" not in text


def test_the_coverage_of_the_intervals_is_told(grid):
    assert "with 5 seeds 83 % (mean on one game) and 91 % (IQM over ten)" in tables.markdown(comparison_of(grid))
