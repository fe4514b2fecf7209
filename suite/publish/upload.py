"""Upload a run to Weights & Biases from its record, while it runs (suite.publish.follow) or later (suite.publish.sync).

The number of a row is its step on W&B, whose client drops steps that W&B already has. So W&B has each row once, however
often a run is resumed, killed or uploaded again.
"""

import contextlib
import fcntl
import hashlib
import json
import math
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from suite.errors import UserError
from suite.record import reader, schema
from suite.record.models import Identity, as_json, parsed

PROJECT = "eaudeqn"
IDENTITY = "wandb.json"  # where the run is on W&B; the process that uploads it locks this file
WAIT = "EAUDEQN_WANDB_WAIT"  # seconds that a run gives W&B at its end; it never waits for it before
LONGEST_WAIT = 86_400
MOST_CHARACTERS, KEPT_END = 128, 32  # of a name on W&B; how much of its end a long one keeps, where its digest is


class Upload:
    """An open run on W&B. W&B's client may raise exceptions of any kind."""

    def __init__(self, folder: Path, mode: str, identity: Identity, there: int = 0, **settings: Any) -> None:
        """Open the run. `mode` is online or offline. W&B has the first `there` rows, and perhaps more."""
        import wandb

        self.folder, self.offset = folder, 0
        config = reader.config(folder)
        method = config.method.partition(":")[0]
        shutil.rmtree(folder / "wandb", ignore_errors=True)  # of an earlier attempt; the record has all of it
        own = (folder / "wandb").resolve()  # the client's default is in HOME, which may be missing or read-only
        os.environ |= {"WANDB_DATA_DIR": str(own / "data"), "WANDB_CACHE_DIR": str(own / "cache")}
        self.run = wandb.init(
            id=identity.id,
            resume="allow",
            project=identity.project,
            entity=identity.entity,
            dir=folder,
            mode=mode,  # type: ignore[arg-type]
            name=shortened(config.name),
            group=shortened(config.group) if config.group else None,
            job_type=method,
            tags=[config.task, method, f"seed{config.seed}"],
            config=as_json(config),
            settings=wandb.Settings(console="off", silent=True, disable_git=True, **settings),
        )
        self.there, self.row = there, 0  # row: the next one of the record
        self.run.define_metric("agent_step", hidden=True)
        self.run.define_metric("*", step_metric="agent_step")

    def send(self) -> None:
        """Send the rows that W&B lacks. A last line without its newline is being written and is left out."""
        with (self.folder / schema.METRICS).open("rb") as file:
            file.seek(self.offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self.offset += len(line)
                if self.row >= self.there:
                    row = schema.parse_row(line.decode(errors="replace"), f"{file.name}:{self.row + 1}")
                    self.run.log(self._metrics(row), step=self.row, commit=True)
                self.row += 1

    def _metrics(self, row: schema.Row) -> dict[str, Any]:
        import wandb

        if row["kind"] == "weights":
            histograms = {f"weights/{path}": bars(layer) for path, layer in row["layers"].items()}
            return {clock: row[clock] for clock in schema.CLOCKS} | histograms
        metrics = wandb_metrics(row)
        if row["kind"] == "epoch" and (video := self.folder / schema.video(row["epoch"])).exists():
            metrics["video"] = wandb.Video(str(video))
        return metrics

    def finish(self, exit_code: int) -> None:
        """Send the results of a finished run, and end it on W&B. A run that can be resumed is marked as preempted."""
        if exit_code == 0:
            self._results()
        if exit_code == schema.RESUMABLE:
            self.run.mark_preempting()  # so that a sweep assigns it again
        self.run.finish(exit_code=exit_code)

    def _results(self) -> None:
        import wandb

        names = [name for name in (schema.POLICY, schema.POLICY_CARD, schema.COSTS) if (self.folder / name).exists()]
        if costs := reader.costs(self.folder):
            self.run.summary.update({"costs": as_json(costs)})
        if schema.POLICY in names:
            policy = wandb.Artifact(f"policy-{self.run.id}", type="policy")
            for name in names:
                path = (self.folder / name).resolve()
                policy.add_file(str(path), skip_cache=True, policy="immutable")  # W&B keeps no copy below wandb/
            self.run.log_artifact(policy)


def opened(folder: Path, mode: str, identity: Identity, there: int = 0, **settings: Any) -> Upload:
    """Return an Upload, with a new id if the run was deleted on W&B, which does not accept the id of a deleted run."""
    try:
        return Upload(folder, mode, identity, there, **settings)
    except Exception as error:
        forget_client()  # which believes that a refused id is in use
        if "409" not in str(error) or "deleted" not in str(error):
            raise
    for name in ("WANDB_SWEEP_ID", "WANDB_RUN_ID"):  # which the client would prefer to the new id
        os.environ.pop(name, None)
    new = identity.model_copy(update={"id": secrets.token_hex(8)})
    print(f"{folder.name}: this run was deleted on W&B; it is sent again, with the new id {new.id}", flush=True)
    return Upload(folder, mode, new, **settings)


def client_is_gone(error: Exception) -> bool:
    """Return whether an error says that W&B's client has died: it closed the connection, or will never answer."""
    from wandb.sdk.mailbox import HandleAbandonedError

    return isinstance(error, ConnectionError | HandleAbandonedError)


def forget_client() -> None:
    """End W&B's client, even if it was killed, so that the next run starts a new one."""
    import wandb

    with contextlib.suppress(ConnectionError):
        wandb.teardown()


def shortened(name: str) -> str:
    """Return a name that is short enough for W&B. It keeps its end, the digest in which names differ."""
    if len(name) <= MOST_CHARACTERS:
        return name
    return f"{name[: MOST_CHARACTERS - KEPT_END - 3]}...{name[-KEPT_END:]}"


def wandb_metrics(row: schema.Row) -> dict[str, Any]:
    """Return a row of the record under W&B's names: "<kind>/<column>", lists and dicts one level deeper."""
    metrics: dict[str, Any] = {clock: row[clock] for clock in schema.CLOCKS}
    for column, value in row.items():
        if column in schema.CLOCKS or column == "kind" or value is None:
            continue
        if column in ("episode_returns", "episode_lengths"):  # as many as an epoch has: in the record only
            continue
        name = f"{row['kind']}/{column}"
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
        metrics |= (
            {name: value} if items is None else {f"{name}/{key}": item for key, item in items if item is not None}
        )
    return metrics


def bars(layer: Mapping[str, Any]) -> Any:
    """Return a layer's histogram in the record as W&B's."""
    import wandb

    counts = np.asarray(layer["counts"])
    return wandb.Histogram(np_histogram=(counts, np.linspace(layer["low"], layer["high"], len(counts) + 1)))


# Identity ----------


def identity_of(file: IO[str], name: str) -> Identity:
    """Return where W&B has the run: where it was last sent, even if another sweep assigns it now.
    A run that was never sent has the id that its sweep knows it by, or one that is derived from its name; it goes to
    the entity and the project that the environment names, or named when the run was offline.

    `file` is the folder's IDENTITY: empty before the run is first sent, and perhaps cut if a process was killed.
    """
    file.seek(0)
    try:
        known = parsed(Identity, file.read(), IDENTITY)
    except UserError:
        known = Identity(id="", project=PROJECT)
    if known.url:
        return known
    given = os.environ.get("WANDB_RUN_ID") if "WANDB_SWEEP_ID" in os.environ else None
    return Identity(
        id=given or hashlib.sha256(name.encode()).hexdigest()[:16],
        project=os.environ.get("WANDB_PROJECT") or known.project,
        entity=os.environ.get("WANDB_ENTITY") or known.entity,
    )


def places(folders: Iterable[Path]) -> list[tuple[str | None, str]]:
    """Return the entities and projects to which W&B got these runs."""
    found: dict[tuple[str | None, str], None] = {}
    for folder in folders:
        with contextlib.suppress(OSError, UserError):  # it was never sent
            sent = parsed(Identity, (folder / IDENTITY).read_text(encoding="utf-8"), IDENTITY)
            if sent.url:
                found[sent.entity, sent.project] = None
    return list(found)


def entity_of(api: Any) -> str:
    """Return the entity of a run that names none: WANDB_ENTITY, or the owner of the key. `api` is W&B's."""
    return str(api.settings["entity"] or api.default_entity)


def remember(file: IO[str], run: Any) -> Identity:
    """Write where the run is on W&B, and return it. In place, since the lock is on the file. `run` is W&B's; an offline
    one has no URL."""
    identity = Identity(id=run.id, project=run.project, entity=run.entity or None, url=run.url)
    file.seek(0)
    file.truncate()
    file.write(json.dumps(as_json(identity), indent=1) + "\n")
    file.flush()
    return identity


@contextlib.contextmanager
def sole_sender(folder: Path, patience: float = 0.0) -> Iterator[IO[str]]:
    """Lock the folder's IDENTITY. Raises UserError when another process still holds it after `patience` seconds."""
    deadline = time.monotonic() + patience
    with (folder / IDENTITY).open("a+", encoding="utf-8") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # gone with the process, however it ends
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise UserError(
                        f"{folder}: is being sent to W&B by another process, such as the run; try again later"
                    ) from None
                time.sleep(0.1)
            except OSError:  # the file system has no such locks; W&B still has each row once
                break
        yield file


def has_key() -> bool:
    """Return whether a key for W&B is known here. It is not verified, since W&B may not answer now."""
    import wandb

    os.environ.pop("WANDB_MODE", None)  # offline or disabled, W&B's client does not look for a key
    try:
        wandb.setup(wandb.Settings(silent=True))  # else it asks W&B whose key it is, and waits where no network is
        return bool(wandb.login(prompt=False, verify=False))
    except Exception:  # such as an address that is none: to open the run says what is wrong
        return True


def check_key() -> None:
    """Raise UserError when there is no key for W&B."""
    if not has_key():
        command = Path(sys.executable).with_name("wandb")
        raise UserError(f"no key for W&B is known here: `{command} login` first, or set WANDB_API_KEY")


def patience() -> float:
    """Return the seconds to wait for W&B at the end of a run: WAIT, or 60. Raises UserError for an invalid number."""
    text = os.environ.get(WAIT) or "60"
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= LONGEST_WAIT:
        raise UserError(f"{WAIT}={text}: should be a number of seconds from 0 to {LONGEST_WAIT}, such as 300")
    return seconds
