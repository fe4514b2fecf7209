"""The local engine, with a small script in the place of a training run."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from jaxlib import xla_client
from rich.console import Console

from suite.errors import UserError
from suite.tracking import duration
from sweeps.engines import local, workers
from sweeps.engines.cells import ELSEWHERE, FAILED, FINISHED, RUNNING, WAITING, Cell, Work
from sweeps.engines.watch import choose
from tests.chaos_grid import holder

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
    from suite import lock
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
from sweeps.engines.cells import Work
script, root, jobs, *does = sys.argv[1:]
works = [Work(f"run{i}", [f"--name=run{i}", f"--do={do}"], 100, 1.0) for i, do in enumerate(does)]
sys.exit(local.run(works, Path(root), int(jobs), command=[sys.executable, script]))
"""


@pytest.fixture
def script(tmp_path) -> Path:
    path = tmp_path / "worker.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def launch(script, tmp_path, monkeypatch):
    """launch(jobs, *does) -> (exit code, what was printed); the cells are run0, run1, ... in tmp_path/runs."""

    monkeypatch.setattr(local, "PAUSE", 0.05)

    def launch(jobs: int, *does: str, terminal: bool = False, tries: int = 1) -> tuple[int, str]:
        works = [Work(f"run{i}", [f"--name=run{i}", f"--do={do}"], 100, 1.0) for i, do in enumerate(does)]
        output = io.StringIO()
        console = Console(file=output, force_terminal=terminal, width=120, height=30)
        command = [sys.executable, str(script)]
        code = local.run(works, tmp_path / "runs", jobs, tries=tries, command=command, console=console)
        return code, output.getvalue()

    return launch


def starts(tmp_path: Path, name: str) -> list[int]:
    """The process ids of a cell's attempts."""
    file = tmp_path / "runs" / name / "starts"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def test_all_finish(launch, tmp_path):
    code, said = launch(2, "ok", "ok", "ok")
    assert code == 0
    assert (tmp_path / "runs" / "run2" / "log.txt").read_text() == "done\n"
    assert "finished run1: return 1.25, sparsity 0.5" in said
    assert "3 finished; 100% done" in said.splitlines()[-1]


def test_finished_cells_are_skipped_and_failed_ones_run_again(launch, tmp_path):
    assert launch(1, "ok", "crash-once")[0] == 1
    assert launch(1, "ok", "crash-once")[0] == 0
    assert launch(1, "ok", "crash-once")[0] == 0
    assert len(starts(tmp_path, "run0")) == 1
    assert len(starts(tmp_path, "run1")) == 2


@pytest.mark.parametrize(
    ("do", "says"),
    [
        ("crash:3", ["FAILED run0: exit code 3", "about to divide", "ZeroDivisionError: a vacuum cleaner"]),
        ("kill", ["FAILED run0: killed by SIGKILL"]),
        ("no-status", ["FAILED run0: exit code 0, but its record does not say finished"]),
    ],
)
def test_a_crash_is_reported_and_the_others_go_on(launch, tmp_path, do, says):
    code, said = launch(1, do, "ok")
    assert code == 1
    assert all(line in said for line in says), said
    assert json.loads((tmp_path / "runs" / "run1" / "status.json").read_text())["status"] == "finished"


def test_a_log_is_kept_but_only_the_last_attempt_is_quoted(launch, tmp_path, script):
    launch(1, "crash:3")
    script.write_text("import sys; sys.exit('another reason')")
    _, said = launch(1, "crash:3")
    assert "another reason" in said
    assert "vacuum" not in said
    assert "vacuum" in (tmp_path / "runs" / "run0" / "log.txt").read_text()


def test_as_many_at_a_time_as_jobs(launch):
    assert launch(2, "meet:run1", "meet:run0")[0] == 0


def test_never_more_at_a_time_than_jobs(launch, tmp_path):
    assert launch(1, "sleep:0.1", "sleep:0.1")[0] == 0
    first, second = (tmp_path / "runs" / name for name in ("run0", "run1"))
    assert (first / "status.json").stat().st_mtime <= (second / "starts").stat().st_mtime


@pytest.mark.skipif(len(workers.cores()) < 2, reason="needs two cores")
def test_each_of_several_workers_has_its_cores(launch, tmp_path):
    launch(2, "meet:run1", "meet:run0")
    seen = [json.loads((tmp_path / "runs" / name / "seen").read_text()) for name in ("run0", "run1")]
    if hasattr(os, "sched_getaffinity"):
        assert not set(seen[0]["cores"]) & set(seen[1]["cores"])
        assert sorted(seen[0]["cores"] + seen[1]["cores"]) == workers.cores()
    assert [int(one["threads"]) for one in seen] == [len(workers.share(slot, 2)) for slot in (0, 1)]


