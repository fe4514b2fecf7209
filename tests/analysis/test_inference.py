"""From which sparsity on something pays: by hand."""

import json
from pathlib import Path

import pandas as pd
import pytest

from analysis import break_even, inference
from suite.errors import UserError


def measurements(csr: list[float], dense: float = 10.0) -> pd.DataFrame:
    lines = []
    for sparsity, median in zip((0.5, 0.9, 0.95, 0.99), csr, strict=True):
        lines += [("a", sparsity, "numpy dense", dense), ("a", sparsity, "best dense", dense - 2)]
        lines += [("a", sparsity, "scipy CSR", median)]
    return pd.DataFrame(lines, columns=list(break_even.COLUMNS))


@pytest.mark.parametrize(
    "csr, expected",
    [
        ([20, 9, 7, 1], 0.95),  # at 0.9 it beats numpy, and not the best
        ([1, 1, 1, 1], 0.5),
        ([7, 9, 7, 1], 0.95),  # what does not last does not count
        ([7, 7, 7, 9], None),
    ],
)
def test_the_break_even_is_where_it_pays_from_there_on(csr: list[float], expected: float | None) -> None:
    found = break_even.break_even(measurements(csr), "a", "scipy CSR", ["numpy dense", "best dense"])
    assert found == expected


def test_a_table_and_a_figure_that_say_where_they_come_from(tmp_path: Path, capsys) -> None:
    measurements([20, 9, 7, 1]).to_csv(tmp_path / "measurements.csv")
    about = {"cpu": "a chip", "cores": 2, "load": 1.0, "load_after": 9.0}
    about |= {"versions": {"numpy": "2.4", "openvino": None}}
    (tmp_path / "machine.json").write_text(json.dumps(about))
    assert inference.main([str(tmp_path)]) == 0
    text = (tmp_path / "break_even.md").read_text()
    assert text == capsys.readouterr().out
    assert "| a     |            10.0 |            8.0 |           0.95 |" in text
    assert "a chip, 2 cores; numpy 2.4." in text and "busy" in text
    assert (tmp_path / "speed.png").stat().st_size > 1000


@pytest.mark.parametrize("layers", [1, 2, 3, 6])
def test_every_panel_is_sparser_to_the_right(layers: int, tmp_path: Path) -> None:
    found = pd.concat([measurements([20, 9, 7, 1]).assign(layer=f"layer {i}") for i in range(layers)])
    for axis in break_even.figure(found, tmp_path / "speed.png").axes:
        left, right = axis.get_xlim()
        assert left > 0.5 and right < 0.01


def test_missing_measurements_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="make bench-inference"):
        break_even.read(tmp_path)
    (tmp_path / "measurements.csv").write_text("layer,way\na,b\n")
    with pytest.raises(UserError, match="no column 'sparsity'"):
        break_even.read(tmp_path)
    with pytest.raises(UserError, match="cannot be read"):
        break_even.machine(tmp_path / "machine.json")
    (tmp_path / "machine.json").write_text('{"versions": {}, "load": 1.0}')
    with pytest.raises(UserError, match="does not describe a machine"):
        break_even.machine(tmp_path / "machine.json")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,0.5,x dense,1\na,0.5,y,1\na,0.5,y,2\n", "measures y of a at the sparsity 0.5 twice"),
        ("a,0.5,x dense,1\nb,0.5,y,1\n", "has no dense way of b"),
        ("", "has no dense way of any layer"),
    ],
)
def test_measurements_that_cannot_be_compared_are_one_line(rows: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "measurements.csv").write_text(",".join(break_even.COLUMNS) + "\n" + rows)
    with pytest.raises(UserError, match=f"{message}; make it with make bench-inference"):
        break_even.read(tmp_path)


def test_a_layer_may_lack_a_way() -> None:
    found = pd.concat(
        [measurements([20, 9, 7, 1]), pd.DataFrame([("b", 0.5, "best dense", 3.0)], columns=break_even.COLUMNS)]
    )
    assert break_even.table(found).body[1] == ["b", "\N{EM DASH}", "3.0", "\N{EM DASH}"]
