"""One run: `python -m sweeps.run --task atari/Pong --method eaudeqn --seed 0`.

Exit codes: 0 the run is finished (also when it was before), 1 it failed, 2 bad input, 75 (EX_TEMPFAIL) it is not
finished, and the same command resumes it: it was asked to end by Ctrl-C, SIGTERM or SIGUSR2 (SLURM's notice), for which
it leaves a checkpoint, or another process works on the same run, which is named. A second Ctrl-C ends a run at once;
then it resumes from the checkpoint before.
"""

import signal
from collections.abc import Sequence

from suite.program import signals

if __name__ == "__main__":  # until there is something to lose, Ctrl-C ends the process without a word
    signals.install(signal.SIGINT, signal.SIG_DFL)

from suite.program.command import load, program, start
from sweeps import command_line


@program
def main(argv: Sequence[str]) -> int:
    """Parse the command line, and only then import what trains: JAX takes a second."""
    settings, given = command_line.parse(argv)
    return load("sweeps.execute:from_command_line")(settings, given)


if __name__ == "__main__":
    start(main)
