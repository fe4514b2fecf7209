"""Submit the cells of a grid to SLURM, as an array of jobs.

A job runs the local engine on its few cells. When SLURM asks it to end (time limit, preemption), the runs leave a
checkpoint and the job returns to the queue, to resume them later. <folder>/.slurm/jobs.json records which job has which
cells, so that no cell is submitted while it waits or runs; the jobs' logs are beside it.
"""

import contextlib
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from unittest import mock

import submitit
from pydantic import Field, RootModel

from suite.errors import UserError
from suite.options import Options
from suite.program import signals
from suite.program.terminal import counted
from suite.record import lock, models, schema
from sweeps.engines import local, squeue, workers
from sweeps.engines.base import INTERRUPTED, OK, Plan, Session, Work
from sweeps.engines.cellstate import RUNNING, WAITING, read_states

HERE = False
FOLDER, JOBS = ".slurm", "jobs.json"
COMMANDS = ("sbatch", "srun", "squeue")  # without the last one, a job in the queue would be submitted again
NOTICE = 120  # seconds before its time limit at which a job is asked to end
REQUEUE_TRIES, REQUEUE_PAUSE = 5, 5.0  # of scontrol, and seconds between two; together less than NOTICE
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, kill, a closed terminal
LEAST = 10  # minutes of a job: less than NOTICE and the start of a run leave no time to get on
TIME = re.compile(r"(?:(?P<days>\d{1,4})-)?(?P<hours>\d{1,4})(?::(?P<minutes>\d{1,6})(?::\d+)?)?")


class Submitted(RootModel[dict[str, list[str]]]):
    """jobs.json: {"123_0": ["<name of a cell>", ...]}, with jobs named as by squeue.states."""


class SlurmOptions(Options):
    """Options of the engine slurm. sbatch reads others in its own variables (SBATCH_ACCOUNT, SBATCH_QOS, ...)."""

    partition: str | None = Field(None, description="partition of the jobs; none: SLURM's default")
    time: str = Field(
        "24:00", description="time limit of a job, hours:minutes or days-hours; longer runs resume in another job"
    )
    memory: float | None = Field(None, gt=0, description="GB per run; none: the partition's default")
    cpus: int = Field(2, ge=1, description="cores per run")
    gpus: int = Field(0, ge=0, description="GPUs per job; its runs share them")
    runs_per_job: int = Field(1, ge=1, description="runs at a time in a job")
    parallel: int = Field(256, ge=1, description="most jobs at a time")


OPTIONS = SlurmOptions


def check(options: SlurmOptions) -> None:
    """Raise UserError for a time limit that is invalid or too short, and when there is no SLURM here."""
    _minutes(options.time)
    lacking = [command for command in COMMANDS if not shutil.which(command)]
    if lacking:
        raise UserError(f"ENGINE=slurm (--engine slurm): there is no SLURM here: {', '.join(lacking)} not found")


def start(plan: Plan, options: SlurmOptions) -> Session:
    """Submit what is neither finished nor submitted already; the session's `wait` returns at once.

    Raises UserError when SLURM refuses, and Busy during another submission.
    """
    root = plan.folder.resolve()
    with lock.hold(root / FOLDER):  # one submission at a time
        earlier = _in_queue(root)
        known = {name for _, names in earlier.values() for name in names}
        waiting = [cell.work for cell in read_states(plan.works, root) if cell.state == WAITING]
        works = [work for work in waiting if work.name not in known]
        size = options.runs_per_job
        groups = [works[first : first + size] for first in range(0, len(works), size)]
        if not groups:
            print(f"nothing to submit: {len(waiting)} cells are in SLURM's queue or running")
            return Session("", lambda: OK)
        executor = _executor(root, options)
        with signals.handled(ENDING, signal.SIG_IGN):  # also for sbatch: no job may exist that is not noted
            jobs = _submit(executor, groups, root)
            noted = {job: names for job, (_, names) in earlier.items()} | jobs
            schema.write_json(root / FOLDER / JOBS, noted)
    first, _, cluster = next(iter(jobs)).partition(";")
    array, where = first.partition("_")[0], f"--clusters={cluster} " if cluster else ""
    amount = f"{counted(len(works), 'run')} in {counted(len(groups), 'job')}"
    print(f"submitted {amount}, the array {array}; submitted earlier: {len(known)}")
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
    """Run the cells of a job on its node. Exit with an error when a run failed, so that SLURM knows it too.

    A job that receives SIGUSR2, the notice of its time limit, returns to the queue. SIGTERM comes from scancel, or from
    a preemption, after which SLURM requeues the job itself; but not if the job ends within a grace time (GraceTime), in
    which it is still RUNNING.
    """
    received: list[int] = []
    code = local.run(works, root, len(works), received=received)
    if code == INTERRUPTED:
        job = submitit.JobEnvironment().job_id
        if _is_running(job) if signal.SIGTERM in received else signal.SIGUSR2 in received:
            _requeue(job)
    sys.exit(code)


