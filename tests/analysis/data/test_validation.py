"""Cells of CSV files: what is read as which number, and the one line that names a wrong cell."""

import gzip
from pathlib import Path

import pandas as pd
import pytest
from pydantic import BaseModel

from analysis.data import validation
from analysis.data.validation import AMOUNT, COUNT, NUMBER, SHARE, WHOLE, Finite, Kind, Text
from suite.errors import UserError

KINDS = {"whole": WHOLE, "count": COUNT, "number": NUMBER, "amount": AMOUNT, "share": SHARE}


class Row(BaseModel):
    name: Text
    finite: Finite = 0.0


def written(folder: Path, column: str, *cells: str) -> Path:
    path = folder / "some.csv"
    path.write_text("\n".join([f"name,{column}", *(f"a,{cell}" for cell in cells)]))
    return path


def read(folder: Path, column: str, *cells: str, needed: bool = False) -> list[float]:
    path = written(folder, column, *cells)
    frame = validation.read_csv(path, text=["name"])
    found = validation.numbers(path, frame[column], KINDS.get(column, NUMBER), needed).tolist()
    as_text = validation.numbers(path, validation.read_csv(path)[column], KINDS.get(column, NUMBER), needed)
    pd.testing.assert_series_equal(as_text, pd.Series(found, as_text.index, name=column, dtype=float))
    return found


def test_numbers_as_other_programs_write_them(tmp_path: Path) -> None:
    assert read(tmp_path, "whole", "1", "-2.0", "1e3") == [1, -2, 1000]
    assert read(tmp_path, "number", "1", "1e-3", "0.1") == [1.0, 0.001, 0.1]
    assert pd.isna(read(tmp_path, "number", "1", "", "2")[1])


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("whole", "1.5", "whole should be a whole number, found '1.5'"),
        ("whole", "9007199254740993", "whole should be a whole number"),
        ("whole", "inf", "whole should be a whole number"),
        ("whole", "", "whole is empty"),
        ("whole", "True", "whole should be a whole number, found 'True'"),
        ("count", "-1", "count should be a whole number from 0 on"),
        ("number", "high", "number should be a number, found 'high'"),
        ("amount", "-0.5", "amount should be a number from 0 on"),
        ("share", "1.01", "share should be a number from 0 to 1"),
    ],
)
def test_a_wrong_cell_is_named_by_line_and_column(tmp_path: Path, column: str, cell: str, message: str) -> None:
    with pytest.raises(UserError, match=r"some\.csv:3: ") as caught:
        read(tmp_path, column, "1", cell, needed=True)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("cell", "message"), [("inf", "finite should be a finite number"), ("high", "a finite number, found 'high'")]
)
def test_a_wrong_row_is_named_by_line_and_column(tmp_path: Path, cell: str, message: str) -> None:
    path = written(tmp_path, "finite", "1", cell)
    with pytest.raises(UserError, match=r"some\.csv:3: ") as caught:
        validation.rows(path, validation.read_csv(path), Row)
    assert message in str(caught.value)


def test_a_long_cell_is_shortened(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, "number", "x" * 10_000)
    assert len(str(caught.value)) < len(str(tmp_path)) + 200


def test_a_row_longer_than_the_header_is_no_csv(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a CSV file"):
        read(tmp_path, "number", "1,2")


def test_a_last_line_that_is_cut_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    for text in ("name,number,text\na,1,x\na,1", "name;number;text\na;1", "name,number,text\na,1,x\n\na\n\n"):
        path.write_text(text)
        with pytest.raises(UserError, match=r"some\.csv: its last line has \d of 3 cells"):
            validation.read_csv(path)
    for text in (
        "name,number,text\na,1,",
        f'name,number,text\n"{"a," * 99_999}",1,',
        "name,number,text\na,1,\n\n",
        'text,name,number\n"x\ny",a,\n',
    ):
        path.write_text(text)
        assert len(validation.read_csv(path)) == 1


def test_a_name_may_be_a_word_that_elsewhere_means_nothing(tmp_path: Path) -> None:
    """A method may be called None; a number that is NA is missing."""
    path = tmp_path / "some.csv"
    path.write_text("name,number\nNone,1.5\nNA,NA\n,nan\nnull,\n")
    for text in (["name"], None):
        cells = validation.read_csv(path, text=text)
        assert cells["name"].isna().tolist() == [False, False, True, False]
        assert cells["name"].dropna().tolist() == ["None", "NA", "null"]
        assert validation.numbers(path, cells["number"], NUMBER).isna().tolist() == [False, True, True, True]
        with pytest.raises(UserError, match=r"some\.csv:3: number is empty"):
            validation.numbers(path, cells["number"], NUMBER, needed=True)


@pytest.mark.parametrize("text", [["name"], None])
def test_decimal_commas_beside_other_cells(tmp_path: Path, text: list[str] | None) -> None:
    """Of semicolons' files, also in a column where a number is missing, and where all cells are read as text."""
    path = tmp_path / "some.csv"
    path.write_text("name;number\nmine;-2,5\nmine;NA\nmine;1,5e3\nmine;0.5\n")
    cells = validation.read_csv(path, text=text)
    assert validation.numbers(path, cells["number"], NUMBER).fillna(9).tolist() == [-2.5, 9, 1500, 0.5]
    path.write_text('name,number\nmine,"2,5"\n')
    with pytest.raises(UserError, match=r"some\.csv:2: number should be a number, found '2,5'"):
        validation.numbers(path, validation.read_csv(path, text=text)["number"], NUMBER)


def test_separators_and_compression(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    for text in ("name;number\na;1,5\n", "name\tnumber\na\t1.5\n", "\ufeffname,number\r\na,1.5\r\n"):
        path.write_text(text, encoding="utf-8")
        assert validation.numbers(path, validation.read_csv(path, text=["name"])["number"], NUMBER).tolist() == [1.5]
        assert validation.header(path) == ["name", "number"]
    packed = tmp_path / "some.csv.gz"
    packed.write_bytes(gzip.compress(b"name,number\na,1.5\n"))
    assert validation.read_csv(packed, text=["name"])["number"].tolist() == [1.5]
    for damaged in (b"name,number\n", packed.read_bytes()[:-9]):
        packed.write_bytes(damaged)
        with pytest.raises(UserError, match="not a gzip file"):
            validation.read_csv(packed)


def test_a_kind_of_numbers_has_bounds(tmp_path: Path) -> None:
    path = written(tmp_path, "number", "3", "4")
    with pytest.raises(UserError, match=r":3: number should be at most 3"):
        validation.numbers(path, validation.read_csv(path)["number"], Kind("at most 3", high=3))
