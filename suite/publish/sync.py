"""Send runs to Weights & Biases from their records: `python -m suite.publish.sync runs/atari-laptop`.

W&B then has each row once, whatever it had before; a second call sends nothing. Exit codes: 0 all runs were sent,
1 some were not, 2 bad input or no key.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.progress import track

from suite.errors import Parser, UserError, expanded, first_line, one_line
from suite.program import terminal
from suite.program.command import program, start
from suite.publish.upload import check_key, entity_of, identity_of, opened, remember, sole_sender
from suite.record import reader, schema
from suite.record.models import Identity, Versions, differing

PATIENCE = 60  # seconds for W&B to answer
LONGEST_SEND = 1_800  # seconds for W&B to take all that was sent of a run
FEW_RETRIES = {  # W&B's client repeats refused requests for minutes; here the user decides
    "x_graphql_retry_max": 3,
    "x_graphql_retry_wait_min_seconds": 0.5,
    "x_graphql_retry_wait_max_seconds": 1.0,
}
EXIT_CODES = {"finished": 0, "failed": 1, None: schema.RESUMABLE}  # of a run, by its status


def sync(folder: Path) -> str:
    """Send what W&B lacks of a run, and return what was done. Raises UserError, or any exception of W&B's client."""
    config, ended = reader.config(folder), reader.status(folder)
    status = ended.status if ended else None
    rows = (folder / schema.METRICS).read_bytes().count(b"\n") if (folder / schema.METRICS).exists() else 0
    with sole_sender(folder) as file:
        identity = identity_of(file, config.name)
        run, there, others = remote(identity), 0, ""
        if run is not None:
            others = _other_versions(run.config.get("versions") or {}, config.versions)
            there = run.lastHistoryStep + 1
            if there >= rows and run.state in _states(status) and (status != "finished" or _has_policy(run, folder)):
                return f"was complete on W&B, {rows:,} rows{others}"
        timeouts = {"init_timeout": PATIENCE, "finish_timeout": LONGEST_SEND, "finish_timeout_raises": True}
        settings = {"x_disable_stats": True, **timeouts, **FEW_RETRIES}
        upload = opened(folder, "online", identity, there, **settings)
        remember(file, upload.run)
        upload.send()
        upload.finish(EXIT_CODES[status])
        return f"sent, {max(rows - there, 0):,} of {rows:,} rows{others}: {upload.run.url}"


def unreachable() -> str:
    """Return why W&B does not answer; "" if it does. Asked once, so that not every run waits for it."""
    import wandb

    try:
        str(wandb.Api(timeout=PATIENCE).default_entity)
    except Exception as error:
        return one_line(error)
    return ""


def remote(identity: Identity) -> Any:
    """Return the run on W&B, or None. Raises any exception of W&B's client."""
    import wandb

    api = wandb.Api(timeout=PATIENCE)
    path = f"{identity.entity or entity_of(api)}/{identity.project}/{identity.id}"
    try:
        return api.run(path)
    except wandb.errors.CommError as error:
        if "Could not find" in str(error):
            return None
        raise


def _has_policy(run: Any, folder: Path) -> bool:
    """Return whether W&B has the run's final network, if the record has one. `run` is W&B's."""
    if not (folder / schema.POLICY).exists():
        return True
    return any(artifact.type == "policy" for artifact in run.logged_artifacts())


def _states(status: str | None) -> tuple[str, ...]:
    """Return W&B's states of a completely sent run whose record has this status."""
    return ("preempted", "failed", "crashed") if status is None else (status,)


def _other_versions(theirs: Mapping[str, Any], ours: Versions) -> str:
    """Return a note that names the versions in which W&B's copy and the record differ; "" if there are none."""
    changed = differing(ours, theirs)
    return f" (W&B's first rows are from another attempt, with other versions: {', '.join(changed)})" if changed else ""


def find(places: Sequence[Path]) -> list[Path]:
    """Return the run folders in some places. A place is a run folder or holds run folders. Those that cannot be read
    are noted on stderr.

    Raises UserError when a place holds no run, or cannot be read.
    """
    found: list[Path] = []
    for place in places:
        try:
            folders, notes = _runs_in(place)
        except OSError as error:
            raise UserError(one_line(error)) from None
        for note in notes:
            print(f"note: {note}", file=sys.stderr)
        if not folders:
            what = f"holds no run (a folder with a {schema.CONFIG})" if place.is_dir() else "no such folder"
            raise UserError(f"{place}: {what}")
        found += folders
    return found


def _runs_in(place: Path) -> tuple[list[Path], list[str]]:
    if (place / schema.CONFIG).exists():
        return [place], []
    folders, notes = schema.subfolders(place) if place.is_dir() else ([], [])
    return [folder for folder in folders if (folder / schema.CONFIG).exists()], notes


@program
def main(argv: Sequence[str]) -> int:
    """Send runs to W&B, and name those that it did not take."""
    parser = Parser(prog="python -m suite.publish.sync", description=first_line(__doc__))
    parser.add_argument("runs", type=expanded, nargs="+", metavar="FOLDER", help="run folders, or folders of runs")
    folders = find(parser.parse_args(argv).runs)
    check_key()
    sent, silence, console = 0, unreachable(), terminal.console(stderr=True)
    for folder in track(folders, "runs", console=console, transient=True, disable=not console.is_terminal):
        if silence:
            break
        try:
            outcome = sync(folder)
            sent += 1
        except Exception as error:
            outcome, silence = f"not sent ({one_line(error)})", unreachable()
        print(f"{folder.name}: {outcome}", flush=True)
    if sent == len(folders):
        return 0
    reason = f"W&B does not answer, or refuses ({silence}): " if silence else ""
    print(
        f"{reason}{len(folders) - sent} of {len(folders)} runs were not sent; rerun the command to send them",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    start(main)