def _is_running(job: str) -> bool:
    """Return whether SLURM lets this job run on. False if it does not answer."""
    try:
        return squeue.states([job]).get(job) == RUNNING
    except UserError:
        return False


def _requeue(job: str) -> None:
    """Return this job to the queue, with some patience for a SLURM that does not answer."""
    print(f"back into the queue: {job}", flush=True)
    for _ in range(REQUEUE_TRIES):
        if subprocess.run(["scontrol", "requeue", job], check=False).returncode == 0:
            return
        time.sleep(REQUEUE_PAUSE)
    print(f"error: SLURM does not requeue {job}; rerun the command that submitted it", flush=True)


def states(folder: Path) -> Mapping[str, str]:
    """Map the cells of a folder that SLURM has to QUEUED or RUNNING. Raises UserError when it does not answer."""
    return {name: state for state, names in _in_queue(folder).values() for name in names}


def _in_queue(folder: Path) -> dict[str, tuple[str, list[str]]]:
    """Map the submitted jobs that SLURM still knows to state and cells. Raises UserError if it does not answer."""
    path = folder / FOLDER / JOBS
    jobs = models.read(Submitted, path).root if path.exists() else {}
    if not jobs or not shutil.which("squeue"):
        return {}
    return {job: (state, jobs[job]) for job, state in squeue.states(jobs).items()}


def _submit(executor: submitit.AutoExecutor, groups: Sequence[Sequence[Work]], root: Path) -> dict[str, list[str]]:
    """Submit a job for each group; return job -> names of its cells. Raises UserError when SLURM refuses."""
    clusters = []

    def job_of(output: str) -> str:
        job, cluster = squeue.submitted(output)
        clusters.append(f";{cluster}" if cluster else "")
        return job

    try:
        with (
            contextlib.redirect_stderr(io.StringIO()),  # where submitit prints what it then raises
            mock.patch.dict(os.environ, _variables(), clear=True),
            mock.patch.multiple(  # submitit knows one spelling alone, and makes arrays by this class
                submitit.SlurmExecutor,
                _make_submission_command=lambda self, script: ["sbatch", "--parsable", str(script)],
                _get_job_id_from_submission_command=staticmethod(job_of),
            ),
        ):
            jobs = executor.map_array(run_cells, groups, [root] * len(groups))
    except submitit.core.utils.FailedJobError as error:
        errors = [line for line in str(error).splitlines() if line.startswith("sbatch: error: ")]
        reason = " ".join(errors) or squeue.last_line(str(error))  # the name of a limit comes before the last line
        too_many = "array" in reason or "MaxSubmit" in reason  # more than MaxArraySize, or than MaxSubmitJobs
        fewer = f"; --slurm.runs_per_job N makes fewer than {len(groups)} jobs" * too_many
        raise UserError(f"SLURM refuses the jobs: {reason}{fewer}") from None
    return {job.job_id + clusters[0]: [work.name for work in group] for job, group in zip(jobs, groups, strict=True)}


def _variables() -> dict[str, str]:
    """Return our environment variables, but not those of a job in which we run ourselves, such as an interactive one.

    The new jobs would inherit its cores and its memory, and their srun refuses them.
    """
    inside = "SLURM_JOB_ID" in os.environ
    kept = {name: text for name, text in os.environ.items() if name == "SLURM_CONF" or not name.startswith("SLURM")}
    return kept if inside else dict(os.environ)


def _minutes(text: str) -> int:
    found = TIME.fullmatch(text)
    part = {key: int(value or 0) for key, value in found.groupdict().items()} if found else {}
    minutes = (part["days"] * 24 + part["hours"]) * 60 + part["minutes"] if part else 0
    if minutes < LEAST:
        raise UserError(f"slurm.time={text}: should be hours:minutes or days-hours, at least 0:{LEAST}, such as 24:00")
    return minutes
