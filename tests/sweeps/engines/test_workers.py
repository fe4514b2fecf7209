"""How many workers there are room for, and why one of them failed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from suite.errors import UserError
from suite.program import limits
from sweeps import launch
from sweeps import sweep as sweep_module
from sweeps.config import resolve
from sweeps.engines import workers
from sweeps.engines.endings import ending
from sweeps.engines.registry import ENGINES
from sweeps.estimate import forecast
from sweeps.estimate.forecast import Speed
from sweeps.export import latency
from tests.support.engines import TinyEngine
from tests.support.sweeps import PLANNED, sweep_file

MB = 10**6
SPEED = Speed(0.0001, 0.001, networks=5, parameters=1_000, memory_bytes=471 * MB)


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Plans the sweep on a machine with two cores and so much memory; -> workers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")  # whatever GPUs there are
    measuring: list[int] = []

    def measure(runs, jobs):
        measuring.append(jobs)
        return lambda run: SPEED

    monkeypatch.setattr(sweep_module, "measure_speeds", measure)
    monkeypatch.setattr(forecast, "slot_bytes", lambda *_: 1)
    monkeypatch.setattr(sweep_module, "_table", lambda *_: 0)
    engine = TinyEngine(HERE=True)
    monkeypatch.setitem(ENGINES, "local", engine)
    (tmp_path / "tiny.yaml").write_text(sweep_file(PLANNED))

    def plan(memory: int, *options: str) -> int:
        monkeypatch.setattr(limits, "memory_limit", lambda: memory)
        monkeypatch.setattr(limits, "allowed_cores", lambda: [0, 1])
        monkeypatch.setattr(limits, "core_quota", lambda: None)
        monkeypatch.setattr(limits, "physical_memory", lambda: 8_000 * MB)
        assert launch.main(["tiny.yaml", *options]) == 0
        assert measuring[-1] <= engine.plans[-1].jobs
        return engine.plans[-1].jobs

    return plan


@pytest.mark.parametrize(("memory", "jobs"), [(800, 1), (100, 1), (1_000, 2), (2_000, 2)])
def test_there_are_no_more_workers_than_fit_the_memory(planned, memory: int, jobs: int, capsys) -> None:
    assert planned(memory * MB) == jobs
    told = capsys.readouterr().out
    assert limits.size(memory * MB) in told and f"with {jobs} worker" in told


def test_workers_that_were_asked_for_are_started_and_it_is_said_that_they_do_not_fit(planned, capsys) -> None:
    assert planned(800 * MB, "--jobs", "2") == 2
    assert "more than the 800 MB of memory" in capsys.readouterr().out


BANNER = 'print("[Powered by Stella]", file=sys.stderr)'
FAILURES = [
    ('raise RuntimeError("no kernel image")', "RuntimeError: no kernel image"),
    ('print("error: atari/Pong: no ROM", file=sys.stderr); code = 2', "atari/Pong: no ROM"),
    ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL.*out of memory"),
    ("code = 3", "exit code 3; its last line: .Powered by Stella"),
    ("class Gone(Exception): pass\n    raise Gone('an odd name')", "Gone: an odd name"),
]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch):
    """Puts a script in the place of the processes that measure: it fails, and the emulator speaks last."""
    real = workers.start

    def put(do: str) -> None:
        code = f"import atexit, sys\ncode = 0\natexit.register(lambda: {BANNER})\n{BANNER}\n"
        code += f"if True:\n    {do}\nsys.exit(code)"

        def start(command, *rest) -> "subprocess.Popen[bytes]":
            return real([sys.executable, "-c", code], *rest)

        monkeypatch.setattr(workers, "start", start)

    return put


@pytest.mark.parametrize(("do", "why"), FAILURES)
def test_a_speed_that_cannot_be_measured_has_its_real_reason(failing, do: str, why: str) -> None:
    failing(do)
    run = resolve({"task": "atari/Pong", "method": "dense", "seed": 0})
    with pytest.raises(UserError, match=f"cannot be measured: {why}"):
        forecast.measure_speeds([run], jobs=1)


@pytest.mark.parametrize(("do", "why"), FAILURES[:3])
def test_a_latency_that_cannot_be_measured_has_its_real_reason(failing, tmp_path, do: str, why: str) -> None:
    failing(do)
    with pytest.raises(UserError, match=f"cannot be measured: {why}"):
        latency.in_process(tmp_path, 1)


def test_a_measurement_counts_whatever_is_printed_after_it(failing) -> None:
    failing(f"print({json.dumps(SPEED._asdict())!r})")
    run = resolve({"task": "atari/Pong", "method": "dense", "seed": 0})
    assert forecast.measure_speeds([run], jobs=1)(run) == SPEED


@pytest.mark.parametrize(("code", "why"), [(-15, "killed by SIGTERM"), (-40, "killed by signal 40")])
def test_how_a_process_ended(code: int, why: str) -> None:
    assert ending(code) == why
