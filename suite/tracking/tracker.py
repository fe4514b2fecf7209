"""What a run tells the world: its own record first, then Weights & Biases, then whoever watches the terminal.

The record (suite.record.schema) is the source of truth. W&B gets the same rows from it; its trouble never reaches a
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

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from suite.errors import Divergence, UserError, one_line, out_of_memory, writing
from suite.program import terminal
from suite.program.terminal import duration
from suite.publish.upload import patience
from suite.record import files, schema
from suite.tracking.checkpoint import Checkpoint
from suite.tracking.provenance import ROOT, versions

WANDB_MODES = ("auto", "online", "offline", "disabled")
OLD_MODES = {"run": "online", "dryrun": "offline"}  # which W&B's client still takes
WANDB_LOG = "wandb.log"  # what W&B's client says, in the run's folder
HEARTBEAT, LINE = 2.0, 60.0  # seconds between rewrites of progress.json, and between lines where there is no terminal
logger = logging.getLogger(__name__)


def wandb_mode_of(given: str) -> str:
    """One of WANDB_MODES, of which auto leaves it to WANDB_MODE, if that is set. Raises UserError for another."""
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
        """Begin a record in a folder, or go on with the one that a checkpoint belongs to. Raises UserError when the
        folder cannot be written."""
        self.folder, self.frame_skip, self.total = folder, frame_skip, total_agent_steps
        self.config = {"schema": schema.SCHEMA, **config, "versions": versions(), "total_agent_steps": self.total}
        self.latest: dict[str, Any] = {"return": None, "sparsity": None}
        self.agent_step = 0
        self.started = self.beat_at = self.line_at = time.monotonic()
        self.beat_step = 0
        with writing(folder):
            self._go_on(resumed) if resumed else self._begin()
        self.wandb = Follower(folder, wandb_mode)
        self.display = _display(self.total) if terminal.capable(sys.stderr) else None

    def _begin(self) -> None:
        """An empty record, in place of an attempt that did not finish."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._remove_results()
        shutil.rmtree(self.folder / schema.VIDEOS, ignore_errors=True)
        (self.folder / schema.METRICS).write_text("", encoding="utf-8")
        schema.write_json(self.folder / schema.CONFIG, self.config)

    def _go_on(self, resumed: Checkpoint) -> None:
        """The record as it was at a checkpoint. Its config names the versions of every attempt, if they differ."""
        self._remove_results()
        schema.cut(self.folder / schema.METRICS, resumed.metrics_bytes)
        self.started -= resumed.state["seconds"]
        self.agent_step = self.beat_step = resumed.state["agent_step"]
        for line in schema.read_rows(self.folder / schema.METRICS):
            self._note(line)
        earlier, ours = self._earlier_versions(resumed), self.config["versions"]
        if resumed.versions != ours:
            changed = [name for name in ours if ours[name] != resumed.versions.get(name)]
            logger.warning("other versions than before (%s): the run's numbers may change", ", ".join(changed))
            others = [*earlier.get("resumed", []), {"agent_step": self.agent_step, "versions": ours}]
            earlier |= {"resumed": others}
        self.config |= earlier
        schema.write_json(self.folder / schema.CONFIG, self.config)  # whatever has become of it meanwhile

    def _earlier_versions(self, resumed: Checkpoint) -> dict[str, Any]:
        """What config.json says of earlier attempts, or the checkpoint, if that file is damaged."""
        try:
            config = schema.read_json(self.folder / schema.CONFIG)
            return {key: config[key] for key in ("versions", "resumed") if key == "versions" or key in config}
        except (UserError, KeyError):
            logger.warning("%s is damaged and written anew", self.folder / schema.CONFIG)
            return {"versions": resumed.versions}

    def _remove_results(self) -> None:
        for stale in (schema.STATUS, schema.PROGRESS, schema.POLICY, schema.POLICY_CARD, schema.COSTS):
            (self.folder / stale).unlink(missing_ok=True)
        shutil.rmtree(self.folder / schema.EXPORT, ignore_errors=True)

    def seconds(self) -> float:
        """Wall seconds of the run, of those attempts and parts of attempts that led to where it is."""
        return time.monotonic() - self.started

    def __enter__(self) -> Self:
        self._beat(0.0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.display:
            self.display.stop()
        if kind is None or (issubclass(kind, Exception) and not out_of_memory(error)):
            status = {
                "status": "failed" if error else "finished",
                "error": _reason(error) if error else None,
                "seconds": self.seconds(),
                "agent_step": self.agent_step,
                "files": {} if error else self._sealed(),
            }
            self._beat(0.0)
            with contextlib.suppress(OSError) if error else writing(self.folder):  # one error is enough
                schema.write_json(self.folder / schema.STATUS, status)
            self.wandb.end(1 if error else 0)  # the record is complete, whatever W&B does
        else:
            self.wandb.end(schema.RESUMABLE)

    def _sealed(self) -> dict[str, files.Fingerprint]:
        """The fingerprints of what the run leaves, from here on safe from a power cut."""
        with writing(self.folder):
            files.sync(self.folder / schema.METRICS)
            return schema.fingerprints(self.folder)

    def log(self, kind: str, clocks: Mapping[str, int], **columns: Any) -> None:
        """Append one row to the record (see records.ROWS), where W&B's follower finds it."""
        frame = clocks["agent_step"] * self.frame_skip
        line = schema.row(kind, {**clocks, "frame": frame}, **columns)
        with writing(self.folder / schema.METRICS):
            schema.append(self.folder / schema.METRICS, line)
        self._note(line)

    def _note(self, line: Mapping[str, Any]) -> None:
        if line["kind"] == "epoch":
            self.latest = {"return": line["return"], "sparsity": line["sparsity"]}
        elif line["kind"] == "evaluation" and self.latest["return"] is None:  # no episode is played in training
            self.latest["return"] = line["return"]

    def progress(self, agent_step: int) -> None:
        """Tell how far the run is; cheap enough for every agent step."""
        self.agent_step = agent_step
        now = time.monotonic()
        if now - self.beat_at < HEARTBEAT:
            return
        rate = (agent_step - self.beat_step) / (now - self.beat_at)
        self.beat_at, self.beat_step = now, agent_step
        self._beat(rate)
        if self.display:
            score, sparsity = self._texts()
            self.display.update(
                self.display.task_ids[0], completed=agent_step, rate=f"{rate:.0f}", score=score, sparsity=sparsity
            )
        elif now - self.line_at >= LINE:
            self.line_at = now
            left = f"{duration(max(self.total - agent_step, 0) / rate)} left" if rate else "evaluating"
            score, sparsity = self._texts()
            print(
                f"{agent_step:,} of {self.total:,} agent steps, {rate:.0f} a second, {left},"
                f" return {score}, sparsity {sparsity}",
                file=sys.stderr,
                flush=True,
            )

    def _texts(self) -> tuple[str, str]:
        """The return and the sparsity of the last epoch, to be read."""
        score, sparsity = self.latest["return"], self.latest["sparsity"]
        return "-" if score is None else f"{score:.1f}", "-" if sparsity is None else f"{sparsity:.2f}"

    def _beat(self, rate: float) -> None:
        progress = {"agent_step": self.agent_step, "total_agent_steps": self.total, "rate": rate, **self.latest}
        with contextlib.suppress(OSError):  # only a display: the run goes on
            schema.write_json(self.folder / schema.PROGRESS, {**progress, "time": time.time()}, lasting=False)


class Follower:
    """W&B's copy of a run, made by a process of its own (suite.publish.follow): whatever becomes of it, the run goes
    on."""

    def __init__(self, folder: Path, mode: str) -> None:
        mode = wandb_mode_of(mode)
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
        """Tell it how the run ended, and give it some seconds for the rest."""
        if self.process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired, OSError):  # OSError: it has ended before us, and said why
            self.process.communicate(f"{exit_code}\n".encode(), timeout=patience())
        if self.process.poll() is None:
            logger.warning("W&B did not take the rest of this run in %.0f seconds: `make sync` sends it", patience())
            self.process.kill()
        elif self.process.returncode < 0:
            logger.warning("W&B's client was killed: `make sync` sends the rest of this run")


def _display(total: int) -> Progress:
    display = Progress(
        TextColumn("agent steps"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]} a second"),
        TimeRemainingColumn(),
        TextColumn("return {task.fields[score]}, sparsity {task.fields[sparsity]}"),
        console=terminal.console(stderr=True),
        redirect_stdout=terminal.capable(sys.stdout),  # not into the terminal what is meant for a file
    )
    display.add_task("run", total=total, rate="-", score="-", sparsity="-")
    display.start()
    return display


def _reason(error: BaseException) -> str:
    """In one line; of an error that nobody foresaw, its kind too."""
    foreseen = isinstance(error, UserError | Divergence | OSError)
    return one_line(error) if foreseen else f"{type(error).__name__}: {one_line(error)}"
