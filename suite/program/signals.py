"""Signals that ask a program to end. What was ignored when the program was started stays ignored: nohup does so with
SIGHUP, and a script's & with SIGINT. No JAX."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

Handler = Callable[[int, Any], Any] | int | None


def install(number: int, handler: Handler) -> None:
    """Handle a signal, unless it is ignored."""
    if signal.getsignal(number) != signal.SIG_IGN:
        signal.signal(number, handler)


@contextmanager
def handled(numbers: Sequence[int], handler: Handler) -> Iterator[None]:
    """Handle signals, but for those that are ignored, until the end of the block."""
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        install(number, handler)
    try:
        yield
    finally:
        for number in numbers:
            if before[number] != signal.SIG_IGN:
                signal.signal(number, before[number])
