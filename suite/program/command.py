"""How every program starts and ends: arguments, errors, exit codes and closed outputs. No JAX."""

import errno
import functools
import io
import os
import pkgutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol, TextIO

from suite.errors import Busy, UserError, one_line

BAD_INPUT, BUSY, INTERRUPTED = 2, os.EX_TEMPFAIL, 130  # exit codes


class Program(Protocol):
    """A `main` that reports errors by itself; without arguments it takes those of the command line."""

    def __call__(self, argv: Sequence[str] | None = None) -> int:
        """Run the program and return its exit code; a reported error is one line on stderr."""


def program(main: Callable[[Sequence[str]], int]) -> Program:
    """Make a program's `main` report errors as one line each, and return an exit code for them.

    `main` takes the arguments of the command line. UserError and OSError become BAD_INPUT, Busy becomes BUSY, and
    Ctrl-C INTERRUPTED. Any other error is a bug and keeps its traceback.
    """

    @functools.wraps(main)
    def guarded(argv: Sequence[str] | None = None) -> int:
        try:
            return main(sys.argv[1:] if argv is None else argv)
        except (UserError, OSError) as error:
            print(f"error: {one_line(error)}", file=sys.stderr)
            return BAD_INPUT
        except Busy as error:
            print(f"busy: {one_line(error)}", file=sys.stderr)
            return BUSY
        except KeyboardInterrupt:
            print("interrupted: nothing is lost; rerun the command", file=sys.stderr)
            return INTERRUPTED

    return guarded


def load(name: str) -> Callable[..., int]:
    """Import "package.module:function" and return the function.

    A program parses its arguments first and then loads the function that does the work, so that `--help` and a wrong
    option do not wait for JAX or pandas.
    """
    function: Callable[..., int] = pkgutil.resolve_name(name)
    return function


def start(main: Callable[[], int]) -> NoReturn:
    """Run a program, and exit with its code, also if the reader of its output has ended."""
    sys.stdout, sys.stderr = _lasting(sys.stdout), _lasting(sys.stderr)
    sys.exit(main())


class _Lasting(io.FileIO):
    """A file descriptor whose reader may end first: a closed pipe, as behind `| head`, or when Ctrl-C ends `| tee`, or
    a terminal that hung up. From then on all output is discarded, also that of processes that are started later."""

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
    """Return the same stream, which outlives its reader; one that discards all output if the stream is closed."""
    if stream is None:  # its descriptor was closed before the program started
        return Path(os.devnull).open("w", encoding="utf-8")
    stream.flush()
    raw = _Lasting(stream.fileno())
    by_line = raw.was_terminal or stream is sys.stderr or getattr(stream, "write_through", False)  # PYTHONUNBUFFERED
    replacing = stream.errors if stream.errors == "backslashreplace" else "replace"  # what the locale lacks
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=stream.encoding, errors=replacing, line_buffering=by_line)
