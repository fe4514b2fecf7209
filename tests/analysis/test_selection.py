"""Which methods and tasks are compared, in which order, and under which names."""

import gzip
import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from analysis import plane, results
from analysis.data import runs
from analysis.data.sources import runfolder
from analysis.options import named_columns, required_cells
from analysis.selection import Selection, named_method, select
from analysis.settings import Settings
from analysis.stats import sweep_lines
from analysis.stats.comparison import compare, reference_row
from suite.errors import UserError
from tests.analysis.conftest import write_run

QUICK = Settings(repetitions=20)


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
    one, two = (compare(select(each, tmp_path), "", QUICK) for each in (plain, named))
    assert two.grid.rows == ["Dense, width=32", "Dense, width=512", "GMP, width=32", "GMP, width=512"]
    names = {row: row.replace("Dense", "dense").replace("GMP", "gmp") for row in two.grid.rows}
    assert {names[row]: names[other] for row, (other, _) in two.against.items()} == {
        row: other for row, (other, _) in one.against.items()
    }
    assert {names[row]: own for row, own in two.overall.items()} == one.overall
    assert "one of Dense on" in dict(two.source)["Comparison"]
    results.report(plain, tmp_path / "out", "", QUICK)
    curves = Selection([str(tmp_path / "out/curves.csv")])  # which has no sweep
    three = compare(select(curves, tmp_path), "", QUICK)
    assert three.grid.methods == one.grid.methods
    said = [
        {row: (other, pair.difference.value) for row, (other, pair) in found.against.items()} for found in (one, three)
    ]
    assert said[0] == said[1] and len(said[0]) == 2
    five = compare(select(replace(curves, methods=three.grid.rows), tmp_path), "", QUICK)
    assert five.grid.methods == three.grid.methods and five.against.keys() == three.against.keys()
    chosen = replace(curves, methods=["gmp, width=32=GMP", "dense, width=32"])
    four = compare(select(chosen, tmp_path), "", Settings(repetitions=20, reference="dense, width=32"))
    assert four.grid.rows == ["GMP", "dense, width=32"] and list(four.against) == ["GMP"]
    names = {"gmp, width=32": "G32", "gmp, width=512": "G512", "dense, width=32": "D32", "dense, width=512": "D512"}
    chosen = replace(curves, methods=[f"{row}={name}" for row, name in names.items()])
    renamed = compare(select(chosen, tmp_path), "", Settings(repetitions=20))
    assert {row: other for row, (other, _) in renamed.against.items()} == {"G32": "D32", "G512": "D512"}
    assert renamed.grid.variants["G32"] == ", width=32" and renamed.grid.methods["G32"] == "gmp"


def test_names_change_no_number_of_the_main_figure(grid, tmp_path):
    """Neither its resamples nor its sweep, also where a file of curves holds the rows of a sweep with options."""
    shutil.rmtree(grid)
    levels = {"dense": 0.0, "gmp:final_sparsity=0.5": 0.5, "gmp": 0.95}
    for method, sparsity in levels.items():
        for seed in range(3):
            write_run(grid, method=method, seed=seed, returns=(1.0, 2.0, 3.0 + seed), sparsity=sparsity)
    results.report(Selection([str(grid)]), tmp_path / "out", "", Settings(repetitions=20))
    file = tmp_path / "out/curves.csv"
    frame = pd.read_csv(file)
    frame.assign(row=frame["row"] + ", width=32", method=frame["method"] + ", width=32").to_csv(file, index=False)
    names = {f"{method}, width=32": name for method, name in zip(levels, ("D", "G5", "G"), strict=True)}
    found = []
    for methods in (list(names), [f"{row}={name}" for row, name in names.items()]):
        comparison = compare(select(Selection([str(file)], methods=methods), tmp_path), "", Settings(repetitions=20))
        (panel,) = plane.planes(comparison).values()
        sweeps = sweep_lines.find(panel, comparison.grid.methods, variants=comparison.grid.variants)
        found.append((list(sweeps.values()), {row: outcome.draws.tolist() for row, outcome in panel.items()}))
    (sweep,), draws = found[0]
    assert len(sweep) == 3
    assert found[1] == ([[names[row] for row in sweep]], {names[row]: own for row, own in draws.items()})


