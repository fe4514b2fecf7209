"""A local engine that is interrupted or killed leaves no worker behind."""

import signal
import subprocess
import sys

import pytest

from sweeps.engines import workers
from tests.support.local import LONG, alive, start_launcher, starts, until


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2])
def test_interruption_leaves_nothing_behind(script, tmp_path, launch, number):
    launcher = start_launcher(script, tmp_path, 2, "sleep:600", "sleep:600", "ok")
    launcher.send_signal(number)
    said, _ = launcher.communicate(timeout=LONG)
    assert launcher.returncode == 130
    assert "Traceback" not in said
    assert "stopping 2 runs" in said
    assert "FAILED" not in said
    assert not any(alive(starts(tmp_path, name)[-1]) for name in ("run0", "run1"))
    assert not starts(tmp_path, "run2")
    assert launch(2, "ok", "ok", "ok")[0] == 0  # the next call runs all three
    assert [len(starts(tmp_path, f"run{i}")) for i in range(3)] == [2, 2, 1]


def test_a_second_interruption_does_not_wait(script, tmp_path):
    launcher = start_launcher(script, tmp_path, 1, "stubborn")
    until((tmp_path / "runs" / "run0" / "stubborn").exists)
    launcher.send_signal(signal.SIGINT)
    assert any("stopping" in line for line in launcher.stdout)  # two signals at the same time would be one
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
