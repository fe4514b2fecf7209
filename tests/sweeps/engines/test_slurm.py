"""What is asked of SLURM, by small scripts in the place of its commands. tests/slurm asks a real one."""

import json
import shutil
import signal
from functools import partial

import pytest
import submitit
from submitit.core.utils import DelayedSubmission

from suite.errors import Busy, UserError
from suite.record import lock, schema
from sweeps.engines import local, slurm, workers
from sweeps.engines.base import Plan
from sweeps.engines.cellstate import QUEUED, RUNNING
from tests.support.slurm import submit


def jobs(plan: Plan) -> dict[str, list[str]]:
    return json.loads((plan.folder / slurm.FOLDER / slurm.JOBS).read_text())


def test_what_is_submitted(cluster, plan, capsys):
    (plan.folder / "run1").mkdir(parents=True)
    schema.write_json(plan.folder / "run1" / schema.STATUS, {"status": "finished", "error": None})
    code = submit(plan, partition="gpu", time="1-12", memory=3.5, cpus=3, gpus=1, runs_per_job=2, parallel=4)
    assert code == 0
    assert jobs(plan) == {"7_0": ["run0", "run2"], "7_1": ["run3", "run4"]}
    script = (plan.folder / slurm.FOLDER / "7_submission.sh").read_text()
    options = ["partition=gpu", "time=2160", "mem=7GB", "cpus-per-task=6", "gpus-per-node=1", "array=0-1%2", "requeue"]
    for option in (*options, "signal=USR2@120"):
        assert f"#SBATCH --{option}\n" in script, option
    assert "srun --unbuffered" in script and "--cpus-per-task=6 " in script.splitlines()[-1]
    submitted = DelayedSubmission.load(plan.folder / slurm.FOLDER / "7_1_submitted.pkl")
    works, root = submitted.args
    assert (submitted.function, root) == (slurm.run_cells, plan.folder)
    assert [work.arguments for work in works] == [["--seed=3"], ["--seed=4"]]
    assert "submitted 4 runs in 2 jobs, the array 7" in capsys.readouterr().out


def test_a_single_cell_is_a_job_of_its_own(cluster, plan):
    assert submit(plan._replace(works=plan.works[:1])) == 0
    assert jobs(plan) == {"7": ["run0"]}


def test_nothing_is_submitted_that_is_there(cluster, plan, capsys):
    submit(plan)
    (cluster / "squeue.says").write_text("7_0 RUNNING\n7_1 PENDING\n7_2 PENDING\n7_3 COMPLETING\n7_4 PENDING\n")
    assert slurm.states(plan.folder) == {"run0": RUNNING, **{f"run{i}": QUEUED for i in range(1, 5)}}
    assert submit(plan) == 0
    assert (cluster / "asked").read_text().count("sbatch") == 1
    assert "nothing to submit" in capsys.readouterr().out


def test_what_slurm_has_done_with_without_finishing_it_is_submitted_again(cluster, plan):
    submit(plan)
    (cluster / "squeue.says").write_text("7_0 RUNNING\n7_3 PENDING\n")
    (cluster / "sbatch.says").write_text("Submitted batch job 8\n")
    assert submit(plan) == 0
    assert jobs(plan) == {"7_0": ["run0"], "7_3": ["run3"], "8_0": ["run1"], "8_1": ["run2"], "8_2": ["run4"]}


def test_a_job_that_slurm_has_forgotten_is_not_there(cluster, plan):
    submit(plan)
    (cluster / "squeue.error").write_text("slurm_load_jobs error: Invalid job id specified\n")
    assert slurm.states(plan.folder) == {}


def test_a_queue_that_cannot_be_asked_is_no_empty_queue(cluster, plan):
    submit(plan)
    (cluster / "squeue.error").write_text("slurm_load_jobs error: Unable to contact slurm controller\n")
    with pytest.raises(UserError, match="Unable to contact"):
        submit(plan)
    assert (cluster / "asked").read_text().count("sbatch") == 1


def test_a_refusal_is_one_line(cluster, plan, capsys):
    (cluster / "sbatch.error").write_text("sbatch: error: invalid partition specified: gpux\n")
    with pytest.raises(UserError, match="SLURM refuses the jobs: sbatch: error: invalid partition specified: gpux"):
        submit(plan, partition="gpux")
    assert not capsys.readouterr().err
    assert slurm.states(plan.folder) == {}


VIOLATES = "Batch job submission failed: Job violates accounting/QOS policy"
VIOLATES += " (job submit limit, user's size and/or time limits)"


@pytest.mark.parametrize(
    ("said", "names"),
    [
        (["Batch job submission failed: Invalid job array specification"], "job array specification"),  # MaxArraySize
        (["QOSMaxSubmitJobPerUserLimit", VIOLATES], "QOSMaxSubmitJobPerUserLimit"),
        (["AssocMaxSubmitJobLimit", VIOLATES], "AssocMaxSubmitJobLimit"),
    ],
)
def test_more_jobs_than_slurm_takes(said, names, cluster, plan):
    (cluster / "sbatch.error").write_text("".join(f"sbatch: error: {line}\n" for line in said))
    with pytest.raises(UserError, match=rf"{names}.*slurm\.runs_per_job"):
        submit(plan)


def test_a_limit_of_a_job_is_named(cluster, plan):
    (cluster / "sbatch.error").write_text(
        f"Welcome\nsbatch: error: QOSMaxWallDurationPerJobLimit\nsbatch: error: {VIOLATES}\n"
    )
    with pytest.raises(UserError, match="the jobs: sbatch: error: QOSMaxWallDurationPerJobLimit ") as refusal:
        submit(plan)
    assert "runs_per_job" not in str(refusal.value)


