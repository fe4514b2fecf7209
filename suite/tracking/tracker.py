"""Records one run: its files first, then Weights & Biases, then the terminal.

The record (suite.record.schema) is the source of truth. W&B gets the same rows from it; an error of W&B never stops a
run.
"""

import contextlib
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from suite.errors import Divergence, UserError, one_line, out_of_memory, writing
from suite.publish.upload import patience
from suite.record import files, reader, schema
from suite.record.models import Status, as_json, differing
from suite.tracking.checkpoint import Checkpoint
from suite.tracking.progress import ProgressDisplay
from suite.tracking.provenance import ROOT, versions

WANDB_MODES = ("auto", "online", "offline", "disabled")
OLD_MODES = {"run": "online", "dryrun": "offline"}  # which W&B's client still takes
WANDB_LOG = "wandb.log"  # the output of W&B's client, in the run's folder
REPORT = 2.0  # seconds between two progress reports
logger = logging.getLogger(__name__)


def wandb_mode_of(given: str) -> str:
    """Return one of WANDB_MODES; auto takes WANDB_MODE, if that is set. Raises UserError for an unknown mode."""
    if given not in WANDB_MODES:
        raise UserError(f"--wandb={given}: should be one of {', '.join(WANDB_MODES)}")
    named = os.environ.get("WANDB_MODE") if given == "auto" else None
    mode = OLD_MODES.get(named, named) if named else given
    if mode not in WANDB_MODES:
        raise UserError(f"WANDB_MODE={named}: should be one of {', '.join(WANDB_MODES[1:])}, or not set")
    return mode


