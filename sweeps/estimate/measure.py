"""Time a run on the cores of this process: `python -m sweeps.estimate.measure --task=... --method=... --seed=0`.

Prints one line of JSON, a `sweeps.estimate.forecast.Speed`.
"""

from collections.abc import Sequence

from suite.errors import Parser, first_line
from suite.program.command import load, program, start


@program
def main(argv: Sequence[str]) -> int:
    """Measure one run for a few seconds."""
    usage = "python -m sweeps.estimate.measure --task=TASK --method=METHOD --seed=SEED [--GROUP.OPTION=X ...]"
    parser = Parser(usage=usage, description=first_line(__doc__))
    _, arguments = parser.parse_known_args(argv)  # sweeps.config checks the options of the run
    return load("sweeps.estimate.steps:print_speed")(arguments)


if __name__ == "__main__":
    start(main)
