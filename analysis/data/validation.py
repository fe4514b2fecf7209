"""Input validation: CSV files and lists of entries, each against a pydantic model of one row.

In these models the description of a field says what its value should be: "a whole number".
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from reprlib import repr as shortened  # a value that a file holds may be very long
from typing import Annotated, Any, TypeVar

import pandas as pd
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from suite.errors import UserError

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
Count = Annotated[int, BeforeValidator(_whole), Field(ge=0, description="a whole number from 0 on")]
Number = Annotated[float | None, Field(description="a number")]
Finite = Annotated[float, Field(allow_inf_nan=False, description="a finite number")]
Amount = Annotated[float | None, Field(ge=0, description="a number from 0 on")]
Share = Annotated[float | None, Field(ge=0, le=1, description="a number from 0 to 1")]


def read_csv(path: Path, comment: str | None = None) -> pd.DataFrame:
    """Return the cells of a CSV file as text, NaN if a cell is empty. Raises UserError for a file that is not CSV."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # a row that is longer than the header
            return pd.read_csv(path, dtype=str, index_col=False, comment=comment, skipinitialspace=comment is not None)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, pd.errors.ParserWarning) as error:
        raise UserError(f"{path}: not a CSV file ({' '.join(str(error).split())})") from None


def rows(path: Path, frame: pd.DataFrame, model: type[Model]) -> list[Model]:
    """Validate the rows of a CSV file, whose header is line 1.

    Raises UserError, which names the line and the column of the first wrong cell.
    """
    cells = frame.astype(object).where(frame.notna(), None).to_dict("records")
    found = []
    for line, row in enumerate(cells, start=2):
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
