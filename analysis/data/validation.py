"""Input validation of CSV files: short ones row by row against a pydantic model, long ones column by column.

In the models the description of a field says what its value should be: "a whole number".
"""

import gzip
import io
import math
import re
import warnings
import zlib
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from reprlib import repr as shortened  # a value that a file holds may be very long
from typing import IO, Annotated, Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from suite.errors import UserError

NO_NUMBER = ("na", "n/a", "#n/a", "<na>", "nan", "-nan", "none", "null")  # what programs write for a missing number
DECIMAL_COMMA = re.compile(r"([-+]?\d*),(\d+(?:e[-+]?\d+)?)", re.IGNORECASE)
EXACT = 2**53  # below, a float tells every whole number from the next

Model = TypeVar("Model", bound=BaseModel)


def _whole(cell: str | None) -> int:
    if cell is None:
        raise ValueError
    number = float(cell)
    if not number.is_integer() or abs(number) >= EXACT:
        raise ValueError
    return int(number)


Text = Annotated[str, Field(min_length=1, description="a text")]
Whole = Annotated[int, BeforeValidator(_whole), Field(description="a whole number")]  # "1000.0" too
Amount = Annotated[float | None, Field(ge=0, description="a number from 0 on")]
Finite = Annotated[float, Field(allow_inf_nan=False, description="a finite number")]


class Kind(NamedTuple):
    """The numbers that a column may hold."""

    words: str
    low: float = -math.inf
    high: float = math.inf
    whole: bool = False


WHOLE = Kind("a whole number", whole=True)  # "1000.0" too
COUNT = Kind("a whole number from 0 on", low=0, whole=True)
NUMBER = Kind("a number")
AMOUNT = Kind("a number from 0 on", low=0)
SHARE = Kind("a number from 0 to 1", low=0, high=1)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Raise UserError for a file that cannot be read, or is not CSV."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row that is longer than the header
            yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: not a gzip file ({error})") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, pd.errors.ParserWarning) as error:
        raise UserError(f"{path}: not a CSV file ({' '.join(str(error).split())})") from None


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """Open a text file, which may be compressed (.gz). Raises UserError if it cannot be read."""
    opened = gzip.open if path.suffix == ".gz" else open
    with _reading(path), opened(path, "rt", encoding="utf-8-sig") as file:
        yield file


def lines(path: Path, count: int = 1) -> list[str]:
    """Return the first lines of a text file; "" for those that are not there."""
    with _opened(path) as file:
        return [file.readline() for _ in range(count)]


def separator_of(line: str) -> str:
    """Return what separates the columns of a line: commas, semicolons or tabs."""
    return max(",;\t", key=line.count)


def header(path: Path) -> list[str]:
    """Return the names of the columns of a CSV file."""
    return list(read_csv(path, rows=0))


def read_csv(path: Path, text: Collection[str] | None = None, skip: int = 0, rows: int | None = None) -> pd.DataFrame:
    """Return the cells of a CSV file, NaN if a cell is empty; columns are separated by commas, semicolons or tabs.

    The columns `text` are read as text, by default all. The index is the line of the file, in which the header is line
    1 + `skip`. Raises UserError for a file that is not CSV, and for one whose last line is cut.
    """
    separator = separator_of(lines(path, skip + 1)[-1])
    with _reading(path):
        cells = pd.read_csv(
            path,
            sep=separator,
            decimal="," if separator == ";" else ".",
            dtype=str if text is None else dict.fromkeys(text, str),
            index_col=False,
            keep_default_na=False,  # a method may be called None
            na_values=[""],
            skiprows=skip,
            nrows=rows,
            low_memory=False,
            float_precision="round_trip",
            encoding="utf-8-sig",
        )
    if len(cells) and pd.isna(cells.iloc[-1, -1]):
        _check_last_line(path, separator, cells.shape[1])
    if separator == ";":  # pandas reads decimal commas only in columns that hold nothing else
        for column in cells.columns.difference(list(text or ())):
            if cells[column].dtype == object:
                cells[column] = cells[column].map(_with_decimal_point, na_action="ignore")
    cells.index += 2 + skip
    return cells


