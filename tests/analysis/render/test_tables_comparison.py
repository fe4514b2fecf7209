"""Which method is best, methods against a reference, and what is not aggregated."""

from dataclasses import replace

import pytest

from analysis.data import cells, protocol, scores
from analysis.data.sources import csvfile, runfolder
from analysis.render import tables
from analysis.settings import Settings
from analysis.stats.comparison import compare
from analysis.stats.metrics import NOTHING, Estimate
from tests.analysis.conftest import write_grid, write_run
from tests.support.tables import COMMAND, check_latex, comparison_of, csv_of, read_markdown


def test_nothing_over_all_tasks_is_no_table(tmp_path):
    (tmp_path / "mine.csv").write_text("method,task,seed,agent_step,return\nme,atari/Pong,0,1,2\nme,atari/Pong,1,1,3\n")
    found = compare(cells.seen(csvfile.load(tmp_path / "mine.csv")[0]), COMMAND, Settings(raw=True))
    assert [table.header[0] for table in tables.all_tables(found)] == ["game"]


def test_raw_returns_are_not_aggregated(grid):
    comparison = comparison_of(grid, raw=True)
    text = tables.markdown(comparison)
    found = read_markdown(text)
    assert found["Final sparsity over 2 games"][0] == ["method", "sparsity", "seeds"]
    assert found["Mean return per game [range of runs] (seeds)"][1][3] == "5.5 [5.0, 6.0] (2)"
    assert "- Returns are not normalised, and none is aggregated over tasks, as their units differ." in text
    assert "Normaliser: none, returns are raw" in text and "IQM" not in text and "score" not in text
    assert {name for _, _, name in csv_of(comparison)} == {"return", "sparsity", "seconds"}
    assert "2 seeds: brackets of means are the range of the runs" in text


def estimates(*spans, seeds=5):
    return [Estimate((low + high) / 2, low, high, seeds) for low, high in spans]


def test_the_best_is_clear_only_when_its_interval_is_apart():
    assert tables.clear_best(estimates((0, 1), (2, 3), (1, 1.9))) == 1
    assert tables.clear_best(estimates((0, 1), (2, 3), (1, 2))) is None  # they touch
    assert tables.clear_best(estimates((0.3, 0.3), (0.1 + 0.2, 0.1 + 0.2))) is None  # equal but for their rounding
    assert tables.clear_best(estimates((0, 1), (2, 3)), lower=True) == 0
    assert tables.clear_best(estimates((0, 1), (2, 3), seeds=4)) is None  # too few seeds to say so
    assert tables.clear_best([*estimates((0, 1)), NOTHING]) is None  # nothing to be better than
    assert tables.clear_best([NOTHING, *estimates((0, 1), (2, 3))]) == 2
    assert tables.clear_best([Estimate(9.0, None, None, 9), *estimates((0, 1))]) is None


def test_the_clear_best_is_bold(tmp_path, run):
    for seed, noise in enumerate((0.0, 1.0, 2.0, 1.0, 0.0)):
        run(seed=seed, returns=(1.0, 1.0, 10 + noise))
        run(seed=seed, returns=(1.0, 1.0, 5 + noise), method="gmp")
        run(seed=seed, returns=(1.0, 1.0, 9.5 + noise), task="atari/Boxing")
        run(seed=seed, returns=(1.0, 1.0, 9 + noise), task="atari/Boxing", method="gmp")
    comparison = comparison_of(tmp_path / "runs")
    assert comparison.best == [{("dense", "atari/Pong")}]
    comparison.overall["gmp"]["optimality gap"] = Estimate(-9.0, -9.1, -8.9, 5)
    text, tex = tables.markdown(comparison), tables.latex(comparison)
    boxing, pong = read_markdown(text)["Mean return per game [95 % interval] (seeds)"][1:]
    assert pong[3].startswith("**10.8 [") and pong[3].endswith("] (5)**") and pong[4].startswith("5.8 [")
    assert not any("**" in cell for cell in boxing)
    assert "**-9.000 [-9.100, -8.900]**" in text
    assert "\\textbf{10.8 {[}" in tex and "\\textbf{$-$9.000" in tex
    check_latex(tex)


