"""Markdown and CSV say the same: numbers, gaps, and notes on what was done."""

import csv
import io

import pytest

from analysis.render import tables, tidy
from analysis.stats.comparison import AREA, BEST, LOST
from tests.support.tables import COMMAND, OVERALL, comparison_of, read_markdown


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
    assert found["Mean return per game [range of runs] (seeds)"] == [
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
        "2 a method and game (labels 0, 1)",
        "dense: 4 finished runs on 2 games (run folders), training return",
        "jax 0.10.2",
        "this table: numpy ",
    ):
        assert part in text, part
    assert "Commit: 1f3a9c0b." in text
    assert f"Command: `{COMMAND}`" in text


def test_gaps_are_named_everywhere(holed):
    text, tex, rows = tables.markdown(holed), tables.latex(holed), tidy.tidy_csv(holed)
    assert "Cells without a result (2 of 12)" in text
    assert "- gmp, atari/Pong, seed 0: failed (all losses are NaN at 50 % of gmp_1 & more)" in text
    assert "- gmp, atari/Boxing, seed 1: missing" in text
    assert "(1 of 2)" in text and "| 1 of 2 |" in text
    assert "gmp, atari/Pong, seed 0: failed (all losses are NaN at 50 \\% of gmp\\_1 \\& more)" in tex
    assert "atari/Pong seed 0: failed" in rows


def test_csv_is_tidy(holed):
    lines = list(csv.DictReader(io.StringIO(tidy.tidy_csv(holed))))
    assert tuple(lines[0]) == tidy.CSV_COLUMNS
    aggregates, on_games, against, others = len(OVERALL) + len((BEST, LOST, AREA)), 2 * 4, 2, 2
    assert len(lines) == 3 * (aggregates + on_games + others) + 2 * against
    assert len({(line["method"], line["task"], line["statistic"]) for line in lines}) == len(lines)
    line = next(line for line in lines if (line["method"], line["task"]) == ("gmp", "atari/Boxing"))
    values = [line[column] for column in ("statistic", "value", "low", "seeds", "expected_seeds")]
    assert values == ["return", "3.0", "", "1", "2"]
    assert line["gaps"].startswith("atari/Boxing seed 1: missing")


def test_only_finished_runs_count(holed):
    """The failed run of gmp on Pong has an epoch with a return of 1; its other seed ended at -1."""
    estimate = holed.on_task["gmp", "atari/Pong"]["return"]
    assert (estimate.value, estimate.seeds) == (-1.0, 1)
    assert {run.status for _, run in holed.grid.finished()} == {"finished"}


@pytest.mark.parametrize("raw", [False, True])
def test_few_seeds_are_remarked_and_five_are_not(tmp_path, run, raw):
    for seed in range(5):
        run(seed=seed)
        said = [note for note in comparison_of(tmp_path / "runs", raw=raw).notes if "too narrow" in note]
        assert len(said) == (1 <= seed < 4) and all(f"{seed + 1} seeds" in note for note in said)


def test_a_version_is_the_same_in_a_record_and_in_a_file_of_curves(tmp_path, run):
    run(versions={"device": "NVIDIA H200", "jax": "0.10.2"})
    run(seed=1, versions={"device": "NVIDIA-H200"})
    assert "not all made" not in tables.markdown(comparison_of(tmp_path / "runs"))


def test_notes_say_what_was_done(tmp_path, run):
    run(returns=(None, 1.0, 2.0))
    run(seed=1, versions={"jax": "0.12.0", "project": "ffff+dirty"})
    text = tables.markdown(comparison_of(tmp_path / "runs"))
    assert "1 epoch of 1 run without a return: gaps in the curves." in text
    assert "not all made with the same: jax, project." in text
    assert "jax 0.10.2 or 0.12.0" in text
    assert "Commit: 1f3a9c0b, ffff+dirty." in text
    assert "dense - 2 seeds: brackets of means are the range of the runs" in text


@pytest.mark.parametrize(
    ("value", "text"), [(0.04, "0.0"), (-0.04, "0.0"), (999.94, "999.9"), (1234.5, "1,234"), (-20.7, "-20.7")]
)
def test_numbers(value, text):
    assert tables.number(value) == text


def test_the_coverage_of_the_intervals_is_told(grid):
    assert "with 5 seeds 83 % (mean on one game) and 91 % (IQM over ten)" in tables.markdown(comparison_of(grid))


def test_what_notes_count_is_in_a_table_of_its_own(holed, run):
    lines = list(csv.DictReader(io.StringIO(tidy.details_csv(holed))))
    assert [(line["note"], line["row"], line["task"], line["seed"]) for line in lines] == [
        ("no result", "gmp", "atari/Pong", "0"),
        ("no result", "gmp", "atari/Boxing", "1"),
    ]
    assert lines[0]["why"].startswith("failed (all losses are NaN")


def test_many_gaps_are_counted(tmp_path, run, sweep):
    run()
    file = sweep()
    file.write_text(file.read_text().replace("[0, 1]", "[0, 1, 2, 3, 4]"))
    comparison = comparison_of(tmp_path / "runs", file)
    (title, lines), *_ = tables.lists(comparison)
    assert title == "Cells without a result (19 of 20)"
    assert len(lines) == tables.MOST_GAPS + 1 and lines[-1] == "9 more, all of them in details.csv"
    assert tidy.details_csv(comparison).count("no result") == 19
