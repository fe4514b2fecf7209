"""Where the runs of a sweep are: `python -m sweeps.status sweeps/atari/laptop.yaml`, whatever engine runs them.

All of it comes from the runs' records and locks, and from engines that have a queue. Exit codes: 0, or 2 for bad input.
"""

from collections.abc import Sequence
from os.path import expanduser

from suite.errors import Parser
from suite.program import extensions
from suite.program.command import program, start
from sweeps.overview import show_sweep


@program
def main(argv: Sequence[str]) -> int:
    """Show the state of each run of a sweep file."""
    parser = Parser(
        prog="python -m sweeps.status", description="The state of each run of a sweep file.", allow_abbrev=False
    )
    parser.add_argument("file", type=expanduser, help="a sweep file, such as sweeps/atari/laptop.yaml")
    parser.add_argument("--folder", type=expanduser, help="where the runs' folders are [runs/<name of the sweep>]")
    parser.add_argument(
        "--import", dest="modules", default="", metavar="MODULE", help="a module that registers methods of its own"
    )
    options = parser.parse_args(argv)
    extensions.load(options.modules)
    return show_sweep(options.file, options.folder)


if __name__ == "__main__":
    start(main)
