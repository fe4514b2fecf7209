"""Submits the cells of a grid to SLURM, as an array of jobs, and leaves them to it.

A job is the local engine at work on its few cells. When SLURM asks it to end (time limit, preemption), the runs leave a
checkpoint and the job goes back into the queue, from where it goes on. Which job has which cells stands in
<folder>/.slurm/jobs.json, so that no cell is submitted while it waits or runs; beside it lie the jobs' logs.
"""

import contextlib
import io
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from unittest import mock

import submitit
from pydantic import Field

from suite.errors import UserError
from suite.record import lock, schema
from sweeps.engines import local, squeue, workers
from sweeps.engines.cells import INTERRUPTED, OK, RUNNING, WAITING, Plan, Work, look_up

FOLDER, JOBS = ".slurm", "jobs.json"  # {"123_0": ["<name of a cell>", ...]}, as squeue.states names jobs
NOTICE = 120  # seconds before its time limit at which a job is asked to end
LEAST = 10  # minutes of a job: less than NOTICE and the start of a run leave no time to get on
TIME = re.compile(r"(?:(?P<days>\d{1,4})-)?(?P<hours>\d{1,4})(?::(?P<minutes>\d{1,6})(?::\d+)?)?")


def submit(
    plan: Plan,
    *,
    partition: Annotated[str | None, Field(description="where the jobs go; none: SLURM's default")] = None,
    time: Annotated[
        str, Field(description="hours:minutes or days-hours of a job, which goes on in another if it needs more")
    ] = "24:00",
    memory: Annotated[float | None, Field(gt=0, description="GB for a run; none: the partition's default")] = None,
    cpus: Annotated[int, Field(ge=1, description="for a run")] = 2,
    gpus: Annotated[int, Field(ge=0, description="for a job, whose runs share them")] = 0,
    runs_per_job: Annotated[int, Field(ge=1, description="runs that a job has at a time")] = 1,
    parallel: Annotated[int, Field(ge=1, description="jobs at a time, at most")] = 256,
) -> int:
    """Submit what is neither finished nor there already; what is asked of sbatch besides, it reads in its own variables
    (SBATCH_ACCOUNT, SBATCH_QOS, ...). Raises UserError when there is no SLURM, or it refuses,
    and Busy during another submission."""
    minutes = _minutes(time)
    if not (shutil.which("sbatch") and shutil.which("srun")):
        raise UserError("ENGINE=slurm (--engine slurm): there is no SLURM here, sbatch and srun are not found")
    root = plan.folder.resolve()
    with lock.hold(root / FOLDER):  # one submission at a time
        there = queue(root)
        waiting = [cell.work for cell in look_up(plan.works, root) if cell.state == WAITING]
        works = [work for work in waiting if work.name not in there]
        groups = [works[first : first + runs_per_job] for first in range(0, len(works), runs_per_job)]
        if not groups:
            print(f"nothing to submit: {len(waiting)} cells are in SLURM's queue or running")
            return OK
        executor = submitit.AutoExecutor(root / FOLDER, cluster="slurm")
        executor.update_parameters(
            name=root.name,
            timeout_min=minutes,
            mem_gb=memory and memory * runs_per_job,
            slurm_partition=partition,
            slurm_cpus_per_task=cpus * runs_per_job,
            slurm_gpus_per_node=gpus or None,
            slurm_array_parallelism=parallel,
            slurm_signal_delay_s=NOTICE,
            slurm_additional_parameters={"requeue": True},
            slurm_srun_args=[f"--cpus-per-task={cpus * runs_per_job}"],  # which srun does not take from sbatch
            slurm_setup=[f"cd {shlex.quote(str(workers.ROOT))}"],
        )
        jobs = _submit(executor, groups, root)
        _note(root, jobs)
    first, _, cluster = next(iter(jobs)).partition(";")
    array, where = first.partition("_")[0], f"--clusters={cluster} " if cluster else ""
    names = f"{root / FOLDER}/*_log.out"
    print(f"submitted {len(works)} runs in {len(groups)} jobs, the array {array}; {len(there)} were there before")
    print(f"squeue {where}--jobs {array} shows the jobs, scancel {where}{array} ends them; what they say: {names}")
    print("make status shows the runs, make table compares the finished ones; the same command submits what is left")
    return OK


def run_cells(works: Sequence[Work], root: Path) -> None:
    """What a job does on its node. It leaves with an error when a run failed, so that SLURM knows, too."""
    code = local.run(works, root, len(works))
    job = submitit.JobEnvironment().job_id
    runs_on = code == INTERRUPTED and squeue.states([job]).get(job) == RUNNING  # neither cancelled nor requeued
    if runs_on:
        print(f"back into the queue: {job}", flush=True)
        subprocess.run(["scontrol", "requeue", job], check=True)
    sys.exit(code)


def queue(root: Path) -> dict[str, str]:
    """The cells of a folder that SLURM has: name -> QUEUED or RUNNING. Raises UserError when it does not answer."""
    path = root / FOLDER / JOBS
    if not path.exists() or not shutil.which("squeue"):
        return {}
    jobs = schema.read_json(path)
    return {name: state for job, state in squeue.states(jobs).items() for name in jobs[job]}


def _submit(executor: submitit.AutoExecutor, groups: Sequence[Sequence[Work]], root: Path) -> dict[str, list[str]]:
    """-> job -> its cells. Raises UserError when SLURM refuses."""
    clusters = []

    def job_of(said: str) -> str:
        job, cluster = squeue.submitted(said)
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
    """Write down which job has which cells, and forget the jobs that SLURM has done with."""
    path = root / FOLDER / JOBS
    known = schema.read_json(path) if path.exists() else {}
    with contextlib.suppress(UserError):  # the new jobs are there, whether squeue tells of the old ones or not
        known = {job: known[job] for job in squeue.states(known)}
    schema.write_json(path, known | jobs)


def _minutes(text: str) -> int:
    found = TIME.fullmatch(text)
    part = {key: int(value or 0) for key, value in found.groupdict().items()} if found else {}
    minutes = (part["days"] * 24 + part["hours"]) * 60 + part["minutes"] if part else 0
    if minutes < LEAST:
        raise UserError(f"slurm.time={text}: should be hours:minutes or days-hours, at least 0:{LEAST}, such as 24:00")
    return minutes