def test_shares(monkeypatch):
    monkeypatch.setattr(workers, "cores", lambda: [3, 4, 5])
    assert workers.share(0, 1) == [3, 4, 5]
    assert [workers.share(slot, 2) for slot in range(2)] == [[3, 5], [4]]
    assert [workers.share(slot, 5) for slot in range(5)] == [[3], [4], [5], [3], [4]]


def test_workers_share_the_gpus(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("XLA_PYTHON_CLIENT_MEM_FRACTION", raising=False)
    assert workers.accelerator(0, 1) == {}
    assert workers.accelerator(2, 3) == {"XLA_CLIENT_MEM_FRACTION": "0.300"}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    seen = [workers.accelerator(slot, 3) for slot in range(3)]
    assert [one["CUDA_VISIBLE_DEVICES"] for one in seen] == ["4", "7", "4"]
    assert [one["XLA_CLIENT_MEM_FRACTION"] for one in seen] == ["0.450", "0.900", "0.450"]


@pytest.mark.parametrize("variable", ["XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_MEM_FRACTION", None])
def test_jax_takes_the_part_of_the_memory_and_what_the_user_set_stays(variable, monkeypatch):
    for name in ("XLA_CLIENT_MEM_FRACTION", "XLA_PYTHON_CLIENT_MEM_FRACTION"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, "0.2")
    for name, value in workers.accelerator(0, 3).items():
        monkeypatch.setenv(name, value)
    assert xla_client.generate_pjrt_gpu_plugin_options()["memory_fraction"] == (0.2 if variable else 0.3)


def test_a_worker_is_told_its_gpu(script, tmp_path):
    say = "import os; print(os.environ['XLA_CLIENT_MEM_FRACTION'])"
    gpu = {"XLA_CLIENT_MEM_FRACTION": "0.450"}
    process = workers.start([sys.executable, "-c", say], workers.cores(), subprocess.PIPE, gpu)
    assert process.communicate(timeout=LONG)[0] == b"0.450\n"


def test_a_place_that_cannot_be_written(launch, tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(UserError, match="cannot be written"):
        launch(1, "ok")


# What follows interrupts a launcher of its own.


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


def until(holds, seconds: float = LONG) -> None:
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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2])
def test_interruption_leaves_nothing_behind(script, tmp_path, launch, number):
    launcher = start_launcher(script, tmp_path, 2, "sleep:600", "sleep:600", "ok")
    launcher.send_signal(number)
    said, _ = launcher.communicate(timeout=LONG)
    assert launcher.returncode == 130
    assert "Traceback" not in said
    assert "stopping 2 run(s)" in said
    assert "FAILED" not in said
    assert not any(alive(starts(tmp_path, name)[-1]) for name in ("run0", "run1"))
    assert not starts(tmp_path, "run2")
    assert launch(2, "ok", "ok", "ok")[0] == 0  # the next call runs all three
    assert [len(starts(tmp_path, f"run{i}")) for i in range(3)] == [2, 2, 1]


def test_a_second_interruption_does_not_wait(script, tmp_path):
    launcher = start_launcher(script, tmp_path, 1, "stubborn")
    until((tmp_path / "runs" / "run0" / "stubborn").exists)
    launcher.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        launcher.wait(timeout=1)  # the worker is given time to end well
    launcher.send_signal(signal.SIGINT)
    launcher.communicate(timeout=workers.GRACE / 2)
    assert launcher.returncode == 130
    assert not alive(starts(tmp_path, "run0")[-1])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_workers_do_not_outlive_a_killed_launcher(script, tmp_path):
    launcher = start_launcher(script, tmp_path, 2, "sleep:600", "sleep:600")
    launcher.kill()
    launcher.wait()
    until(lambda: not any(alive(starts(tmp_path, name)[-1]) for name in ("run0", "run1")))


# What is shown.


def test_the_table_on_a_terminal_shows_every_cell(launch):
    code, said = launch(1, "crash:3", "sleep:4", "ok", terminal=True)
    assert code == 1
    for text in (
        "run0",
        "run1",
        "run2",
        "waiting",
        "running",
        "failed",
        "40%",
        "50",
        "1.25",
        "0.5",
        "1 running, 1 waiting, 1 failed",
    ):
        assert text in said, text


