"""Write the committed results again, from their committed curves: python -m analysis.published results/results.yaml

The file lists the folders beside it, and for each the program (table or report) and its options. Of what the program
writes, the tables, the figure of the curves and the page are kept. `make results` calls this.
"""

import argparse
import contextlib
import io
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from analysis import report, table
from suite.errors import Parser, UserError, expanded
from suite.program.command import load, program, start
from suite.record import yamlfile

KEPT = (
    "comparison.md",
    "comparison.tex",
    "comparison.csv",
    "curves.png",
    "pareto.svg",
    "report.html",
)
PARSERS = {"table": table.parser, "report": report.parser}
WRITERS = {"table": lambda: load("analysis.results:table"), "report": lambda: load("analysis.page.build:write_report")}


def published(listing: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield the folders of a listing, each with its program and options. Raises UserError for another layout."""
    content = yamlfile.read(listing)
    if not isinstance(content, dict) or not content:
        raise UserError(f"{listing}: must map folders to a program and its options, such as `pong: [table, --raw]`")
    for folder, words in content.items():
        if not isinstance(words, list) or not words or words[0] not in PARSERS:
            raise UserError(f"{listing}: {folder}: must be a list that begins with {' or '.join(PARSERS)}")
        yield listing.parent / str(folder), list(map(str, words))


def write(folder: Path, words: Sequence[str], out: Path) -> int:
    """Write the results of a folder's curves.csv into `out`. Return the program's exit code; raise its UserError."""
    name, *more = words
    given = ["--runs", str(folder / "curves.csv"), "--out", str(folder), *more]
    arguments = PARSERS[name]().parse_args(given)
    with tempfile.TemporaryDirectory() as temporary:
        arguments.out = Path(temporary)
        with contextlib.redirect_stdout(io.StringIO()):  # the tables are in the files
            code = WRITERS[name]()(arguments, shlex.join(["python", "-m", f"analysis.{name}", *given]))
        out.mkdir(parents=True, exist_ok=True)
        for file in KEPT:  # a report has the curves among its figures
            for written in (arguments.out / file, arguments.out / "figures" / file):
                if written.exists():
                    shutil.copyfile(written, out / file)
                    break
    return code


def parser() -> argparse.ArgumentParser:
    """Return a parser for the listing and the folder to write to."""
    made = Parser(prog="python -m analysis.published", description="Write the committed results again.")
    made.add_argument("listing", type=expanded, metavar="FILE", help="results/results.yaml")
    made.add_argument("--out", type=expanded, metavar="FOLDER", help="where to write (default: beside the file)")
    return made


@program
def main(argv: Sequence[str]) -> int:
    """Write the results of every folder of a listing again; return the highest exit code."""
    given = parser().parse_args(argv)
    worst = 0
    for folder, words in published(given.listing):
        print(f"{folder}: {shlex.join(words)}", flush=True)
        worst = max(worst, write(folder, words, (given.out or given.listing.parent) / folder.name))
    return worst


if __name__ == "__main__":
    start(main)
