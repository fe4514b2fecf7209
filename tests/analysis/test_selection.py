"""Which methods and tasks are compared, in which order, and under which names."""

import pytest

from analysis import results
from analysis.options import named_columns
from analysis.selection import Selection, named_method, select
from analysis.settings import Settings
from analysis.stats.comparison import compare
from suite.errors import UserError
from tests.analysis.conftest import write_run


def test_methods_and_tasks_in_the_order_and_by_the_names_that_are_given(grid, tmp_path):
    write_run(grid, method="gmp:final_sparsity=0.5")
    methods = ["gmp:final_sparsity=0.5=Half = 0.5", "gmp=GMP 95 %", "dense"]
    found = select(Selection([str(grid)], methods=methods, tasks=["Pong", "atari/Boxing"]), tmp_path)
    assert found.methods == {"Half = 0.5": "gmp:final_sparsity=0.5", "GMP 95 %": "gmp", "dense": "dense"}
    assert (
        found.tasks == ["atari/Pong", "atari/Boxing"] and list(dict.fromkeys(c.row for c in found.runs)) == found.rows
    )
    found = select(Selection([str(grid)], methods=["gmp", "dense"], tasks=["atari/Pong"]), tmp_path)
    assert (found.rows, found.tasks) == (["gmp", "dense"], ["atari/Pong"])
    assert any("Tasks left out (--tasks): atari/Boxing" in note for note in found.notes)
    assert any("Methods left out (--methods): gmp:final_sparsity=0.5" in note for note in found.notes)


def test_names_change_no_number(grid, sweep, tmp_path):
    """Also of the row that the others are compared with, where a sweep varies an option."""
    for method in ("dense", "gmp"):
        for task in ("atari/Pong", "atari/Boxing"):
            for seed in (0, 1):
                write_run(grid, task, method, seed, options={"agent.width": 32}, folder=f"{method}{task[6:]}{seed}")
    file = sweep("  agent.width: {values: [32, 512]}\n")
    plain = Selection([str(grid)], file)
    named = Selection([str(grid)], file, methods=["dense=Dense", "gmp=GMP"])
    one, two = (compare(select(each, tmp_path), "", Settings(repetitions=20)) for each in (plain, named))
    assert two.grid.rows == ["Dense, width=32", "Dense, width=512", "GMP, width=32", "GMP, width=512"]
    names = {row: row.replace("Dense", "dense").replace("GMP", "gmp") for row in two.grid.rows}
    assert {names[row]: names[other] for row, (other, _) in two.against.items()} == {
        row: other for row, (other, _) in one.against.items()
    }
    assert {names[row]: own for row, own in two.overall.items()} == one.overall
    assert "one of Dense on" in dict(two.source)["Comparison"]


def test_names_that_are_none(grid, tmp_path):
    for methods, message in (
        (["gmp=A", "dense=A"], "the same name"),
        (["gmp="], "'gmp='"),
        (["x=y"], "no run of 'x=y'"),
    ):
        with pytest.raises(UserError, match=message):
            select(Selection([str(grid)], methods=methods), tmp_path)
    with pytest.raises(UserError, match="--tasks: no run of 'atari/Qbert'; there are 'atari/Boxing'"):
        select(Selection([str(grid)], tasks=["Qbert"]), tmp_path)
    assert named_method("a=b=c", ["a", "a=b"]) == ("a=b", "c")


def test_columns_are_renamed_or_given():
    assert named_columns(["return=eval/x=y", "method:=SAC"], ["return", "method"]) == (
        {"return": "eval/x=y"},
        {"method": "SAC"},
    )
    for text in ("return", "score=x", "=x", "return="):
        with pytest.raises(UserError, match="OURS is return or method, found"):
            named_columns([text], ["return", "method"])


def test_files_without_a_protocol_are_compared_with_one_that_is_given(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"method,task,seed,agent_step,return\n{name},atari/Pong,0,1000,5\n")
    places = [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]
    apart = compare(select(Selection(places), tmp_path), "", Settings(repetitions=20))
    assert len(apart.blocks) == 2 and any("--protocol" in note for note in apart.notes)
    together = Selection(places, csv=results.CsvOptions(protocol="mine"))
    found = compare(select(together, tmp_path), "", Settings(repetitions=20))
    assert len(found.blocks) == 1 and not any("--protocol" in note for note in found.notes)
