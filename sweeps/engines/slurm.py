"""Submits the cells of a grid to SLURM, as an array of jobs.

A job runs the local engine on its few cells. When SLURM asks it to end (time limit, preemption), the runs leave a
checkpoint and the job returns to the queue, to resume them later. <folder>/.slurm/jobs.json records which job has which
cells, so that no cell is submitted while it waits or runs; the jobs' logs are beside it.
"""

import contextlib
import io
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest import mock

import submitit
from pydantic import Field, RootModel

from suite.errors import UserError
from suite.options import Options
from suite.record import lock, models, schema
from sweeps.engines import local, squeue, workers
from sweeps.engines.base import INTERRUPTED, OK, Plan, Session, Work
from sweeps.engines.cellstate import RUNNING, WAITING, read_states

HERE = False
FOLDER, JOBS = ".slurm", "jobs.json"
NOTICE = 120  # seconds before its time limit at which a job is asked to end
LEAST = 10  # minutes of a job: less than NOTICE and the start of a run leave no time to get on
TIME = re.compile(r"(?:(?P<days>\d{1,4})-)?(?P<hours>\d{1,4})(?::(?P<minutes>\d{1,6})(?::\d+)?)?")


class Submitted(RootModel[dict[str, list[str]]]):
    """jobs.json: {"123_0": ["<name of a cell>", ...]}, with jobs named as by squeue.states."""


class SlurmOptions(Options):
    """Options of the engine slurm. sbatch reads others in its own variables (SBATCH_ACCOUNT, SBATCH_QOS, ...)."""

    partition: str | None = Field(None, description="where the jobs go; none: SLURM's default")
    time: str = Field(
        "24:00", description="hours:minutes or days-hours of a job; runs that need more time resume in another job"
    )
    memory: float | None = Field(None, gt=0, description="GB for a run; none: the partition's default")
    cpus: int = Field(2, ge=1, description="for a run")
    gpus: int = Field(0, ge=0, description="for a job, whose runs share them")
    runs_per_job: int = Field(1, ge=1, description="runs that a job has at a time")
    parallel: int = Field(256, ge=1, description="jobs at a time, at most")


OPTIONS = SlurmOptions


def check(options: SlurmOptions) -> None:
    """Raise UserError for a time that is none, and when there is no SLURM here."""
    _minutes(options.time)
    if not (shutil.which("sbatch") and shutil.which("srun")):
        raise UserError("ENGINE=slurm (--engine slurm): there is no SLURM here, sbatch and srun are not found")


def start(plan: Plan, options: SlurmOptions) -> Session:
    """Submit what is neither finished nor submitted already; the session's `wait` returns at once.

    Raises UserError when SLURM refuses, and Busy during another submission.
    """
    root = plan.folder.resolve()
    with lock.hold(root / FOLDER):  # one submission at a time
        known = states(root)
        waiting = [cell.work for cell in read_states(plan.works, root) if cell.state == WAITING]
        works = [work for work in waiting if work.name not in known]
        size = options.runs_per_job
        groups = [works[first : first + size] for first in range(0, len(works), size)]
        if not groups:
            print(f"nothing to submit: {len(waiting)} cells are in SLURM's queue or running")
            return Session("", lambda: OK)
        jobs = _submit(_executor(root, options), groups, root)
        _note(root, jobs)
    first, _, cluster = next(iter(jobs)).partition(";")
    array, where = first.partition("_")[0], f"--clusters={cluster} " if cluster else ""
    print(f"submitted {len(works)} runs in {len(groups)} jobs, the array {array}; {len(known)} were submitted before")
    print(f"make status shows the runs; logs of the jobs: {root / FOLDER}/*_log.out")
    print("make table compares the finished runs; rerun the command to submit what is left")
    stop = f"squeue {where}--jobs {array} shows the jobs, scancel {where}{array} ends them"
    return Session(stop, lambda: OK)


