"""Become a command that keeps to some cores and does not outlive the process that started it.

    python supervisor.py <parent's process id> <cores, e.g. 0,1, or nothing> <command> ...

A program of its own, because the same calls between fork and exec are unsafe in a process with threads. The
standard library only; what the platform does not have is left out (macOS: neither cores nor supervisor).
"""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h; holds across exec


def main(parent: int, cores: list[int], command: list[str]) -> None:
    """Replace this process by `command`, on these cores. On Linux it gets SIGTERM when the parent process ends."""
    if cores and hasattr(os, "sched_setaffinity"):
        with contextlib.suppress(OSError):  # a core that was taken away meanwhile
            os.sched_setaffinity(0, cores)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the supervisor held
            sys.exit(128 + signal.SIGTERM)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(core) for core in sys.argv[2].split(",") if core], sys.argv[3:])
