"""The cost table: means of what costs.json says, and a dash where it says nothing."""

import json
from pathlib import Path

import pytest

from analysis import costs
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
    (table,) = costs.tables(found)
    (line,) = table.body
    values = dict(zip(table.header, line, strict=True))
    assert (values["method"], values["runs"], values["kept"]) == ("gmp", "4", "0.150")
    assert (values["compact kB"], values["dense kB"]) == ("1", "4")
    assert (values["MAdds, million"], values["sparse"], values["cleaned"]) == ("2", "0.150", "0.750")
    assert (values["training PFLOP"], values["ideal"]) == ("4", "0.250")
    assert (values["runner µs"], values["runner p95"], values["ONNX µs"]) == ("10", "20", "—")


def test_without_costs_there_is_no_table(tmp_path: Path) -> None:
    root = write_grid(tmp_path / "runs")
    assert costs.tables(costs.frame([("dense", "atari/Pong", 0, folder) for folder in root.iterdir()])) == []


def test_make_table_says_what_it_costs(tmp_path: Path, capsys) -> None:
    root = write_grid(tmp_path / "runs")
    for folder in root.iterdir():
        write(folder, costs_of(100))
    assert main(["--runs", str(root), "--repetitions", "10"]) == 0
    assert "**Costs: kept weights" in capsys.readouterr().out
    assert "Costs: kept weights" in (root / "report" / "comparison.tex").read_text()
    assert len((root / "report" / "costs.csv").read_text().splitlines()) == 1 + 8


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    folder = next(write_grid(tmp_path / "runs").iterdir())
    write(folder, {"policy": {"kept": "many"}})
    with pytest.raises(UserError, match=r"costs\.json: policy\.kept should be a number, found 'many'"):
        costs.frame([("dense", "atari/Pong", 0, folder)])
