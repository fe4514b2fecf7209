"""Reads the fields of a card, whose content is not to be trusted, without the packages that deployment lacks."""

from collections.abc import Collection, Mapping
from reprlib import repr as shortened  # a value that a file holds may be very long
from typing import Any, NoReturn

from suite.errors import UserError

MOST = 2**31 - 1  # of any whole number


class Fields:
    """A JSON object. Each method returns the value of a field, or its default if the field is missing.

    Raises UserError, which begins with `name`, for a missing field without a default and for a value of another type:
    true, 3.0 and "3" are no whole numbers.
    """

    def __init__(self, value: Any, name: str, path: str = "") -> None:
        self.name, self.path = name, path
        if not isinstance(value, Mapping):
            self._refuse("", value, "an object")
        self.values: Mapping[str, Any] = value

    def _place(self, *keys: str) -> str:
        """Return the path of a field in the whole card, such as "options.replay.batch_size"."""
        return ".".join(filter(None, (self.path, *keys)))

    def _refuse(self, key: str, found: Any, expected: str) -> NoReturn:
        field = self._place(key) or "content"
        raise UserError(f"{self.name}: its card is damaged: {field} is {shortened(found)}, should be {expected}")

    def whole(self, key: str, least: int, default: int | None = None) -> int:
        """Return a whole number, at least `least` and at most MOST."""
        value = self.values.get(key, default)
        if type(value) is not int or not least <= value <= MOST:
            self._refuse(key, value, f"a whole number from {least} to {MOST}")
        return value

    def wholes(self, key: str, least: int, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """Return a list of whole numbers as a tuple, each at least `least` and at most MOST."""
        value = self.values.get(key, default)
        if not isinstance(value, list | tuple) or not all(type(v) is int and least <= v <= MOST for v in value):
            self._refuse(key, value, f"a list, each a whole number from {least} to {MOST}")
        return tuple(value)

    def flag(self, key: str, default: bool | None = None) -> bool:
        """Return true or false; a number is neither."""
        value = self.values.get(key, default)
        if type(value) is not bool:
            self._refuse(key, value, "true or false")
        return value

    def number(self, key: str) -> float:
        """Return a number as a float; whole numbers that are too large for one are refused."""
        value = self.values.get(key)
        if type(value) is not float and not (type(value) is int and value.bit_length() < 1_000):
            self._refuse(key, value, "a number")
        return float(value)

    def text(self, key: str, choices: Collection[str] = (), default: str | None = None) -> str:
        """Return a text, one of the choices if there are any."""
        value = self.values.get(key, default)
        if not isinstance(value, str) or (choices and value not in choices):
            self._refuse(key, value, f"one of {', '.join(choices)}" if choices else "a text")
        return value

    def texts(self, key: str) -> list[str] | None:
        """Return a list of texts; None if the field is missing."""
        value = self.values.get(key)
        if value is not None and not (isinstance(value, list) and all(isinstance(v, str) for v in value)):
            self._refuse(key, value, "a list of texts")
        return value

    def inner(self, key: str) -> "Fields":
        """Return an object, whose fields are read in the same way."""
        return Fields(self.values.get(key), self.name, self._place(key))

    def list(self, key: str) -> list["Fields"]:
        """Return a list of objects, whose fields are read in the same way."""
        value = self.values.get(key)
        if not isinstance(value, list):
            self._refuse(key, value, "a list")
        return [Fields(v, self.name, self._place(key, str(i))) for i, v in enumerate(value)]
