"""`make bench`: the training speed of this machine, all measured in this one process and side by side."""

from collections.abc import Sequence

from suite.errors import Parser, whole_number
from suite.program.command import load, program, start


@program
def main(argv: Sequence[str]) -> int:
    """Measure how fast this machine trains."""
    parser = Parser(prog="python -m sweeps.bench.training", description="The speed of this machine, in one table.")
    parser.add_argument(
        "--repetitions", type=whole_number(1, 10**6), default=7, metavar="N", help="rounds per case [7]"
    )
    repetitions = parser.parse_args(argv).repetitions
    return load("sweeps.bench.throughput:show")(repetitions)


if __name__ == "__main__":
    start(main)