def test_a_sweep_over_distributions_is_read_back_as_one_block(run, sweep, tmp_path):
    for value in ("erk", "uniform"):
        for method, sparsity in (("dense", 0.0), ("gmp", 0.9)):
            options = {"pruning.distribution": value}
            run(method=method, options=options, sparsity=sparsity, folder=f"{method}-{value}")
    file = sweep("  pruning.distribution: {values: [erk, uniform]}\n")
    swept = Selection([str(tmp_path / "runs")], file, tasks=["Pong"])
    comparison, _ = results.report(swept, tmp_path / "out", "", QUICK)
    again = compare(select(Selection([str(tmp_path / "out/curves.csv")]), tmp_path), "", QUICK)
    rows = [f"{method}, distribution={value}" for method in ("dense", "gmp") for value in ("erk", "uniform")]
    assert comparison.blocks == again.blocks == [rows]
    assert dict(comparison.source)["Protocol"] == dict(again.source)["Protocol"]


def test_a_sweep_is_narrowed_to_methods_and_tasks(sweep, tmp_path):
    """Also where the sweep spells a method with its defaults, which runs leave out."""
    file, grid = sweep(), tmp_path / "own"
    file.write_text(file.read_text().replace("gmp", "gmp:final_sparsity=0.95"))
    for method, options in {"dense": {}, "gmp": {"method.final_sparsity": 0.95}}.items():
        for task, seed in (("atari/Pong", 0), ("atari/Pong", 1), ("atari/Boxing", 0)):
            write_run(grid, task, method, seed, options=options)
    found = select(Selection([str(grid)], file, methods=["gmp=GMP"], tasks=["Pong"]), tmp_path)
    assert (found.rows, found.tasks, found.gaps()) == (["GMP"], ["atari/Pong"], {})
    assert {cell.row for cell in found.runs} == {"GMP"} and len(found.runs) == 2
    required = [(["rigl"], ["atari/Pong"], [7])]
    found = select(Selection([str(grid)], file, methods=["dense"], tasks=["Pong"], required=required), tmp_path)
    assert found.rows == ["dense", "rigl"] and list(map(str, found.gaps())) == ["rigl, atari/Pong, seed 7"]


def test_cut_runs_have_no_costs(grid, tmp_path):
    for folder in grid.iterdir():
        (folder / "costs.json").write_text(json.dumps({"policy": {"parameters": 10, "kept": 5}}))
    counts = []
    for steps in (10_000, 1_500):
        selection = Selection([str(grid)], agent_steps=steps)
        found = results.gather(selection, tmp_path, "", QUICK)
        counts.append(int(found.costs["kept"].count()))
    assert counts == [8, 0]


def test_names_change_no_cost(grid, tmp_path):
    for folder in grid.iterdir():
        (folder / "costs.json").write_text(json.dumps({"policy": {"parameters": 10, "kept": 5}}))
    results.report(Selection([str(grid)]), tmp_path / "a", "", QUICK)
    named = Selection([str(tmp_path / "a/curves.csv")], methods=["gmp=GMP", "dense"])
    found = results.gather(named, tmp_path, "", QUICK)
    assert set(found.costs["row"]) == {"GMP", "dense"} and found.costs["kept"].eq(5).all()


def test_costs_are_found_beside_curves_of_any_form_in_the_order_of_the_rows(grid, tmp_path):
    for folder in grid.iterdir():
        (folder / "costs.json").write_text(json.dumps({"policy": {"parameters": 10, "kept": 5}}))
    out, packed = tmp_path / "out", tmp_path / "packed"
    results.report(Selection([str(grid)]), out, "", QUICK)
    packed.mkdir()
    for name in ("curves.csv", "costs.csv"):
        (packed / f"{name}.gz").write_bytes(gzip.compress((out / name).read_bytes()))
    for place in (out / "curves.csv", out, packed / "curves.csv.gz", packed):
        for methods in (["dense", "gmp"], ["gmp", "dense"]):
            found = results.gather(Selection([str(place)], methods=methods), tmp_path / "report", "", QUICK)
            assert found.costs["row"].tolist() == [row for row in methods for _ in range(4)]
            assert found.costs["kept"].eq(5).all()


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
    found = named_columns(["return=eval/x=y", "method:=SAC"], ["return", "method"])
    assert found == ({"return": "eval/x=y"}, {"method": "SAC"})
    for text in ("return", "score=x", "=x", "return="):
        with pytest.raises(UserError, match="OURS is return or method, found"):
            named_columns([text], ["return", "method"])
    for texts in (["return=a", "return=b"], ["return=a", "return:=b"], ["return=a", "method=a"]):
        with pytest.raises(UserError, match=r"--columns: .* twice"):
            named_columns(texts, ["return", "method"])


