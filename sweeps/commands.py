"""`eaudeqn COMMAND ...`: the programs of this suite by name, from any folder."""

import difflib
import runpy
import sys
from collections.abc import Sequence

from suite.errors import UserError
from suite.program.command import BAD_INPUT, program, start

COMMANDS = {
    "run": ("sweeps.run", "one run"),
    "launch": ("sweeps.launch", "the grid of a sweep file"),
    "status": ("sweeps.status", "the state of each run of a grid"),
    "table": ("analysis.table", "the comparison table of runs"),
    "report": ("analysis.report", "table and figures on one page"),
    "sync": ("suite.publish.sync", "send runs to W&B"),
    "dashboard": ("suite.publish.dashboard", "a W&B workspace"),
    "export": ("sweeps.export", "a run's policy without JAX"),
    "play": ("sweeps.export.play", "the returns of a policy, and a film"),
}


@program
def main(argv: Sequence[str]) -> int:
    """Run a command as `python -m` runs its module, which also sets the exit code. Raises UserError for an unknown
    command."""
    name, *arguments = argv or [""]
    if name in ("", "-h", "--help"):
        out = sys.stdout if name else sys.stderr
        print("usage: eaudeqn COMMAND ...   (eaudeqn COMMAND --help: its options)", file=out)
        print("\n".join(f"  {command:<10} {about}" for command, (_, about) in COMMANDS.items()), file=out)
        return 0 if name else BAD_INPUT
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(COMMANDS)}"
        raise UserError(f"no command {name!r}; {hint}")
    sys.argv = [sys.argv[0], *arguments]
    runpy.run_module(COMMANDS[name][0], run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    start(main)
