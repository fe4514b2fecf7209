"""Train one run: `python -m sweeps.run --task atari/Pong --method eaudeqn --seed 0`.

Exit codes: 0 the run is finished (now or earlier), 1 it failed, 2 bad input, 75 (EX_TEMPFAIL) it is not finished, and
rerunning the command resumes it. 75 means that Ctrl-C, SIGTERM, SIGHUP (a closed terminal) or SIGUSR2 (SLURM's notice)
asked it to end, and it left a checkpoint; or that another process, which is named, works on the same run. A second
Ctrl-C ends a run at once, and it resumes from the checkpoint before.
"""

import signal
from collections.abc import Sequence

from suite.program import signals

if __name__ == "__main__":  # until training starts, Ctrl-C ends the process silently
    signals.install(signal.SIGINT, signal.SIG_DFL)

from suite.program.command import load, program, start
from sweeps import command_line


@program
def main(argv: Sequence[str]) -> int:
    """Parse the command line, then import the trainer: JAX takes a second."""
    settings, given = command_line.parse(argv)
    return load("sweeps.execute:from_command_line")(settings, given)


if __name__ == "__main__":
    start(main)
