"""Follows a run, and sends its rows to W&B as they are written: `python -m suite.publish.follow FOLDER --mode MODE`.

The run's process starts it and sends it the exit code at the end; nothing else in a run uses W&B
(suite.tracking.tracker.Follower).
"""

import os
import select
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from suite.errors import Parser, one_line
from suite.program.command import program, start
from suite.publish.upload import (
    client_is_gone,
    forget_client,
    has_key,
    identity_of,
    opened,
    patience,
    remember,
    sole_sender,
)
from suite.record import reader

KILLED = 137  # exit code for W&B when a run's process ended without sending its own
TICK = 1.0  # seconds between two looks at the record
INIT = 20.0  # seconds for W&B to answer at the beginning of an attempt, and between two


def follow(folder: Path, mode: str) -> None:
    """Send the run in a folder until its process writes its exit code to our standard input, or ends without.

    W&B is tried again and again while the run trains, and once when it has ended; so is W&B's client when it is
    killed, as by the signal that asks the run to end.
    """
    code = None
    settings: dict[str, Any] = {"init_timeout": INIT, "finish_timeout": 0.9 * patience()}
    settings |= {"finish_timeout_raises": True, "x_stats_pid": os.getppid()}
    with sole_sender(folder, patience=INIT) as file:
        identity = identity_of(file, reader.config(folder).name)
        if identity.id != os.environ.get("WANDB_RUN_ID"):  # which wins over an identity, in a sweep
            os.environ.pop("WANDB_SWEEP_ID", None)
        if mode == "auto":
            mode = "online" if has_key() else "offline"  # the client has now read its variables
        while True:
            ended = code is not None
            try:
                upload = opened(folder, mode, identity, **settings)
                if mode == "online" or not identity.url:  # for `make sync`, where an offline run is to go
                    identity = remember(file, upload.run)
                while code is None:
                    upload.send()
                    code = exit_code(TICK)
                upload.send()
                return upload.finish(code)
            except Exception as error:
                killed = client_is_gone(error)
                if ended or (code is not None and not killed):
                    raise
                if killed:
                    forget_client()
                code = exit_code(INIT) if code is None else code


def exit_code(seconds: float) -> int | None:
    """Read the run's exit code from our standard input: KILLED if it closed without one, None if none came."""
    if not select.select([sys.stdin], [], [], seconds)[0]:
        return None
    line = sys.stdin.readline().strip()
    return int(line) if line else KILLED


@program
def main(argv: Sequence[str]) -> int:
    """Follow one run to its end."""
    parser = Parser(prog="python -m suite.publish.follow")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mode", required=True)
    given = parser.parse_args(argv)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2):  # the run then writes its exit code
        signal.signal(number, signal.SIG_IGN)
    os.environ.pop("WANDB_MODE", None)  # --mode has it already, by a name that W&B's client takes
    try:
        follow(given.folder, given.mode)
    except Exception as error:
        traceback.print_exc()
        rest = f"`make sync RUNS={given.folder}` sends the rest"
        print(f"W&B does not have all of this run ({one_line(error)}): {rest}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    start(main)
