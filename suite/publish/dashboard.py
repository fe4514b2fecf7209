"""W&B workspaces with this benchmark's charts, one a task: `python -m suite.publish.dashboard runs/atari-laptop`.

They are saved in the project to which the runs were sent. Without an account it says what there is instead, and at a
terminal shows the newest run there. Exit codes: 0 all is well, 1 W&B does not take them, 2 bad input.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from suite.errors import Parser, expanded, first_line
from suite.program import terminal
from suite.program.command import load, program, start
from suite.publish import colours
from suite.publish.sync import find
from suite.publish.upload import PROJECT, has_key, places

WANDB = Path(sys.executable).with_name("wandb")


def offline(place: Path) -> str:
    """Say what a user without an account can do."""
    return "\n".join(
        [
            "no key for W&B is known here (`wandb login`, then `make sync`). Without an account you can see",
            f"  a run in the terminal:   {WANDB} leet {place}/<run>/wandb",
            f"  all figures on one page: {sys.executable} -m analysis.report --runs {place}",
            f"                           makes {place}/report/report.html",
        ]
    )


def show_offline(place: Path) -> None:
    """Become, at a terminal, `wandb leet` of the newest run that has W&B's files."""
    files = [folder / "wandb" for folder in find([place]) if (folder / "wandb").is_dir()]
    if files and sys.stdin.isatty() and terminal.capable(sys.stdout):
        newest = max(files, key=lambda folder: folder.stat().st_mtime)
        os.execv(WANDB, [str(WANDB), "leet", str(newest)])


@program
def main(argv: Sequence[str]) -> int:
    """Save the workspaces of a folder of runs, or say what there is without an account."""
    parser = Parser(prog="python -m suite.publish.dashboard", description=first_line(__doc__))
    parser.add_argument("runs", type=expanded, metavar="FOLDER", help="a folder of runs; each task gets a workspace")
    parser.add_argument("--project", help="project on W&B [that of the runs, or eaudeqn]")
    given = parser.parse_args(argv)
    folders = find([given.runs])
    tasks = colours.by_task(folders)
    if not has_key():
        print(offline(given.runs), flush=True)
        show_offline(given.runs)
        return 0
    project = given.project or os.environ.get("WANDB_PROJECT") or PROJECT
    projects = ([] if given.project else places(folders)) or [(None, project)]
    return max(load("suite.publish.workspaces:publish")(*place, tasks) for place in projects)


if __name__ == "__main__":
    start(main)
