"""A real SLURM runs a grid: jobs are preempted, signalled and cancelled, and the records are those of the local engine.

Skipped where there is no SLURM, unless the variable NEEDS_SLURM is set (`make test-slurm`).
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from suite.record import reader, schema
from sweeps import grid, status
from sweeps.engines import local, slurm
from sweeps.engines.cellstate import QUEUED, RUNNING
from sweeps.plan import resolve_all, works_of
from tests import chaos
from tests.slurm.node import ask, missing, node

DEADLINE = 900.0  # seconds for anything that is waited for
SWEEP = """
program: sweeps/run.py
command: ["${{env}}", python, "-m", sweeps.run, "--folder=runs/tiny", "${{args}}"]
name: tiny
method: grid
parameters:
  task: {{value: mujoco/InvertedPendulum}}
  method: {{values: [eaudeqn, "eaudeqn:num_networks=4"]}} # which take about as long to compile
  seed: {{values: {seeds}}}
  agent.critic_width: {{value: 8}}
  agent.actor_width: {{value: 8}}
  agent.random_steps: {{value: 50}}
  learner.target_update_period: {{value: 50}}
  replay.batch_size: {{value: 8}}
  trainer.epochs: {{value: 3}}
  trainer.epoch_agent_steps: {{value: {steps}}}
  trainer.initial_samples: {{value: 60}}
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """The variables of a node that is up; they are in the environment, too."""
    reason = missing()
    if reason and not os.environ.get("NEEDS_SLURM"):
        pytest.skip(reason)
    assert not reason, reason
    with node() as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in {**variables, "WANDB_MODE": "disabled", "JAX_PLATFORMS": "cpu"}.items():
            patch.setenv(name, value)
        yield variables


class Sweep:
    """A grid, its folder, and where its runs are."""

    def __init__(self, place: Path, seeds: list[int], steps: int = 8000) -> None:
        self.file, self.folder = place / "tiny.yaml", place / "slurm"
        self.file.write_text(SWEEP.format(seeds=seeds, steps=steps))
        sweep = grid.read(self.file)
        self.works = works_of(sweep, resolve_all(sweep, "tiny.yaml"), None)

    def submit(self, *options: str) -> str:
        """What the command says."""
        command = [sys.executable, "-m", "sweeps.launch", str(self.file), "--folder", str(self.folder)]
        command += ["--engine=slurm", "--slurm.time=2:00", "--slurm.cpus=1", *options]
        return subprocess.run(command, cwd=chaos.ROOT, capture_output=True, text=True, check=True).stdout

    def jobs(self) -> dict[str, str]:
        """Cell -> its job."""
        jobs = schema.read_json(self.folder / slurm.FOLDER / slurm.JOBS)
        return {name: job for job, names in jobs.items() for name in names}

    def learning(self) -> list[str]:
        """Cells that SLURM runs and that have come as far as an election, but not near their end (of 480)."""
        running = [name for name, state in slurm.states(self.folder).items() if state == RUNNING]
        return [name for name in running if 0 < self.elections(name) < 320]

    def elections(self, name: str) -> int:
        path = self.folder / name / schema.METRICS
        return path.read_bytes().count(b"target_update") if path.exists() else 0

    def log(self, name: str) -> str:
        return (self.folder / name / local.LOG).read_text()

    def job_log(self, name: str) -> str:
        return (self.folder / slurm.FOLDER / f"{self.jobs()[name]}_0_log.out").read_text()


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def test_a_grid_that_is_preempted_and_signalled_ends_as_the_local_engine_ends_it(cluster, tmp_path, capsys):
    sweep = Sweep(tmp_path, [0, 1])
    assert "submitted 4 runs in 4 jobs" in sweep.submit("--slurm.partition=main")
    until(sweep.learning)
    preempted, states = sweep.learning(), slurm.states(sweep.folder)  # of a slow pair, one may be far ahead
    queued = [name for name, state in states.items() if state == QUEUED]
    assert len(queued) == len(states) - list(states.values()).count(RUNNING) > 0
    assert ask(cluster, "sbatch", "--partition=high", "--cpus-per-task=2", "--output=/dev/null", "--wrap=sleep 2")

    assert f"nothing to submit: {len(states)} cells" in sweep.submit()
    status.main([str(sweep.file), "--folder", str(sweep.folder)])
    assert " queued " in capsys.readouterr().out
    signalled = []

    def signal_one() -> bool:
        signalled[:] = [name for name in sweep.learning() if name in queued][:1]
        return bool(signalled)

    until(signal_one)
    ask(cluster, "scancel", "--signal=USR2", sweep.jobs()[signalled[0]])
    until(lambda: not slurm.states(sweep.folder))

    assert local.run(sweep.works, tmp_path / "local", 2) == local.OK
    for name in (work.name for work in sweep.works):
        there, here = sweep.folder / name, tmp_path / "local" / name
        assert chaos.outcome(there, there / local.LOG) == chaos.outcome(here, here / local.LOG)
        went_on = "interrupted: rerun the command to resume\nresuming from agent step" in sweep.log(name)
        assert went_on or name not in [*preempted, *signalled], sweep.log(name)
        assert not (went_on and name in queued and name not in signalled), sweep.log(name)
        assert ("back into the queue" in sweep.job_log(name)) == (name in signalled), sweep.job_log(name)


def test_a_job_that_ends_in_the_grace_time_of_a_preemption_comes_back(cluster, tmp_path):
    sweep = Sweep(tmp_path, [4])
    sweep.submit("--slurm.partition=patient", "--slurm.runs_per_job=2")
    until(sweep.learning)
    preempted = sweep.learning()
    ask(cluster, "sbatch", "--partition=high", "--cpus-per-task=2", "--output=/dev/null", "--wrap=sleep 2")
    until(lambda: all(reader.is_finished(sweep.folder / work.name) for work in sweep.works))
    assert preempted and all("resuming from agent step" in sweep.log(name) for name in preempted)


def test_a_cancelled_job_and_its_two_runs_do_not_come_back(cluster, tmp_path):
    sweep = Sweep(tmp_path, [2], steps=1_000_000)
    sweep.submit("--slurm.runs_per_job=2", "--confirm=yes")
    until(lambda: all(sweep.elections(work.name) for work in sweep.works))
    (job,) = set(sweep.jobs().values())
    ask(cluster, "scancel", job)
    until(lambda: not slurm.states(sweep.folder))
    assert not any(reader.is_finished(sweep.folder / work.name) for work in sweep.works)


def test_what_slurm_refuses_is_one_line_and_code_2(cluster, tmp_path):
    with pytest.raises(subprocess.CalledProcessError) as refused:
        Sweep(tmp_path, [3]).submit("--slurm.partition=none-such")
    assert refused.value.returncode == 2
    assert refused.value.stderr.count("\n") == 1
    assert "invalid partition" in refused.value.stderr.lower()