def test_the_clear_best_of_one_block_is_bold_in_no_other(tmp_path, run):
    """dense is in both blocks, and the best of the first alone."""
    levels = {"dense": ("erk", 10, 0.0), "gmp": ("erk", 0, 0.9), "set": ("uniform", 20, 0.9)}
    for method, (layers, level, sparsity) in levels.items():
        for seed in range(5):
            values = {"sparsity": sparsity, "options": {"pruning.distribution": layers}}
            run(method=method, seed=seed, returns=(1.0, 1.0, level + 0.1 * seed), **values)
    comparison = comparison_of(tmp_path / "runs")
    assert comparison.blocks == [["dense", "gmp"], ["dense", "set"]]
    assert comparison.best == [{("dense", "atari/Pong")}, {("set", "atari/Pong")}]
    found = [table for table in tables.all_tables(comparison) if table.key == "return-atari"]
    assert [table.bold for table in found] == [{(0, 3)}, {(0, 4)}]


def test_methods_are_compared_with_dense(tmp_path):
    comparison = comparison_of(write_grid(tmp_path / "runs", seeds=5))
    found = read_markdown(tables.markdown(comparison))["Each method against a reference [95 % interval]"]
    assert found[0] == [
        *("method", "compared with", "difference of IQM", "ratio of IQM", "probability of improvement"),
        *("games better", "games worse", "games", "seeds that show 0.1"),
    ]
    assert len(found) == 2 and found[1][:2] == ["gmp", "dense"]
    lines = csv_of(comparison)
    iqms = [float(lines[row, "all", "IQM"]["value"]) for row in ("gmp", "dense")]
    assert float(lines["gmp", "all", "difference of IQM to dense"]["value"]) == pytest.approx(iqms[0] - iqms[1])
    assert float(lines["gmp", "all", "ratio of IQM to dense"]["value"]) == pytest.approx(iqms[0] / iqms[1])
    other = comparison_of(tmp_path / "runs", reference="gmp")
    found = float(csv_of(other)["dense", "all", "difference of IQM to gmp"]["value"])
    assert found == pytest.approx(iqms[1] - iqms[0])


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_means_and_medians_are_compared_on_request(tmp_path, statistic):
    comparison = comparison_of(write_grid(tmp_path / "runs", seeds=5), statistic=statistic)
    difference = -2 * (1 / 35.3 + 1 / 12) / 2
    lines = csv_of(comparison)
    assert float(lines["gmp", "all", f"difference of {statistic} to dense"]["value"]) == pytest.approx(difference)
    assert f"difference of {statistic}" in tables.markdown(comparison)


def test_a_title_names_the_sparsity_if_it_is_known(tmp_path):
    for column, title in (("", "Human-normalised score over 1 game"), (",sparsity", ", and final sparsity")):
        path = tmp_path / "mine.csv"
        path.write_text(f"method,task,seed,agent_step,return{column}\nmine,Pong,0,100,1{',0.5' * bool(column)}\n")
        comparison = compare(cells.seen(csvfile.load(path)[0]), "", Settings(repetitions=10))
        assert tables.all_tables(comparison)[0].title.endswith(title)


TITLE = "Probability that a run of the method (line) has a higher score than one of another (column)"


def test_probabilities_over_different_tasks_have_their_number(tmp_path, run):
    for method in ("dense", "gmp", "set"):
        run(method=method)
    for method in ("dense", "gmp"):
        run(method=method, task="atari/Boxing")
    found = read_markdown(tables.markdown(comparison_of(tmp_path / "runs")))[f"{TITLE} (games that both have)"]
    assert found[1:] == [
        ["dense", "—", "0.50 (2)", "0.50 (1)"],
        ["gmp", "0.50 (2)", "—", "0.50 (1)"],
        ["set", "0.50 (1)", "0.50 (1)", "—"],
    ]


@pytest.mark.parametrize("count", [3, 5])
def test_every_pair_has_a_probability_of_improvement(tmp_path, run, count):
    for i in range(count):
        for seed in range(2):
            run(method=f"m{i}", seed=seed, returns=(1.0, 1.0, float(i + 2 * (seed == 0 and i == 0))))
    comparison = comparison_of(tmp_path / "runs")
    found = read_markdown(tables.markdown(comparison))[TITLE]
    names = [f"m{i}" for i in range(count)]
    few = count <= tables.ACROSS
    assert found[0] == ["method", *(names if few else ["number", *map(str, range(1, count + 1))])]
    assert found[1][: 3 + (not few)] == ["m0", *([] if few else ["1"]), "—", "0.50"]  # 2 and 0 against 1 and 1
    assert [line[-1] for line in found[2:]] == ["0.00"] * (count - 2) + ["—"]
    line = csv_of(comparison)["m1", "all", "probability of improvement over m2"]
    assert line["value"] == "0.0" == line["low"] and 0.1 < float(line["high"]) < 1
    check_latex(tables.latex(comparison))