def test_what_is_shown_where_not_all_fit():
    states = [FINISHED, FINISHED, RUNNING, WAITING, WAITING, FAILED]
    cells = [Cell(Work(f"run{i}", [], 1, 1.0), Path(), state) for i, state in enumerate(states)]
    names = [[cell.work.name for cell in choose(cells, room)] for room in (2, 4, 5, 9)]
    assert names[0] == ["run2", "run5"]
    assert names[1] == ["run2", "run3", "run4", "run5"]
    assert names[2] == ["run1", "run2", "run3", "run4", "run5"]
    assert names[3] == [f"run{i}" for i in range(6)]


def test_progress_of_an_earlier_attempt_does_not_count(tmp_path):
    (tmp_path / "progress.json").write_text(json.dumps({"agent_step": 40, "time": 1000.0}))
    cell = Cell(Work("a", [], 100, 1.0), tmp_path, RUNNING, started=2000.0)
    cell.refresh()
    assert cell.fraction == 0
    cell.started = 900.0
    cell.refresh()
    assert cell.fraction == 0.4


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59, "59 s"), (60, "1 min"), (1000, "17 min"), (3 * 3600, "3.0 h"), (40 * 86400, "40 days")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


# Runs that die, and engines that share a folder.


def test_a_run_that_dies_is_tried_again_after_longer_and_longer_pauses(launch, tmp_path, monkeypatch):
    monkeypatch.setattr(local, "PAUSE", 0.4)
    code, said = launch(2, "kill-times:2", "ok", tries=3)
    assert code == 0
    times = [float(line) for line in (tmp_path / "runs" / "run0" / "times").read_text().split()]
    assert len(times) == 3
    assert times[1] - times[0] >= 0.4 and times[2] - times[1] >= 0.8
    assert said.count("interrupted run0: killed by SIGKILL") == 2


def test_a_run_that_dies_again_and_again_is_reported_with_the_end_of_its_log(launch, tmp_path):
    code, said = launch(1, "crash:3", "ok", tries=3)
    assert code == 1
    assert len(starts(tmp_path, "run0")) == 3
    assert "FAILED run0: exit code 3, after 3 tries" in said and "vacuum" in said
    assert len(starts(tmp_path, "run1")) == 1  # it did not wait for its turn behind run0


@pytest.mark.parametrize("do", ["crash:2", "diverge"])
def test_what_would_end_so_again_is_not_tried_again(launch, tmp_path, do):
    code, said = launch(1, do, tries=3)
    assert code == 1 and "tries" not in said
    assert len(starts(tmp_path, "run0")) == 1


@pytest.fixture
def on_elsewhere(monkeypatch):
    """on_elsewhere(do): what is done as soon as our engine has seen that another one has a run."""
    look = local.look

    def on_elsewhere(do) -> None:
        def watched(cell, display, *held) -> None:
            look(cell, display, *held)
            if cell.state == ELSEWHERE:
                do()

        monkeypatch.setattr(local, "look", watched)

    monkeypatch.setattr(local, "LOOK", 0.1)
    return on_elsewhere


def test_two_engines_share_a_folder(launch, script, tmp_path):
    """The second takes what the first does not work on, and waits for the rest: each cell is run once."""
    held = "locked:run2/status.json"
    launcher = start_launcher(script, tmp_path, 1, held, "ok", "ok")
    until(lambda: holder(tmp_path / "runs" / "run0"))  # its lock names it
    code, said = launch(1, held, "ok", "ok")
    launcher.communicate(timeout=LONG)
    assert (code, launcher.returncode) == (0, 0)
    assert "finished run0" in said
    assert [len(starts(tmp_path, f"run{i}")) for i in range(3)] == [1, 1, 1]


def test_a_run_that_fails_elsewhere_has_failed(launch, script, tmp_path, on_elsewhere):
    launcher = start_launcher(script, tmp_path, 1, "locked-diverge:seen")
    until(lambda: holder(tmp_path / "runs" / "run0"))  # its lock names it
    on_elsewhere((tmp_path / "runs" / "seen").touch)
    code, said = launch(1, "locked-diverge:seen")
    launcher.communicate(timeout=LONG)
    assert (code, launcher.returncode) == (1, 1)
    assert "FAILED run0: no finite loss" in said
    assert len(starts(tmp_path, "run0")) == 1


def test_a_run_whose_process_dies_elsewhere_is_taken_over(launch, script, tmp_path, on_elsewhere):
    launcher = start_launcher(script, tmp_path, 1, "locked:never")
    until(lambda: holder(tmp_path / "runs" / "run0"))  # its lock names it
    on_elsewhere(launcher.kill)  # and its worker with it
    code, _ = launch(1, "ok")
    launcher.communicate(timeout=LONG)
    assert code == 0
    assert len(starts(tmp_path, "run0")) == 2
