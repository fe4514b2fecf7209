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
    """Another process works on the same run. Its one line says who; to try again later is right."""


def out_of_memory(error: BaseException | None) -> bool:
    """Whether the host or the device had no memory left: at another time there may be enough."""
    return isinstance(error, MemoryError) or str(error).startswith("RESOURCE_EXHAUSTED")  # XLA's


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Raises UserError, one line, when the disk is full or a place refuses to be written."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{error.filename or place}: cannot be written ({error.strerror or error})") from None


def is_text(text: str) -> bool:
    """Whether a text can stand on a command line and in a file: it holds no character 0, and UTF-8 has it."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def one_line(message: object) -> str:
    """A text without line breaks, and without what a terminal would obey: what a user typed, or a file holds, may have
    both. Of an OSError, its file and reason."""
    if isinstance(message, OSError) and message.strerror:
        message = f"{message.filename}: {message.strerror}" if message.filename else message.strerror
    line = " ".join(str(message).split())
    line = line if len(line) <= LONGEST else line[:LONGEST] + " ..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


class Parser(argparse.ArgumentParser):
    """A parser of arguments to which a wrong one is bad input: it raises UserError. Options are written in full, so
    that a command means the same when options are added."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (see --help)")


def first_line(docstring: str | None) -> str:
    """Of a docstring; empty where there is none, as under `python -OO`."""
    return next(iter((docstring or "").strip().splitlines()), "")


def expanded(text: str) -> Path:
    """The type of an argument that names a file or a folder. `~` is the home folder, also where no shell has put it in,
    as behind the = of an option."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # a user that there is not
        return Path(text)


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """The type of an argument that is a whole number in these bounds. It raises argparse.ArgumentTypeError."""

    def parse(text: str) -> int:
        value = int(text) if text.isascii() and text.isdigit() else -1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"should be a whole number from {low} to {high}, found {text!r}")
        return value

    return parse