def _with_decimal_point(cell: object) -> object:
    """Return 2.5 for "2,5", and other cells as they are."""
    found = DECIMAL_COMMA.fullmatch(cell.strip()) if isinstance(cell, str) else None
    return f"{found[1]}.{found[2]}" if found else cell


def _check_last_line(path: Path, separator: str, columns: int) -> None:
    """Raise UserError if the last line has fewer cells than there are columns; pandas takes those as empty."""
    with _opened(path) as file:
        last = deque((line for line in file if line.strip()), maxlen=1).pop()
    count = 1 + re.sub('"[^"]*"', "", last).count(separator)  # csv.reader reads no very long cells
    if count < columns and last.count('"') % 2 == 0:  # the end of a text of several lines has one quotation mark
        raise UserError(f"{path}: its last line has {count} of {columns} cells; the file is damaged")


def read_commented(path: Path) -> pd.DataFrame:
    """Return the cells of a short CSV file as text, without comments, which begin with #, and empty lines.

    The index is the line of the file. Raises UserError for a file that is not CSV.
    """
    with _opened(path) as file:
        numbered = enumerate((line.partition("#")[0].rstrip(" \n") for line in file), start=1)
        content = {number: line for number, line in numbered if line.strip()}
        cells = pd.read_csv(
            io.StringIO("\n".join(content.values())),
            sep=separator_of(next(iter(content.values()), "")),
            dtype=str,
            index_col=False,
            keep_default_na=False,
            na_values=[""],
            skipinitialspace=True,
        )
    cells.index = pd.Index(list(content)[1 : 1 + len(cells)])
    return cells


def numbers(path: Path, cells: pd.Series, kind: Kind, needed: bool = False) -> pd.Series:
    """Return the numbers of a column, NaN if a cell is empty or a word such as NA.

    Raises UserError, which names line and column, for the first cell that is no number of this kind, or is empty though
    it is needed.
    """
    if cells.dtype.kind in "iuf":
        values = cells.astype(float)
    else:
        cells = cells.mask(cells.astype(str).str.lower().isin(NO_NUMBER))
        values = pd.to_numeric(cells.astype(str), errors="coerce").astype(float)
    wrong = cells.isna() if needed else cells.notna() & values.isna()
    wrong |= (values < kind.low) | (values > kind.high) | (cells.notna() & values.isna())
    if kind.whole:
        with np.errstate(invalid="ignore"):
            wrong |= values.notna() & ((values % 1 != 0) | (values.abs() >= EXACT))
    if wrong.any():
        place = int(wrong.to_numpy().argmax())
        cell = cells.iloc[place]
        said = "is empty" if pd.isna(cell) else f"should be {kind.words}, found {shortened(str(cell))}"
        raise UserError(f"{path}:{cells.index[place]}: {cells.name} {said}")
    return values


def rows(path: Path, frame: pd.DataFrame, model: type[Model]) -> list[Model]:
    """Validate the rows of a CSV file, whose lines are the index.

    Raises UserError, which names the line and the column of the first wrong cell.
    """
    cells = frame.astype(object).where(frame.notna(), None).to_dict("records")
    found = []
    for line, row in zip(frame.index, cells, strict=True):
        try:
            found.append(model.model_validate(row))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise UserError(f"{path}:{line}: {_wrong(model, first['loc'], first['msg'], first['input'])}") from None
    return found


def _wrong(model: type[BaseModel], column: Sequence[int | str], message: str, value: Any) -> str:
    """Say what is wrong with a row. `column` is empty if its cells do not fit each other."""
    if not column:
        return message.removeprefix("Value error, ")
    if value is None:
        return f"{column[0]} is empty"
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    return f"{column[0]} should be {fields[str(column[0])].description}, found {shortened(value)}"