def test_files_without_a_protocol_are_compared_with_one_that_is_given(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"method,task,seed,agent_step,return\n{name},atari/Pong,0,1000,5\n")
    places = [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]
    apart = compare(select(Selection(places), tmp_path), "", QUICK)
    assert len(apart.blocks) == 2 and any("--protocol" in note for note in apart.notes)
    together = Selection(places, csv=results.CsvOptions(protocol="mine"))
    found = compare(select(together, tmp_path), "", QUICK)
    assert len(found.blocks) == 1 and not any("--protocol" in note for note in found.notes)


def test_the_last_epochs_must_all_be_there(run, tmp_path):
    """A file of curves keeps the last ten epochs of a long run, and some of those before."""
    record = runfolder.read(run(returns=tuple(range(150)), options={"trainer.epochs": 150}))
    runs.write_csv(runs.tidy([("dense", record)]), tmp_path / "curves.csv")
    places = [str(tmp_path / "curves.csv")]
    ((_, found),) = select(grid := Selection(places, last=10), tmp_path).finished()
    assert select(grid, tmp_path).final_return(found) == 144.5
    for place, last, most in ((places, 12, 11), ([str(tmp_path / "runs")], 151, 150)):
        with pytest.raises(UserError, match=f"each of its last {last} epochs.*at most --last {most} is possible"):
            select(Selection(place, last=last), tmp_path)


def test_the_last_epochs_of_runs_with_equal_names_must_all_be_there(run, tmp_path):
    same = []
    for task, count in (("atari/Pong", 2), ("atari/Qbert", 3)):
        record = runfolder.read(run(task=task, returns=tuple(range(count)), options={"trainer.epochs": count}))
        same.append(("dense", replace(record, name="same", agent_steps=count * 1000)))
    runs.write_csv(runs.tidy(same), tmp_path / "curves.csv")
    with pytest.raises(UserError, match="at most --last 2 is possible"):
        select(Selection([str(tmp_path / "curves.csv")], last=3), tmp_path)


def test_a_method_has_two_spellings(run, sweep, tmp_path):
    """A record leaves out options at their defaults; a sweep file may not, nor may who writes a command."""
    for method, level in (("dense", None), ("gmp", 0.95), ("gmp:final_sparsity=0.9", 0.9)):
        run(method=method, options={} if level is None else {"method.final_sparsity": level})
    file, whole = sweep(), "gmp:final_sparsity=0.95"
    file.write_text(file.read_text().replace("[dense, gmp]", f'[dense, "{whole}"]').replace("[0, 1]", "[0]"))
    for place in (None, file):
        row = whole if place else "gmp"
        for spelled in ("gmp", whole):
            required = [([spelled], ["Pong"], [0])]
            grid = select(Selection([str(tmp_path / "runs")], place, required=required), tmp_path)
            assert [(cell.row, cell.task, run is None) for cell, run in grid.runs.items() if cell in grid.required] == [
                (row, "atari/Pong", False)
            ]
            assert reference_row(grid, "dense", spelled) == row
            for shown in (spelled, "GMP"):
                methods = [spelled if shown == spelled else f"{spelled}={shown}", "dense"]
                grid = select(Selection([str(tmp_path / "runs")], place, methods=methods), tmp_path)
                assert grid.rows == [shown, "dense"] and reference_row(grid, "dense", spelled) == shown


def test_a_requirement_without_a_cell_is_none():
    assert required_cells("dense gmp", "Pong", "0-1 3") == (["dense", "gmp"], ["Pong"], [0, 1, 3])
    for methods, tasks, seeds in (
        ("", "Pong", "0"),
        ("dense", " ", "0"),
        ("dense", "Pong", ""),
        ("dense", "Pong", "4-0"),
    ):
        with pytest.raises(UserError, match=r"--require: (methods, tasks and seeds are needed|seeds are written)"):
            required_cells(methods, tasks, seeds)