class Tracker:
    """Records one run. A context: leaving it by an exception records the run as failed, Ctrl-C as interrupted."""

    def __init__(
        self,
        folder: Path,
        config: Mapping[str, Any],
        frame_skip: int,
        total_agent_steps: int,
        wandb_mode: str = "auto",
        resumed: Checkpoint | None = None,
    ) -> None:
        """Begin a record in a folder, or resume the one that a checkpoint belongs to. Raises UserError when the folder
        cannot be written."""
        self.folder, self.frame_skip, self.total = folder, frame_skip, total_agent_steps
        self.config = {"schema": schema.SCHEMA, **config, "versions": versions(), "total_agent_steps": self.total}
        self.latest: dict[str, Any] = {"return": None, "sparsity": None}  # of the last epoch
        self.agent_step = 0
        self.started = self.reported_at = time.monotonic()
        self.reported_step = 0
        with writing(folder):
            self._resume(resumed) if resumed else self._begin()
            # Open until the end: if the folder is deleted and the run starts again, its rows are not mixed with ours.
            self.metrics = (folder / schema.METRICS).open("a", encoding="utf-8")
        self.wandb = Follower(folder, wandb_mode)
        self.display = ProgressDisplay(self.total)

    def _begin(self) -> None:
        """Write an empty record, in place of an attempt that did not finish."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._remove_results()
        shutil.rmtree(self.folder / schema.VIDEOS, ignore_errors=True)
        (self.folder / schema.METRICS).write_text("", encoding="utf-8")
        schema.write_json(self.folder / schema.CONFIG, self.config)

    def _resume(self, resumed: Checkpoint) -> None:
        """Restore the record as it was at a checkpoint. Its config lists the versions of every attempt, if they
        differ."""
        self._remove_results()
        schema.cut(self.folder / schema.METRICS, resumed.metrics_bytes)
        self.started -= resumed.state["seconds"]
        self.agent_step = self.reported_step = resumed.state["agent_step"]
        for line in schema.read_rows(self.folder / schema.METRICS):
            self._note(line)
        earlier, ours = self._earlier_versions(resumed), self.config["versions"]
        attempts = [  # without those that saved nothing
            attempt
            for attempt in earlier.pop("resumed", [])
            if attempt["agent_step"] < self.agent_step or attempt["versions"] == resumed.versions
        ]
        if changed := differing(ours, resumed.versions):
            logger.warning("other versions or another machine than before (%s): numbers may change", ", ".join(changed))
            attempts.append({"agent_step": self.agent_step, "versions": ours})
        self.config |= earlier | ({"resumed": attempts} if attempts else {})
        schema.write_json(self.folder / schema.CONFIG, self.config)  # the file may have been damaged

    def _earlier_versions(self, resumed: Checkpoint) -> dict[str, Any]:
        """Return the versions of earlier attempts in config.json, or those of the checkpoint if that file is
        damaged."""
        try:
            config = as_json(reader.config(self.folder))
        except UserError as error:
            logger.warning("%s; it is written again", error)
            return {"versions": resumed.versions}
        return {key: config[key] for key in ("versions", "resumed") if key in config}

    def _remove_results(self) -> None:
        for stale in (schema.STATUS, schema.PROGRESS, schema.POLICY, schema.POLICY_CARD, schema.COSTS):
            (self.folder / stale).unlink(missing_ok=True)
        shutil.rmtree(self.folder / schema.EXPORT, ignore_errors=True)

    def seconds(self) -> float:
        """Return the wall seconds that led to the current state of the run, over all its attempts."""
        return time.monotonic() - self.started

    def __enter__(self) -> Self:
        self._report(0.0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.display.stop()
        with contextlib.suppress(OSError):  # the rest of a row that found the disk full; others are written
            self.metrics.close()
        if kind is not None and (not issubclass(kind, Exception) or out_of_memory(error)):  # it can be resumed
            self.wandb.end(schema.RESUMABLE)
            return
        status = Status(
            status="failed" if error else "finished",
            error=_reason(error) if error else None,
            seconds=self.seconds(),
            agent_step=self.agent_step,
            files={} if error else self._fingerprints(),
        )
        self._report(0.0)
        with contextlib.suppress(OSError) if error else writing(self.folder):  # one error is enough
            schema.write_json(self.folder / schema.STATUS, as_json(status))
        self.wandb.end(1 if error else 0)  # the record is complete, whatever W&B does

    def _fingerprints(self) -> dict[str, files.Fingerprint]:
        """Return the fingerprints of the results, which survive a power cut from here on."""
        with writing(self.folder):
            files.sync(self.folder / schema.METRICS)
            return reader.fingerprints(self.folder)

    def log(self, kind: str, clocks: Mapping[str, int], **columns: Any) -> None:
        """Append one row to the record (see schema.ROWS), where W&B's follower finds it."""
        frame = clocks["agent_step"] * self.frame_skip
        line = schema.row(kind, {**clocks, "frame": frame}, **columns)
        with writing(self.folder / schema.METRICS):
            schema.append(self.metrics, line)
        self._note(line)

    def _note(self, line: schema.Row) -> None:
        """Keep what the progress reports show of a row."""
        if line["kind"] == "epoch":
            self.latest = {"return": line["return"], "sparsity": line["sparsity"]}
        elif line["kind"] == "evaluation" and self.latest["return"] is None:  # no episode is played in training
            self.latest["return"] = line["return"]

    def progress(self, agent_step: int) -> None:
        """Report how far the run is; cheap enough for every agent step."""
        self.agent_step = agent_step
        now = time.monotonic()
        if now - self.reported_at < REPORT:
            return
        rate = (agent_step - self.reported_step) / (now - self.reported_at)
        self.reported_at, self.reported_step = now, agent_step
        self._report(rate)
        self.display.update(agent_step, rate, self.latest["return"], self.latest["sparsity"])

    def _report(self, rate: float) -> None:
        """Write progress.json. An error is ignored, because the file is only displayed."""
        progress = {"agent_step": self.agent_step, "total_agent_steps": self.total, "rate": rate, **self.latest}
        with contextlib.suppress(OSError):
            schema.write_json(self.folder / schema.PROGRESS, {**progress, "time": time.time()}, lasting=False)


class Follower:
    """Copies a run to W&B in a process of its own (suite.publish.follow), so that its errors never stop the run."""

    def __init__(self, folder: Path, mode: str) -> None:
        mode = wandb_mode_of(mode)
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        if mode == "disabled":
            return
        command = [sys.executable, "-m", "suite.publish.follow", str(folder.resolve()), "--mode", mode]
        try:
            with (folder / WANDB_LOG).open("wb") as log:
                self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=2, stderr=log)
        except OSError as error:
            logger.warning("W&B is left out of this run (%s)", error)

    def end(self, exit_code: int) -> None:
        """Tell the process how the run ended, and give it some seconds to send the rest."""
        if self.process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired, OSError):  # OSError: it ended before us, and logged why
            self.process.communicate(f"{exit_code}\n".encode(), timeout=patience())
        if self.process.poll() is None:
            wait = "W&B did not take the rest of this run in %.0f seconds: `make sync RUNS=%s` sends it"
            logger.warning(wait, patience(), self.folder)
            self.process.kill()
        elif self.process.returncode < 0:
            logger.warning("W&B's client was killed: `make sync RUNS=%s` sends the rest of this run", self.folder)


def _reason(error: BaseException) -> str:
    """Return an error in one line; an unexpected one with its type."""
    expected = isinstance(error, UserError | Divergence | OSError)
    return one_line(error) if expected else f"{type(error).__name__}: {one_line(error)}"
