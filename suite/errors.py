"""The exceptions whose one line is meant for the person at the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """Bad input: one clear line that says what was wrong and what would be right.

    Entry points print the line to stderr and exit with 2; a user sees no traceback.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))  # what a user typed may hold line breaks


class Divergence(Exception):
    """Training cannot go on, since no network has a finite loss. The run is recorded as failed."""


class Busy(Exception):
    """Another process works on the same run. Its one line says who; to try again later is right."""


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Raises UserError, one line, when the disk is full or a place refuses to be written."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{error.filename or place}: cannot be written ({error.strerror})") from None
