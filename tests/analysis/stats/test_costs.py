"""The cost table: means of what costs.json says, and a dash where it says nothing."""

import json
from pathlib import Path

import pytest

from analysis.stats import costs
from analysis.table import main
from suite.errors import UserError
from tests.analysis.conftest import write_grid


def costs_of(kept: int, runner: float | None = None) -> dict:
    ways = {"jax": {"median": 100.0, "p95": 200.0}, "runner": {"median": runner, "p95": 2 * (runner or 0)}}
    return {
        "policy": {
            "parameters": 1000,
            "kept": kept,
            "bytes": {"dense": 4000, "compact_disk": 5 * kept},
            "multiply_adds": {"dense": 2_000_000, "sparse": 2000 * kept, "cleaned_dense": 1_500_000},
        },
        "training": {"executed": 4e15, "ideal": 1e15},
        "latency": {"ways": ways, "load": 0.5} if runner else None,
    }


def write(folder: Path, contents: object) -> None:
    (folder / "costs.json").write_text(json.dumps(contents))


def test_a_line_a_row_of_the_table(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "runs")
    folders = sorted(root.iterdir())
    runs = [(folder.name.split(".")[1], "atari/Pong", 0, folder) for folder in folders]
    for folder in folders:
        if ".gmp." in folder.name:
            write(folder, costs_of(100, runner=10.0) if "seed0" in folder.name else costs_of(200))
    found = costs.frame(runs)
    assert found["kept"].count() == found["row"].eq("gmp").sum() == 4
    for table in costs.tables(found):
        (line,) = table.body
        values = dict(zip(table.header, line, strict=True))
        assert values["method"] == "gmp"
        said = {key: value for key, value in EXPECTED[table.title.partition(":")[0]].items() if values[key] != value}
        assert not said
    assert [table.title.partition(":")[0] for table in costs.tables(found)] == list(EXPECTED)


#: By hand: of four runs, three keep 200 weights and one 100; two of the four have a latency.
EXPECTED = {
    "Costs of the policy": {
        "runs": "4", "kept": "0.150", "compact kB": "0.750", "dense kB": "4.00", "in memory kB": "—",
        "MAdds, million": "2.00", "sparse": "0.150", "cleaned": "0.750",
    },
    "Costs of training": {"PFLOP": "4.00", "ideal PFLOP": "1.00", "ideal, share": "0.250", "hours": "0.00125"},
    "Latency of one action, microseconds": {
        "runs": "2", "JAX": "100", "JAX p95": "200", "runner": "10.0", "runner p95": "20.0", "ONNX": "—",
        "load": "0.500",
    },
}  # fmt: skip


def test_the_fastest_way_is_the_one_of_those_measured(tmp_path: Path) -> None:
    folder = next(write_grid(tmp_path / "runs").iterdir())
    fastest = []
    for runner in (10.0, 1000.0, None):
        write(folder, costs_of(100, runner))
        fastest += costs.frame([("gmp", "atari/Pong", 0, folder)])[costs.FASTEST].tolist()
    assert fastest == pytest.approx([10.0, 100.0, float("nan")], nan_ok=True)


def test_each_task_weighs_the_same(tmp_path: Path) -> None:
    """Two runs on Pong keep 100 of 1,000 weights, one on Boxing keeps 300."""
    folders = sorted(write_grid(tmp_path / "runs").iterdir())[:3]
    for folder, kept in zip(folders, (100, 100, 300), strict=True):
        write(folder, costs_of(kept))
    runs = [("gmp", f"atari/{'Boxing' if i == 2 else 'Pong'}", i, folder) for i, folder in enumerate(folders)]
    table = costs.tables(costs.frame(runs))[0]
    values = dict(zip(table.header, table.body[0], strict=True))
    assert (values["kept"], values["tasks"], values["runs"]) == ("0.200", "2", "3")


def test_without_costs_there_is_no_table(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "runs")
    assert costs.tables(costs.frame([("dense", "atari/Pong", 0, folder) for folder in root.iterdir()])) == []


def test_make_table_says_what_it_costs(tmp_path: Path, capsys) -> None:
    root = write_grid(tmp_path / "runs")
    for folder in root.iterdir():
        write(folder, costs_of(100))
    assert main(["--runs", str(root), "--repetitions", "10"]) == 0
    assert "**Costs of the policy: weights" in capsys.readouterr().out
    assert "Costs of the policy: weights" in (root / "report" / "comparison.tex").read_text()
    assert len((root / "report" / "costs.csv").read_text().splitlines()) == 1 + 8


def test_a_line_is_that_of_one_run(tmp_path: Path) -> None:
    """Two lines of a run would weigh twice; a line of another seed is of another run."""
    line = "gmp,atari/Pong,{seed},pong.gmp,{kept}\n"
    path = tmp_path / "costs.csv"
    path.write_text("row,task,seed,name,kept\n" + line.format(seed=0, kept=100) + line.format(seed=1, kept=200))
    for seed, kept in ((0, [100]), (1, [200]), (2, [])):
        assert costs.beside(tmp_path, {("gmp", "atari/Pong", seed): "gmp"})["kept"].tolist() == kept
    path.write_text(path.read_text() + line.format(seed=1, kept=200))
    with pytest.raises(UserError, match=r"costs\.csv: has more than one line of gmp, atari/Pong, seed 1"):
        costs.beside(tmp_path, {})


def test_runs_of_two_methods_may_have_the_same_name(tmp_path: Path) -> None:
    """As in folders dense/0 and gmp/0. A method that is renamed keeps its costs."""
    line = "{row},atari/Pong,0,0,{kept}\n"
    text = "row,task,seed,name,kept\n" + line.format(row="dense", kept=300) + line.format(row="gmp", kept=100)
    (tmp_path / "costs.csv").write_text(text)
    found = costs.beside(tmp_path, {("dense", "atari/Pong", 0): "dense", ("gmp", "atari/Pong", 0): "GMP"})
    assert found[["row", "kept"]].to_numpy().tolist() == [["dense", 300.0], ["GMP", 100.0]]


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    folder = next(write_grid(tmp_path / "runs").iterdir())
    write(folder, {"policy": {"kept": "many"}})
    with pytest.raises(UserError, match=r"costs\.json: policy\.kept: should be a valid number, found 'many'"):
        costs.frame([("dense", "atari/Pong", 0, folder)])
