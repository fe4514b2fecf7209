"""Options that a pydantic model declares: how a user's texts become values, and what `--help` says of them. No JAX."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from suite.errors import UserError

LARGEST = 2**31 - 1  # of an integer: the clocks on the device are int32
Model = TypeVar("Model", bound=BaseModel)


def check(model: type[Model], given: Mapping[str, Any], prefix: str) -> Model:
    """Return a model's options, from those given and the defaults.

    Raises UserError, which names the option behind `prefix`, for an unknown option and for a value that does not fit.
    """
    values = {key: None if str(value).lower() in ("none", "null") else value for key, value in given.items()}
    try:
        options = model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            raise UserError(f"{prefix}{key}: no such option{suggest(key, model.model_fields)}") from None
        message = first["msg"]
        raise UserError(f"{prefix}{key}={given[key]}: {message[:1].lower()}{message[1:]}") from None
    for key, value in options:
        if type(value) is int and value > LARGEST:
            raise UserError(f"{prefix}{key}={given[key]}: should be at most {LARGEST:,}")
    return options


def suggest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean '...'?" with the known word that is most like this one, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def describe(field: FieldInfo) -> str:
    """Describe an option in one line: its values, what it is, its default."""
    names = [getattr(value, "__name__", str(value)).replace("NoneType", "none") for value in _values(field.annotation)]
    return f"{'|'.join(names)}: {field.description} [{'none' if field.default is None else field.default}]"


def _values(kind: Any) -> list[Any]:
    """List the members of a union or a Literal, nested ones too; anything else alone."""
    return [value for member in get_args(kind) for value in _values(member)] or [kind]
