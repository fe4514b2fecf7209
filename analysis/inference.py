"""Find the sparsity from which sparse layers are faster: `python -m analysis.inference results/inference`.

Reads measurements.csv and machine.json of sweeps.bench.inference, and writes break_even.md and speed.png beside them.
"""

from collections.abc import Sequence

from suite.errors import Parser, expanded, first_line
from suite.program.command import load, program, start


@program
def main(argv: Sequence[str]) -> int:
    """Find where sparse layers break even."""
    parser = Parser(prog="python -m analysis.inference", description=first_line(__doc__))
    parser.add_argument("folder", type=expanded, metavar="FOLDER", help="what sweeps.bench.inference wrote")
    folder = parser.parse_args(argv).folder
    return load("analysis.break_even:write")(folder)


if __name__ == "__main__":
    start(main)
