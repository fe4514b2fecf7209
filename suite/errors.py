"""The exceptions whose one line is meant for the person at the terminal, and the parser that raises them."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

LONGEST = 1_000  # characters of a message


class UserError(Exception):
    """Bad input: one clear line that says what was wrong and what would be right.

    Entry points print the line to stderr and exit with 2; a user sees no traceback.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class Divergence(Exception):
    """Training cannot continue: numbers are NaN or infinite. The run is recorded as failed, and a grid continues."""


class Busy(Exception):
    """Another process works on the same run. The message says which; the command can be rerun later."""


def out_of_memory(error: BaseException | None) -> bool:
    """Return whether the host or the device had no memory left: at another time there may be enough."""
    return isinstance(error, MemoryError) or str(error).startswith("RESOURCE_EXHAUSTED")  # XLA's


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turn an OSError of the block into UserError, one line: a full disk, or a place that cannot be written."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{error.filename or place}: cannot be written ({error.strerror or error})") from None


def is_text(text: str) -> bool:
    """Return whether a text can stand on a command line and in a file: it has no character 0, and UTF-8 encodes it."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def one_line(message: object) -> str:
    """Return a message as one line without control characters: a user's input or a file may have them, and a terminal
    would obey them. Of an OSError, return its file and reason. Cut a long message after LONGEST characters."""
    if isinstance(message, OSError) and message.strerror:
        message = f"{message.filename}: {message.strerror}" if message.filename else message.strerror
    line = " ".join(str(message).split())
    line = line if len(line) <= LONGEST else line[:LONGEST] + " ..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


class Parser(argparse.ArgumentParser):
    """A parser of arguments that raises UserError for a wrong one. Options cannot be abbreviated, so that a command
    means the same after options are added."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        """Raise UserError with argparse's message, where argparse would print its usage and exit."""
        raise UserError(f"{message} (see --help)")


def first_line(docstring: str | None) -> str:
    """Return the first line of a docstring; empty if there is none, as under `python -OO`."""
    return next(iter((docstring or "").strip().splitlines()), "")


def expanded(text: str) -> Path:
    """Convert an argument that names a file or a folder. `~` becomes the home folder, also where the shell leaves it,
    as after the = of an option."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # a user that there is not
        return Path(text)


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """Return a converter of arguments to whole numbers in these bounds. It raises argparse.ArgumentTypeError."""

    def parse(text: str) -> int:
        value = int(text) if text.isascii() and text.isdigit() else -1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"should be a whole number from {low} to {high}, found {text!r}")
        return value

    return parse
