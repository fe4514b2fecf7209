"""The start and the end of every program. No JAX."""

import errno
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TextIO

from suite.errors import UserError

BAD_INPUT, INTERRUPTED = 2, 130  # exit codes


def start(main: Callable[[], int | None]) -> NoReturn:
    """Run a program, and exit with its code, also when nobody reads what it prints any more.

    Bad input that the program did not see to itself, and Ctrl-C, are one line.
    """
    sys.stdout, sys.stderr = _lasting(sys.stdout), _lasting(sys.stderr)
    try:
        code = main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        code = BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)


class _Lasting(io.FileIO):
    """A file descriptor whose reader may go: a closed pipe, as behind `| head`, or when Ctrl-C ends `| tee`, or a
    terminal that hung up. What is printed from then on, also by processes that are started later, goes nowhere."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.was_terminal = self.isatty()

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno != errno.EPIPE and not (error.errno == errno.EIO and self.was_terminal):
                raise
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.fileno())
        os.close(null)
        return len(data)


def _lasting(stream: TextIO | None) -> TextIO:
    """The same stream on such a descriptor; one that goes nowhere if there is none."""
    if stream is None:  # its descriptor was closed before the program started
        return Path(os.devnull).open("w", encoding="utf-8")
    stream.flush()
    raw = _Lasting(stream.fileno())
    by_line = raw.was_terminal or stream is sys.stderr or getattr(stream, "write_through", False)  # PYTHONUNBUFFERED
    replacing = stream.errors if stream.errors == "backslashreplace" else "replace"  # what the locale lacks
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=stream.encoding, errors=replacing, line_buffering=by_line)