def _executor(root: Path, options: SlurmOptions) -> submitit.AutoExecutor:
    """Configure submitit for jobs of `runs_per_job` runs."""
    executor = submitit.AutoExecutor(root / FOLDER, cluster="slurm")
    cpus = options.cpus * options.runs_per_job
    executor.update_parameters(
        name=root.name,
        timeout_min=_minutes(options.time),
        mem_gb=options.memory and options.memory * options.runs_per_job,
        slurm_partition=options.partition,
        slurm_cpus_per_task=cpus,
        slurm_gpus_per_node=options.gpus or None,
        slurm_array_parallelism=options.parallel,
        slurm_signal_delay_s=NOTICE,
        slurm_additional_parameters={"requeue": True},
        slurm_srun_args=[f"--cpus-per-task={cpus}"],  # which srun does not take from sbatch
        slurm_setup=[f"cd {shlex.quote(str(workers.ROOT))}"],
    )
    return executor


def run_cells(works: Sequence[Work], root: Path) -> None:
    """Run the cells of a job on its node. Exit with an error when a run failed, so that SLURM knows it too."""
    code = local.run(works, root, len(works))
    job = submitit.JobEnvironment().job_id
    runs_on = code == INTERRUPTED and squeue.states([job]).get(job) == RUNNING  # neither cancelled nor requeued
    if runs_on:
        print(f"back into the queue: {job}", flush=True)
        subprocess.run(["scontrol", "requeue", job], check=True)
    sys.exit(code)


def states(folder: Path) -> Mapping[str, str]:
    """Map the cells of a folder that SLURM has to QUEUED or RUNNING. Raises UserError when it does not answer."""
    jobs = _submitted(folder)
    if not jobs or not shutil.which("squeue"):
        return {}
    return {name: state for job, state in squeue.states(jobs).items() for name in jobs[job]}


def _submit(executor: submitit.AutoExecutor, groups: Sequence[Sequence[Work]], root: Path) -> dict[str, list[str]]:
    """Submit a job a group; -> job -> names of its cells. Raises UserError when SLURM refuses."""
    clusters = []

    def job_of(output: str) -> str:
        job, cluster = squeue.submitted(output)
        clusters.append(f";{cluster}" if cluster else "")
        return job

    try:
        with (
            contextlib.redirect_stderr(io.StringIO()),  # where submitit prints what it then raises
            mock.patch.multiple(  # submitit knows one spelling alone, and makes arrays by this class
                submitit.SlurmExecutor,
                _make_submission_command=lambda self, script: ["sbatch", "--parsable", str(script)],
                _get_job_id_from_submission_command=staticmethod(job_of),
            ),
        ):
            jobs = executor.map_array(run_cells, groups, [root] * len(groups))
    except submitit.core.utils.FailedJobError as error:
        raise UserError(f"SLURM takes no jobs: {squeue.last_line(str(error))}") from None
    return {job.job_id + clusters[0]: [work.name for work in group] for job, group in zip(jobs, groups, strict=True)}


def _note(root: Path, jobs: dict[str, list[str]]) -> None:
    """Record which job has which cells, and forget the jobs that SLURM no longer knows."""
    known = _submitted(root)
    with contextlib.suppress(UserError):  # the new jobs count, even if squeue does not answer about the old ones
        known = {job: known[job] for job in squeue.states(known)}
    schema.write_json(root / FOLDER / JOBS, known | jobs)


def _submitted(folder: Path) -> dict[str, list[str]]:
    path = folder / FOLDER / JOBS
    return models.read(Submitted, path).root if path.exists() else {}


def _minutes(text: str) -> int:
    found = TIME.fullmatch(text)
    part = {key: int(value or 0) for key, value in found.groupdict().items()} if found else {}
    minutes = (part["days"] * 24 + part["hours"]) * 60 + part["minutes"] if part else 0
    if minutes < LEAST:
        raise UserError(f"slurm.time={text}: should be hours:minutes or days-hours, at least 0:{LEAST}, such as 24:00")
    return minutes