def test_two_methods_need_no_matrix(grid):
    assert TITLE not in tables.markdown(comparison_of(grid))


def test_final_against_best_and_the_area_under_the_curve(tmp_path, run):
    """Pong is scored by (return + 20.7) / 35.3; epochs end at 1,000, 2,000 and 3,000 agent steps."""
    for seed in (0, 1):
        run(seed=seed, returns=(0.0, 30.0, 10.0), folder=f"run{seed}")
    comparison = comparison_of(tmp_path / "runs")
    found = comparison.over_training["dense"]
    assert found["best epoch"].value == pytest.approx((30 + 20.7) / 35.3)
    assert found["best - final"].value == pytest.approx(20 / 35.3)
    assert found["mean over training"].value == pytest.approx((40 / 3 + 20.7) / 35.3, rel=1e-3)
    assert "area under the curve" in tables.markdown(comparison)


def test_a_run_without_a_final_return_counts_for_no_epoch(tmp_path, run):
    for seed, final in enumerate((10.0, 12.0, None)):
        run(seed=seed, returns=(-20.0, -10.0, final))
    found = comparison_of(tmp_path / "runs").over_training["dense"]
    assert found["best epoch"][:3] == pytest.approx(found["IQM"][:3])
    assert [estimate.seeds for estimate in found.values()] == [2] * len(found)


def test_the_last_epochs_are_averaged_on_request(tmp_path, run):
    for seed in (0, 1):
        run(seed=seed, returns=(2.0, None, 10.0))
    grid = cells.seen(runfolder.load(tmp_path / "runs")[0])
    for last, value in ((1, 10.0), (2, 10.0), (3, 6.0), (99, 6.0)):
        comparison = compare(replace(grid, last=last), COMMAND, Settings(repetitions=5))
        assert comparison.on_task["dense", "atari/Pong"]["return"].value == pytest.approx(value)
    assert "Return: mean of the last 99 epochs of a run: mean undiscounted" in tables.markdown(comparison)


def test_a_training_return_in_place_of_an_evaluation_is_labelled(tmp_path):
    text = "method,task,seed,agent_step,return,evaluation_return\n"
    text += "".join(f"me,atari/Pong,{seed},1,{seed},5\n" for seed in (0, 1))
    (tmp_path / "mine.csv").write_text(text)
    (tmp_path / "theirs.csv").write_text("method,task,seed,agent_step,return\nthey,atari/Pong,0,1,2\n")
    found = [run for name in ("mine", "theirs") for run in csvfile.load(tmp_path / f"{name}.csv")[0]]
    comparison = compare(cells.seen(found, "evaluation"), COMMAND, Settings(repetitions=5))
    rows = dict(comparison.source)["Rows"]
    assert "me: 2 finished runs on 1 game (CSV file), evaluation return;" in rows
    assert rows.endswith("they: 1 finished runs on 1 game (CSV file), training return, as it has no evaluation return.")
    assert "they: training returns are compared, as it has no evaluation returns." in comparison.notes
    assert comparison.blocks == [["me"], ["they"]]


def test_shorter_runs_name_the_option_that_keeps_them(tmp_path, run):
    run(seed=0)
    run(seed=1)
    run(seed=2, status=None, returns=(1.0, 2.0))
    comparison = comparison_of(tmp_path / "runs")
    note = "1 run is shorter than comparable ones: --agent-steps 2002 keeps all of them."
    assert note in comparison.notes
    found = [protocol.cut(run, 2002) for run in runfolder.load(tmp_path / "runs")[0]]
    assert not cells.seen(found).gaps()
    assert not any("shorter" in note for note in compare(cells.seen(found), COMMAND, Settings(repetitions=5)).notes)


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


def test_the_normaliser_is_that_of_the_tasks_with_a_score(tmp_path):
    """Tasks of gymnasium's own have none, and no source of references."""
    write_run(tmp_path, "gym/Maze-v0")
    assert dict(comparison_of(tmp_path).source)["Normaliser"] == "none, returns are raw."
    write_run(tmp_path, "atari/Pong")
    source = dict(comparison_of(tmp_path).source)["Normaliser"]
    assert source.startswith("score = (return - random) / (human - random), with the random and human returns of")
