"""Which method is best, methods against a reference, and what is not aggregated."""

import pytest

from analysis.data import cells, scores
from analysis.data.sources import csvfile
from analysis.render import tables
from analysis.settings import Settings
from analysis.stats.comparison import compare
from analysis.stats.metrics import NOTHING, Estimate
from tests.analysis.conftest import write_grid
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
    assert found["Mean return per game [95 % interval] (seeds)"][1][3] == "5.5 [5.0, 6.0] (2)"
    assert "- Returns are not normalised, and none is aggregated over tasks, as their units differ." in text
    assert "Normaliser: none, returns are raw" in text and "IQM" not in text and "score" not in text
    assert {name for _, _, name in csv_of(comparison)} == {"return", "sparsity", "seconds"}
    assert "2 seeds: bootstrap intervals" in text


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
