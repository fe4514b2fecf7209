"""Why a worker process ended, from its exit code and from what it printed."""

import signal

TRACEBACK = "Traceback (most recent call last):"
ERRORS = ("error: ", "failed: ", "out of memory")  # how our programs begin their last word


def ending(code: int) -> str:
    """What an exit code says."""
    if code == -signal.SIGKILL:
        return "killed by SIGKILL (out of memory, if nobody did it by hand)"
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def reason(code: int, output: str) -> str:
    """Why a process failed, in one line: the last error that it printed, whatever a library printed after that; and the
    signal that ended it, or its exit code and last words if it told no error."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    error = _error(lines)
    if code < 0:
        return ending(code) + (f"; {error}" if error else "")
    if error:
        return error.removeprefix("error: ")
    return f"{ending(code)}; " + (f"its last words: {lines[-1].strip()}" if lines else "it printed nothing")


def _error(lines: list[str]) -> str | None:
    """The line of the last error: our programs' own, or the one below the calls of a traceback."""
    told = [number for number, line in enumerate(lines) if line == TRACEBACK or line.startswith(ERRORS)]
    if told and lines[told[-1]] != TRACEBACK:
        return lines[told[-1]]
    below = lines[told[-1] + 1 :] if told else []
    return next((line for line in below if not line[0].isspace()), None)
