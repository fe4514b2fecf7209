"""Why a worker process ended, from its exit code and from what it printed."""

import signal

TRACEBACK = "Traceback (most recent call last):"
ERRORS = ("error: ", "failed: ", "out of memory")  # how our programs begin their last line


def ending(code: int) -> str:
    """Describe an exit code."""
    if code == -signal.SIGKILL:
        return "killed by SIGKILL (out of memory, unless a user killed it)"
    if code < 0:
        names = {number.value: number.name for number in signal.Signals}  # most real-time signals have none
        return f"killed by {names.get(-code, f'signal {-code}')}"
    return f"exit code {code}"


def reason(code: int, output: str) -> str:
    """Say in one line why a process failed: the last error that it printed, even if other lines follow it.

    A signal that ended the process is named first. Without an error or a signal, the exit code and the last line that
    the process printed are returned.
    """
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    error = _error(lines)
    if code < 0:
        return ending(code) + (f"; {error}" if error else "")
    if error:
        return error.removeprefix("error: ")
    return f"{ending(code)}; " + (f"its last line: {lines[-1].strip()}" if lines else "it printed nothing")


def _error(lines: list[str]) -> str | None:
    """Return the line of the last error: our programs' own, or the one below the calls of a traceback."""
    errors = [number for number, line in enumerate(lines) if line == TRACEBACK or line.startswith(ERRORS)]
    if errors and lines[errors[-1]] != TRACEBACK:
        return lines[errors[-1]]
    below = lines[errors[-1] + 1 :] if errors else []
    return next((line for line in below if not line[0].isspace()), None)
