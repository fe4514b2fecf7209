"""CSV rows against a declared model: what is read as which number, and the one line that names a wrong cell."""

from pathlib import Path

import pytest
from pydantic import BaseModel, Field

from analysis.data import validation
from analysis.data.validation import Amount, Count, Finite, Number, Share, Text, Whole
from suite.errors import UserError


class Row(BaseModel):
    name: Text
    whole: Whole = 0
    count: Count = 0
    number: Number = None
    finite: Finite = 0.0
    amount: Amount = None
    share: Share = None
    renamed: Number = Field(None, alias="return")


def read(folder: Path, column: str, *cells: str) -> list[Row]:
    path = folder / "some.csv"
    path.write_text("\n".join([f"name,{column}", *(f"a,{cell}" for cell in cells)]))
    return validation.rows(path, validation.read_csv(path), Row)


def test_numbers_as_other_programs_write_them(tmp_path: Path) -> None:
    assert [row.whole for row in read(tmp_path, "whole", "1", "-2.0", "1e3")] == [1, -2, 1000]
    assert [row.number for row in read(tmp_path, "number", "1", "", "1e-3")] == [1.0, None, 0.001]
    assert [row.renamed for row in read(tmp_path, "return", "5")] == [5.0]


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("whole", "1.5", "whole should be a whole number, found '1.5'"),
        ("whole", "9007199254740993", "whole should be a whole number"),
        ("whole", "inf", "whole should be a whole number"),
        ("whole", "", "whole is empty"),
        ("count", "-1", "count should be a whole number from 0 on"),
        ("number", "high", "number should be a number, found 'high'"),
        ("finite", "inf", "finite should be a finite number"),
        ("amount", "-0.5", "amount should be a number from 0 on"),
        ("share", "1.01", "share should be a number from 0 to 1"),
        ("return", "x", "return should be a number"),
    ],
)
def test_a_wrong_cell_is_named_by_line_and_column(tmp_path: Path, column: str, cell: str, message: str) -> None:
    with pytest.raises(UserError, match=r"some\.csv:3: ") as caught:
        read(tmp_path, column, "1", cell)
    assert message in str(caught.value)


def test_a_long_cell_is_shortened(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, "number", "x" * 10_000)
    assert len(str(caught.value)) < len(str(tmp_path)) + 200


def test_a_row_longer_than_the_header_is_no_csv(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a CSV file"):
        read(tmp_path, "number", "1,2")