def test_without_slurm(plan, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="no SLURM here"):
        submit(plan)
    assert slurm.states(plan.folder) == {}


def test_without_squeue_nothing_is_submitted_twice(cluster, plan, monkeypatch):
    submit(plan)
    (cluster / "squeue").unlink()
    monkeypatch.setattr(slurm.shutil, "which", partial(shutil.which, path=str(cluster)))  # a real one may be elsewhere
    with pytest.raises(UserError, match="squeue not found"):
        submit(plan)
    assert (cluster / "asked").read_text().count("sbatch") == 1


def test_one_submission_at_a_time(cluster, plan):
    with lock.hold(plan.folder.resolve() / slurm.FOLDER), pytest.raises(Busy, match="works there"):
        submit(plan)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("0:10", 10), ("24:00", 1440), ("2:30:00", 150), ("36", 2160), ("1-12", 2160), ("1-0:30", 1470)],
)
def test_times(text, minutes):
    assert slurm._minutes(text) == minutes


@pytest.mark.parametrize("text", ["", "soon", "0:09", "-5", "1:2:3:4", "1.5", "9" * 5_000, "1:" + "9" * 5_000])
def test_times_that_are_none(text):
    with pytest.raises(UserError, match=r"slurm\.time"):
        slurm._minutes(text)


TERM, NOTICE = signal.SIGTERM, signal.SIGUSR2


@pytest.mark.parametrize(
    ("ended", "received", "requeued"),
    [
        (local.INTERRUPTED, [NOTICE], True),
        (local.INTERRUPTED, [NOTICE, NOTICE], True),
        (local.INTERRUPTED, [TERM], False),  # SLURM does not say that it still runs
        (local.INTERRUPTED, [NOTICE, TERM], False),
        (local.INTERRUPTED, [signal.SIGINT], False),
        (local.SOME_FAILED, [], False),
        (local.OK, [NOTICE], False),
    ],
)
def test_a_job_at_its_time_limit_goes_back_into_the_queue(cluster, plan, monkeypatch, ended, received, requeued):
    (cluster / "squeue.error").write_text("slurm_load_jobs error: Unable to contact slurm controller\n")
    assert run_job(plan, monkeypatch, ended, received) == ended
    said = (cluster / "asked").read_text() if (cluster / "asked").exists() else ""
    assert [line for line in said.splitlines() if "squeue" not in line] == ["scontrol requeue 7_1"] * requeued


@pytest.mark.parametrize(("state", "requeued"), [("RUNNING", True), ("COMPLETING", False)])
def test_a_job_that_ends_in_the_grace_time_of_a_preemption_goes_back_into_the_queue(
    cluster, plan, monkeypatch, state, requeued
):
    (cluster / "squeue.says").write_text(f"7_1 {state}\n7_0 RUNNING\n")
    run_job(plan, monkeypatch, local.INTERRUPTED, [TERM])
    assert ("scontrol requeue 7_1" in (cluster / "asked").read_text()) == requeued


def test_a_job_returns_to_a_queue_that_does_not_answer_at_once(cluster, plan, monkeypatch):
    (cluster / "scontrol").write_text(f"#!/bin/sh\necho x >> {cluster}/asked\n[ $(wc -l < {cluster}/asked) = 3 ]\n")
    monkeypatch.setattr(slurm, "REQUEUE_PAUSE", 0.0)
    run_job(plan, monkeypatch, local.INTERRUPTED, [NOTICE])
    assert (cluster / "asked").read_text() == "x\n" * 3


def test_the_pauses_of_a_requeue_end_before_the_job_does():
    assert slurm.REQUEUE_TRIES * slurm.REQUEUE_PAUSE + workers.GRACE < slurm.NOTICE


def run_job(plan, monkeypatch, ended, signals) -> int:
    """Run two cells as the job 7_1; -> its exit code."""

    def run(works, root, jobs, received):
        assert (works, root, jobs) == (plan.works[:2], plan.folder, 2)
        received += signals
        return ended

    monkeypatch.setattr(local, "run", run)
    monkeypatch.setattr(
        submitit.JobEnvironment, "__new__", lambda cls: object.__new__(submitit.slurm.slurm.SlurmJobEnvironment)
    )
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    with pytest.raises(SystemExit) as left:
        slurm.run_cells(plan.works[:2], plan.folder)
    return left.value.code


@pytest.mark.parametrize("inside", [True, False])
def test_jobs_do_not_inherit_the_cores_of_the_job_that_submits_them(cluster, plan, monkeypatch, inside):
    own = {"SLURM_CPU_BIND": "mask_cpu:0x3", "SLURM_MEM_PER_CPU": "2000", **({"SLURM_JOB_ID": "3"} if inside else {})}
    sites = {"SLURM_CONF": "/site.conf", "SBATCH_ACCOUNT": "mine"}
    for name, text in (own | sites).items():
        monkeypatch.setenv(name, text)
    (cluster / "sbatch").write_text(f"#!/bin/sh\nenv > {cluster}/seen; echo 7\n")
    submit(plan)
    seen = dict(line.partition("=")[::2] for line in (cluster / "seen").read_text().splitlines())
    named = {name: text for name, text in seen.items() if name.startswith(("SLURM", "SBATCH"))}
    assert named == sites | ({} if inside else own)
