"""Read what SLURM's commands print about jobs, which differs by version and by site.

A job is named "123", or "123_4" in an array, followed by ";cluster" if sbatch named a cluster.
"""

import json
import os
import re
import subprocess
from collections.abc import Collection, Iterable
from typing import Annotated, NamedTuple

from pydantic import BaseModel, BeforeValidator, Field

from suite.errors import UserError
from sweeps.engines.cellstate import QUEUED, RUNNING

SUBMITTED = re.compile(r"Submitted batch job (\d+)(?: on cluster (\S+))?|(\d+)(?:;(\S+))?")
HEADER = ["JOBID", "STATE"]
ROW = re.compile(r"(\d+)(?:_(\d+|\[\S+))? +([A-Z_]+)")
TASKS = re.compile(r"(\d+)(?:-(\d+)(?::(\d+))?)?")  # 3, 3-7 or 3-7:2


class Row(NamedTuple):
    """A line of the queue."""

    job: str  # "123", also of an array
    tasks: Collection[int] | None  # of an array; empty: it is none; None: SLURM has shortened the list
    state: str

    def has(self, task: str) -> bool:
        """Return whether the line may be about a task of the job, such as "4", or about a job without tasks, ""."""
        return self.tasks is None or (int(task) in self.tasks if task else not self.tasks)


def _plain(value: object) -> object:
    """Unwrap a number: 7 before SLURM 23.02, and {"set": true, "number": 7} since."""
    if isinstance(value, dict) and "set" in value:
        return value.get("number", value) if value["set"] else None
    return value


Number = Annotated[int | None, BeforeValidator(_plain)]
States = Annotated[list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]


class Job(BaseModel):
    """A job in `squeue --json`, or a task of an array."""

    job_id: int
    job_state: Annotated[States, Field(min_length=1)]
    array_job_id: Number = None
    array_task_id: Number = None
    array_task_string: str | None = None  # of tasks that still wait: "0,3-7%2"

    def row(self) -> Row:
        """Return the job as a line of the queue, with the first of its states."""
        task = str(self.array_task_id) if self.array_job_id and self.array_task_id is not None else ""
        tasks = _tasks(f"[{self.array_task_string}]" if self.array_task_string else task)
        return Row(str(self.array_job_id or self.job_id), tasks, self.job_state[0])


class Queue(BaseModel):
    """What `squeue --json` prints."""

    jobs: list[Job]


def submitted(text: str) -> tuple[str, str]:
    """Return (job, cluster or ""), from what sbatch printed: "1234", "1234;cluster" or "Submitted batch job 1234".

    Raises UserError when no line says so: sbatch has taken the jobs, but they cannot be looked for.
    """
    for line in reversed(text.splitlines()):
        if found := SUBMITTED.fullmatch(line.strip()):
            return found[1] or found[3], found[2] or found[4] or ""
    raise UserError(
        f"SLURM has taken the jobs, but sbatch does not print their numbers ({last_line(text)}): find them by"
        " `squeue --me`, and end them by scancel before you submit again"
    )


def states(jobs: Iterable[str]) -> dict[str, str]:
    """Map the jobs that SLURM still knows to QUEUED or RUNNING. Raises UserError when it does not answer."""
    jobs, found = set(jobs), {}
    for cluster in sorted({job.partition(";")[2] for job in jobs}):
        here = [job for job in jobs if job.partition(";")[2] == cluster]
        rows = _rows(sorted({re.split("[_;]", job)[0] for job in here}), cluster)
        for job in here:
            number, _, task = job.partition(";")[0].partition("_")
            in_queue = [row.state for row in rows if row.job == number and row.has(task)]
            if in_queue:
                found[job] = RUNNING if "RUNNING" in in_queue else QUEUED
    return found


def _rows(arrays: list[str], cluster: str) -> list[Row]:
    """Return the queue's lines on some jobs. Raises UserError if squeue fails or prints something unknown.

    If it prints other text than asked for, it is asked for JSON: an unknown line never means that no job is there.
    """
    asked = ["squeue", f"--jobs={','.join(arrays)}", *([f"--clusters={cluster}"] if cluster else [])]
    text = _say([*asked, "--array", "--format=%i %T"])
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    rows = [Row(found[1], _tasks(found[2] or ""), found[3]) for line in lines if (found := ROW.fullmatch(line))]
    if rows or not lines or HEADER in map(str.split, lines):
        return rows
    try:
        text = _say([*asked, "--json"])
        queue = Queue.model_validate(json.JSONDecoder().raw_decode(text, text.index("{"))[0])
    except (UserError, ValueError):  # it knows no --json; its JSON has another form
        raise UserError(f"squeue does not say which jobs are queued: {lines[-1]}") from None
    return [job.row() for job in queue.jobs]


def _say(command: list[str]) -> str:
    """Return what squeue prints; nothing if it has forgotten the jobs. Raises UserError when it fails.

    A user's own variables do not count: with SQUEUE_STATES=RUNNING it would be silent about jobs that wait.
    """
    variables = {name: value for name, value in os.environ.items() if not name.startswith("SQUEUE_")}
    asked = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False, env=variables)
    if asked.returncode and "Invalid job id" not in asked.stderr:
        raise UserError(f"squeue does not say which jobs are queued: {last_line(asked.stderr)}")
    return asked.stdout


def _tasks(text: str) -> Collection[int] | None:
    """Parse tasks: "" -> none, "4" -> 4, "[0,3-7%2]" -> 0, 3, 4, 5, 6, 7; a shortened list, "[0,3,...]", -> None."""
    tasks: set[int] = set()
    for part in filter(None, text.strip("[]").partition("%")[0].split(",")):
        found = TASKS.fullmatch(part)
        if not found:
            return None
        tasks |= set(range(int(found[1]), int(found[2] or found[1]) + 1, int(found[3] or 1)))
    return tasks


def last_line(text: str) -> str:
    """Return the last line that a program printed, or "it does not say why" if it printed nothing."""
    return (text.strip().splitlines() or ["it does not say why"])[-1]
