"""A SLURM of one node, this one: its daemons, their files and ports belong to one test session, and end with it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sweeps.engines.workers import SUPERVISOR

DAEMONS = ("munged", "slurmctld", "slurmd")
DEADLINE = 30.0  # seconds until it is up

#: Partition `high` takes cores away from `main` and `patient`, whose jobs go back into the queue; those of `patient`
#: run on for up to GraceTime. What is requeued may start again after cred_expire seconds. task/affinity: a job sees its
#: own core alone, as a run of the local engine does.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
KillWait=60
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} NodeAddr=127.0.0.1 CPUs=2
PartitionName=main Nodes={host} Default=YES PriorityTier=1
PartitionName=patient Nodes={host} PriorityTier=1 GraceTime=120
PartitionName=high Nodes={host} PriorityTier=10 PreemptMode=OFF
"""


def missing() -> str:
    """Why there can be no such node here, or nothing."""
    if os.getuid() != 0:
        return "SLURM's daemons run as root"
    absent = [name for name in (*DAEMONS, "sbatch", "srun") if not shutil.which(name)]
    return f"not installed: {', '.join(absent)} (make test-slurm installs them)" if absent else ""


@contextmanager
def node() -> Iterator[dict[str, str]]:
    """-> the variables by which SLURM's commands find it. Raises RuntimeError when it does not come up."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)  # as munge wants it
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    (folder / "slurm.conf").write_text(CONFIGURATION.format(folder=folder, host=host, ports=free_ports(2)))
    variables = {"SLURM_CONF": str(folder / "slurm.conf")}
    names = [
        f"--{name}={folder}/munge.{name.partition('-')[0]}" for name in ("pid-file", "socket", "log-file", "seed-file")
    ]
    supervisor = [sys.executable, "-I", "-S", str(SUPERVISOR), str(os.getpid()), ""]  # they end with us, however we end
    commands = [["munged", "--foreground", f"--key-file={key}", *names], ["slurmctld", "-D"], ["slurmd", "-D"]]
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            with (folder / f"{command[0]}.out").open("wb") as output:
                started = subprocess.Popen(
                    [*supervisor, *command], env={**os.environ, **variables}, stdout=output, stderr=subprocess.STDOUT
                )
            daemons.append(started)
        await_idle(variables, folder)
        yield variables
    finally:
        stop(daemons, variables)
        shutil.rmtree(folder, ignore_errors=True)


def await_idle(variables: dict[str, str], folder: Path) -> None:
    deadline = time.monotonic() + DEADLINE
    while ask(variables, "sinfo", "--noheader", "--format=%T") != "idle":
        if time.monotonic() > deadline:
            said = "\n".join(path.read_text()[-1000:] for path in sorted(folder.glob("*.out")))
            raise RuntimeError(f"SLURM does not come up:\n{said}")
        time.sleep(0.2)


def stop(daemons: list[subprocess.Popen[bytes]], variables: dict[str, str]) -> None:
    """End all jobs, then the daemons, the last one first."""
    ask(variables, "scancel", "--user=root")
    deadline = time.monotonic() + DEADLINE
    while ask(variables, "squeue", "--noheader") and time.monotonic() < deadline:
        time.sleep(0.2)
    for daemon in reversed(daemons):
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def ask(variables: dict[str, str], *command: str) -> str:
    """What one of SLURM's commands says; nothing if it fails."""
    asked = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)
    return asked.stdout.strip()


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
