"""What SLURM's commands print, by version and by site: jobs that exist are never denied."""

import json
from pathlib import Path
from typing import Any

import pytest

from suite.errors import UserError
from sweeps.engines import slurm, squeue
from sweeps.engines.base import Plan
from sweeps.engines.cellstate import QUEUED, RUNNING
from tests.support.slurm import submit

NOTICE = "*** Maintenance on Monday, 9 AM ***\nsee /etc/motd\n\n"
HEADER = "JOBID STATE\n"
ARRAY = ["7_0", "7_1", "7_2"]


@pytest.fixture
def plan(plan: Plan) -> Plan:
    return plan._replace(works=plan.works[:3])


# squeue ----------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{NOTICE}7_0 RUNNING\n7_1 PENDING\n", {"7_0": RUNNING, "7_1": QUEUED}),
        (f"{HEADER}7_0 RUNNING\n   7_1   PENDING  \n{NOTICE}", {"7_0": RUNNING, "7_1": QUEUED}),
        ("CLUSTER: main\n7_2 COMPLETING\n8_0 RUNNING\n", {"7_2": QUEUED}),
        ("7_[1-2%1] PENDING\n7_0 RUNNING\n", {"7_0": RUNNING, "7_1": QUEUED, "7_2": QUEUED}),
        ("7_[0,2] PENDING\n", {"7_0": QUEUED, "7_2": QUEUED}),
        ("7_[0-2:2] PENDING\n", {"7_0": QUEUED, "7_2": QUEUED}),
        ("7_[0,... PENDING\n", dict.fromkeys(ARRAY, QUEUED)),
        (f"{NOTICE}{HEADER}", {}),
        (HEADER, {}),
        ("", {}),
    ],
)
def test_lines_that_are_no_rows_are_skipped(cluster: Path, text: str, found: dict[str, str]) -> None:
    (cluster / "squeue.says").write_text(text)
    assert squeue.states(ARRAY) == found


def told(job: int, state: Any, array: Any, task: Any, tasks: str = "") -> dict[str, Any]:
    return {"job_id": job, "job_state": state, "array_job_id": array, "array_task_id": task, "array_task_string": tasks}


def number(value: int | None) -> dict[str, Any]:
    return {"set": value is not None, "infinite": False, "number": value or 0}


OLD = [told(8, "RUNNING", 7, 0), told(7, "PENDING", 7, None, "1-2%1"), told(9, "RUNNING", 0, None)]
NEW = [
    told(8, ["RUNNING"], number(7), number(0)),
    told(7, ["PENDING"], number(7), number(None), "1-2%1"),
    told(9, ["RUNNING", "CONFIGURING"], number(0), number(None)),
]


@pytest.mark.parametrize("jobs", [OLD, NEW], ids=["21.08", "23.02"])
@pytest.mark.parametrize("before", ["", NOTICE])
def test_where_the_text_is_not_readable_json_is(cluster: Path, jobs: list[Any], before: str) -> None:
    (cluster / "squeue.says").write_text("7[0] of alice is running\n")
    (cluster / "squeue.json").write_text(before + json.dumps({"meta": {}, "jobs": jobs}))
    assert squeue.states([*ARRAY, "9"]) == {"7_0": RUNNING, "7_1": QUEUED, "7_2": QUEUED, "9": RUNNING}


def test_a_notice_and_no_jobs(cluster: Path) -> None:
    (cluster / "squeue.says").write_text(NOTICE)
    (cluster / "squeue.json").write_text('{"jobs": []}')
    assert squeue.states(ARRAY) == {}


@pytest.mark.parametrize("answer", [None, "", "no JSON here", "{", '{"errors": []}', '{"jobs": [3]}', '{"jobs": [{}]}'])
def test_what_cannot_be_read_is_no_empty_queue(cluster: Path, answer: str | None) -> None:
    (cluster / "squeue.says").write_text(NOTICE)
    if answer is not None:
        (cluster / "squeue.json").write_text(answer)
    with pytest.raises(UserError, match="squeue does not say which jobs are queued: see /etc/motd"):
        squeue.states(ARRAY)


def test_each_cluster_is_asked_for_its_jobs(cluster: Path) -> None:
    (cluster / "squeue.says").write_text("CLUSTER: other\n7_0 RUNNING\n")
    assert squeue.states(["7_0;other", "9"]) == {"7_0;other": RUNNING}
    asked = (cluster / "asked").read_text().splitlines()
    assert len(asked) == 2
    assert "--jobs=9" in asked[0] and "--clusters" not in asked[0]
    assert "--jobs=7" in asked[1] and "--clusters=other" in asked[1]


def test_no_jobs_are_not_asked_for(cluster: Path) -> None:
    assert squeue.states([]) == {}
    assert not (cluster / "asked").exists()


# sbatch ----------


@pytest.mark.parametrize(
    ("said", "job", "where"),
    [
        ("1234\n", "1234", ""),
        ("1234;other\n", "1234", "other"),
        ("Submitted batch job 1234\n", "1234", ""),
        ("Submitted batch job 1234 on cluster other\n", "1234", "other"),
        (f"{NOTICE}1234\n", "1234", ""),
        (f"At most job 5 of a user runs.\nSubmitted batch job 1234\n{NOTICE}", "1234", ""),
    ],
)
def test_a_submission_is_read(cluster: Path, plan: Plan, said: str, job: str, where: str) -> None:
    (cluster / "sbatch.says").write_text(said)
    assert squeue.submitted(said) == (job, where)
    assert submit(plan) == 0
    keys = [f"{job}_{task}{';' if where else ''}{where}" for task in range(3)]
    noted = json.loads((plan.folder / slurm.FOLDER / slurm.JOBS).read_text())
    assert noted == {key: [work.name] for key, work in zip(keys, plan.works, strict=True)}
    (cluster / "squeue.says").write_text(f"{NOTICE}{job}_0 RUNNING\n{job}_[1-2] PENDING\n")
    assert submit(plan) == 0  # all are there
    asked = (cluster / "asked").read_text()
    assert asked.count("sbatch --parsable ") == asked.count("sbatch") == 1


def test_what_sbatch_took_is_not_denied(cluster: Path, plan: Plan) -> None:
    (cluster / "sbatch.says").write_text("accepted, thank you\n")
    with pytest.raises(UserError, match=r"SLURM has taken the jobs, .*accepted, thank you"):
        submit(plan)


def test_new_jobs_are_noted_whatever_happens_after_the_submission(cluster: Path, plan: Plan) -> None:
    (cluster / "sbatch.says").write_text("7\n")
    submit(plan._replace(works=plan.works[:1]))
    (cluster / "squeue.says").write_text("7 PENDING\n")
    # Ctrl-C reaches sbatch and the launcher, and the queue falls silent.
    (cluster / "sbatch").write_text(f"#!/bin/sh\nkill -INT $PPID $$\nrm {cluster}/squeue.says\necho 8\n")
    submit(plan._replace(works=plan.works[1:2]))
    noted = json.loads((plan.folder / slurm.FOLDER / slurm.JOBS).read_text())
    assert noted == {"7": ["run0"], "8": ["run1"]}


def test_what_a_user_filters_is_seen(cluster: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUEUE_STATES", "RUNNING")
    (cluster / "squeue").write_text('#!/bin/sh\necho "7_0 RUNNING"; [ "$SQUEUE_STATES" ] || echo "7_1 PENDING"\n')
    assert squeue.states(ARRAY) == {"7_0": RUNNING, "7_1": QUEUED}
