"""A small script in the place of a training run, and the local engine in a process of its own."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
LONG = 120  # seconds; a busy machine is no fault

#: Writes the record of a run; what happens in between is its argument --do.
SCRIPT = """
import json, os, signal, sys, time
from pathlib import Path
given = dict(argument[2:].split("=", 1) for argument in sys.argv[1:])
folder = Path(given["folder"]) / given["name"]
with open(folder / "starts", "a") as file:
    file.write(f"{os.getpid()}\\n")
def write(name, value):
    (folder / "new").write_text(json.dumps(value))
    (folder / "new").rename(folder / name)
def progress(agent_step):
    write("progress.json", {"agent_step": agent_step, "total_agent_steps": 100, "rate": 50.0, "return": 1.25,
                            "sparsity": 0.5, "time": time.time()})
progress(40)
cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
(folder / "seen").write_text(json.dumps({"cores": cores, "threads": os.environ["OMP_NUM_THREADS"]}))
do, _, argument = given["do"].partition(":")
if do == "crash":
    print("about to divide\\n\\nZeroDivisionError: a vacuum cleaner", file=sys.stderr)
    sys.exit(int(argument))
elif do == "crash-once" and (folder / "starts").read_text().count("\\n") == 1:
    write("status.json", {"status": "failed", "error": "bad luck"})
    sys.exit(1)
elif do == "no-status":
    sys.exit(0)
elif do == "diverge":
    write("status.json", {"status": "failed", "error": "no finite loss"})
    sys.exit(1)
elif do == "kill-times":
    with open(folder / "times", "a") as file:
        file.write(f"{time.time()}\\n")
    if (folder / "starts").read_text().count("\\n") <= int(argument):
        os.kill(os.getpid(), signal.SIGKILL)
elif do.startswith("locked"):
    sys.path.insert(0, os.getcwd())
    from suite.record import lock
    from suite.errors import Busy
    try:
        with lock.hold(folder):  # until there is such a file among the runs
            deadline = time.time() + 600
            while not (folder.parent / argument).exists() and time.time() < deadline:
                time.sleep(0.02)
            if do == "locked-diverge":
                write("status.json", {"status": "failed", "error": "no finite loss"})
                sys.exit(1)
            write("status.json", {"status": "finished", "error": None})
            sys.exit(0)
    except Busy:
        sys.exit(75)
elif do == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
elif do == "sleep":
    time.sleep(float(argument))
elif do == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (folder / "stubborn").touch()
    time.sleep(600)
elif do == "meet":
    (folder / "here").touch()
    deadline = time.time() + 120
    while not (folder.parent / argument / "here").exists():
        time.sleep(0.01)
        if time.time() > deadline:
            sys.exit("nobody came")
progress(100)
write("status.json", {"status": "finished", "error": None})
print("done")
"""

#: Starts the engine as the launcher does: in a process of its own, which can be interrupted.
LAUNCHER = """
import sys
from pathlib import Path
from sweeps.engines import local
from sweeps.engines.base import Work
script, root, jobs, *does = sys.argv[1:]
works = [Work(f"run{i}", [f"--name=run{i}", f"--do={do}"], 100, 1.0) for i, do in enumerate(does)]
sys.exit(local.run(works, Path(root), int(jobs), command=[sys.executable, script]))
"""


def starts(tmp_path: Path, name: str) -> list[int]:
    """The process ids of a cell's attempts."""
    file = tmp_path / "runs" / name / "starts"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def start_launcher(script: Path, tmp_path: Path, jobs: int, *does: str) -> "subprocess.Popen[str]":
    """Started, and with `jobs` workers at work."""
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(script), str(tmp_path / "runs"), str(jobs), *does],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    until(lambda: all((tmp_path / "runs" / f"run{i}" / "seen").exists() for i in range(jobs)))
    return launcher


def until(holds, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def alive(process: int) -> bool:
    """Whether it still runs; a zombie that waits for its parent does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return not Path("/proc/self").exists()
