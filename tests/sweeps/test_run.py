"""What `sweeps.run` makes of its arguments before it trains: exit codes, one-line errors, the clock of frames."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import jax
import pytest

from suite.record import lock, reader, schema
from sweeps import execute
from sweeps import run as entry
from sweeps.config import resolve
from tests.support.damage import refused
from tests.support.sweeps import TINY_SAC

ROOT = Path(__file__).resolve().parents[2]
BASE = {"task": "atari/Pong", "method": "dense", "seed": 0, "replay.capacity": 100, "agent.network": "small"}
FLAGS = [f"--{key}={value}" for key, value in BASE.items()]


class Stopped(Exception):
    """Ends a run where the test has seen enough."""


@pytest.mark.parametrize("frame_skip", [1, 4])
def test_frames_are_counted_with_the_runs_own_frame_skip(
    frame_skip: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`frame` is agent steps times what the environment really skips, not times the task's default."""

    def tracker(folder, config, frame_skip, total_agent_steps, wandb_mode, saved):
        raise Stopped(frame_skip)

    monkeypatch.setattr(execute, "Tracker", tracker)
    with pytest.raises(Stopped) as stopped:
        execute.execute(resolve({**BASE, "environment.frame_skip": frame_skip}), tmp_path)
    assert stopped.value.args == (frame_skip,)


@pytest.mark.parametrize(
    "flags, words",
    [
        ([], "task is missing"),
        (["--task=atari/Pong", "--method=dense"], "seed is missing"),
        ([*FLAGS, "--agent.widht=3"], "did you mean '--agent.width'"),
        ([*FLAGS, "--agent.width"], "expected one argument"),
        ([*FLAGS, "--wandb=sometimes"], "online, offline, disabled"),
        ([*FLAGS, "--trainer.epochs=5", "--video-epochs=1,6"], "from 1 to 5"),
        ([*FLAGS, "--video-epochs=0"], "from 1 to"),
        ([*FLAGS, "--video-epochs=first"], "from 1 to"),
        ([*FLAGS, "--video-epochs=" + "9" * 5_000], "--video-epochs: should be"),
        ([*FLAGS, "--device=abacus"], "--device"),
        ([*FLAGS, "--agent.network=mlp"], "use nature or small"),
        ([*FLAGS, "extra"], "extra"),
        ([*FLAGS, "--replay.capacity=2"], "capacity"),
        ([*FLAGS, "--record="], "--record: should be the name of a folder"),
        ([*FLAGS, "--folder=run\udcff"], "should be the name of a folder"),
        ([*FLAGS, "--method=gmp:\udcff=1"], "UTF-8"),
    ],
)
def test_bad_input_is_one_line_and_code_2(flags: list[str], words: str, tmp_path: Path, capsys) -> None:
    assert words in refused(capsys, entry.main([f"--folder={tmp_path}", *flags]))
    assert not list(tmp_path.iterdir())  # nothing is left that looks like a run


@pytest.mark.parametrize(
    "name, value", [("WANDB_MODE", "bogus"), ("EAUDEQN_WANDB_WAIT", "5m"), ("EAUDEQN_WANDB_WAIT", "1e300")]
)
def test_bad_variables_are_one_line_and_code_2(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setenv(name, value)
    line = refused(capsys, entry.main([*FLAGS, f"--folder={tmp_path}"]))
    assert line.startswith(f"error: {name}={value}: should be ")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("in the way")
    refused(capsys, entry.main([*FLAGS, f"--folder={tmp_path / 'file'}"]))


def test_a_finished_run_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = resolve(BASE)
    (tmp_path / run.name).mkdir()
    schema.write_json(tmp_path / run.name / schema.STATUS, {"status": "finished"})
    monkeypatch.setattr(execute, "execute", lambda *_: pytest.fail("ran"))
    assert entry.main([*FLAGS, f"--folder={tmp_path}"]) == 0


def test_a_run_that_another_process_works_on_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """One line, and a code that says later; a finished run is answered without its lock."""
    run = resolve(BASE)
    monkeypatch.setattr(execute, "execute", lambda *_: pytest.fail("ran"))
    with lock.hold(tmp_path / run.name):
        assert entry.main([*FLAGS, f"--folder={tmp_path}"]) == schema.RESUMABLE
        said = capsys.readouterr().err
        assert said.startswith("busy: ") and f"process {os.getpid()} on" in said and said.count("\n") == 1
        schema.write_json(tmp_path / run.name / schema.STATUS, {"status": "finished"})
        assert entry.main([*FLAGS, f"--folder={tmp_path}"]) == 0


def on_waiting(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    """What is done as soon as a run waits for another process."""

    def sleep(seconds: float) -> None:
        do()
        time.sleep(seconds)

    monkeypatch.setattr(execute, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))


def test_an_agents_run_waits_for_another_process_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """W&B would take it for failed; it is finished as soon as the other one has finished it."""
    folder = tmp_path / resolve(BASE).name
    monkeypatch.setattr(execute, "execute", lambda *_: pytest.fail("ran"))
    monkeypatch.setenv("WANDB_SWEEP_ID", "one")
    monkeypatch.setenv("WANDB_MODE", "disabled")
    held, waits = threading.Event(), threading.Event()
    on_waiting(monkeypatch, waits.set)

    def other() -> None:
        with lock.hold(folder):
            held.set()
            waits.wait(120)
            schema.write_json(folder / schema.STATUS, {"status": "finished"})

    threading.Thread(target=other).start()
    assert held.wait(120)
    assert entry.main([*FLAGS, f"--folder={tmp_path}"]) == 0
    said = capsys.readouterr().out
    assert said.count("waiting: ") == 1 and f"process {os.getpid()} on" in said


def test_an_agents_run_that_is_asked_to_end_waits_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_SWEEP_ID", "one")
    on_waiting(monkeypatch, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with lock.hold(tmp_path / resolve(BASE).name):
        assert entry.main([*FLAGS, f"--folder={tmp_path}"]) == schema.RESUMABLE


def test_a_run_that_ended_while_we_waited_for_its_lock_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([False, True])
    monkeypatch.setattr(reader, "is_finished", lambda _: next(answers))
    monkeypatch.setattr(execute, "execute", lambda *_: pytest.fail("ran"))
    assert entry.main([*FLAGS, f"--folder={tmp_path}"]) == 0


def test_two_runs_do_not_record_one_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(execute, "execute", lambda *_: pytest.fail("ran"))
    with execute._recording(tmp_path / "data"):
        assert entry.main([*FLAGS, f"--folder={tmp_path}", f"--record={tmp_path}/data"]) == schema.RESUMABLE
    assert capsys.readouterr().err.startswith(f"busy: {tmp_path}/data.lock: process {os.getpid()} on")


def test_help_names_every_option_and_method(capsys) -> None:
    with pytest.raises(SystemExit) as left:
        entry.main(["--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    for word in ("--agent.width", "--trainer.epochs", "--replay.capacity", "eaudeqn:", "max_speed", "final_sparsity"):
        assert word in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2])
def test_a_scheduler_may_ask_twice(number: int) -> None:
    with execute._signals() as asked:
        assert not asked()
        for _ in range(2):
            os.kill(os.getpid(), number)
        assert asked()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL  # Ctrl-C now ends it at once


@pytest.mark.parametrize("module", ["sweeps.run", "sweeps.launch"])
def test_ctrl_c_while_modules_load_is_not_answered_by_a_traceback(module: str) -> None:
    command = [sys.executable, "-X", "importtime", "-m", module]
    # A small pipe (on Linux) holds it among its imports until all that it has printed is read.
    began = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, pipesize=4096)
    assert began.stderr
    said = [began.stderr.readline()]
    while b"numpy" not in said[-1] and said[-1]:
        said.append(began.stderr.readline())
    began.send_signal(signal.SIGINT)
    rest = began.communicate()[1]
    assert began.returncode == -signal.SIGINT
    assert b"Traceback" not in rest and b"ignored" not in rest


def test_a_device_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    line = refused(capsys, entry.main([*FLAGS, f"--folder={tmp_path}", "--device=gpu"]))
    assert line.startswith("error: --device=gpu: JAX finds none here, only a cpu")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("flags", "platforms"), [(["--device=cpu"], "cuda"), ([], "cpu")])
def test_a_run_says_what_it_computes_on(flags: list[str], platforms: str, tmp_path: Path) -> None:
    """The option wins over the environment, which here asks for what is not there."""
    code = f"""
import sys, suite.tracking.provenance
from suite import device
from sweeps import execute, run as entry
execute.execute = lambda *_: print(suite.tracking.provenance.versions()["device"], device.jax.default_backend())
sys.exit(entry.main({[*FLAGS, f"--folder={tmp_path}", *flags]}))
"""
    environment = {**os.environ, "JAX_PLATFORMS": platforms}
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout.splitlines()[0]) == (0, "cpu cpu"), ran.stderr


def test_a_platform_that_does_not_start_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sweeps.run", *FLAGS, f"--folder={tmp_path}"]
    environment = {**os.environ, "JAX_PLATFORMS": "tpu"}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ran.returncode == 2
    assert ran.stderr.splitlines()[-1].startswith("error: --device=auto: JAX does not start")
    assert "Traceback" not in ran.stderr
    assert not list(tmp_path.iterdir())


TINY = {**TINY_SAC, "learner.target_update_period": 5, "trainer.epochs": 4, "trainer.initial_samples": 30}


@contextlib.contextmanager
def small_files(place: Path, bytes_: int) -> Iterator[None]:
    """No file may be larger."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept_from = jax.config.jax_persistent_cache_min_compile_time_secs
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 1e9)  # no part of a program is kept for later tests
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", kept_from)


@contextlib.contextmanager
def small_disk(place: Path, bytes_: int) -> Iterator[None]:
    """A disk that is soon full, and at the end is larger."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={bytes_}", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    yield
    subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True)


@pytest.mark.parametrize(("limit", "bytes_"), [(small_files, 4_000), (small_disk, 32_768)])
def test_a_disk_that_is_full_is_one_line_and_the_run_goes_on_later(tmp_path: Path, capfd, limit, bytes_: int) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    flags = [*(f"--{key}={value}" for key, value in TINY.items()), f"--folder={place}", "--wandb=disabled"]
    folder = place / resolve(TINY).name
    try:
        with limit(place, bytes_):
            assert entry.main(flags) == 2
            said = capfd.readouterr().err
            errors = [line for line in said.splitlines() if line.startswith("error:")]
            assert len(errors) == 1 and "cannot be written" in errors[0], said
            assert "Traceback" not in said and not reader.is_finished(folder)
        assert entry.main(flags) == 0
        assert reader.is_finished(folder)
    finally:
        subprocess.run(["umount", str(place)], check=False, capture_output=True)


def test_a_policy_that_cannot_be_written_is_one_line_and_the_run_goes_on_later(tmp_path: Path, capfd) -> None:
    """As when the disk is full at the very end."""
    flags = [*(f"--{key}={value}" for key, value in TINY.items()), f"--folder={tmp_path}", "--wandb=disabled"]
    obstacle = tmp_path / resolve(TINY).name / f"{schema.POLICY}.tmp"
    obstacle.mkdir(parents=True)
    assert entry.main(flags) == 2
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "error" in line]
    assert line.startswith("error: ") and f"{schema.POLICY}.tmp: cannot be written" in line
    obstacle.rmdir()
    assert entry.main(flags) == 0
    assert reader.is_finished(obstacle.parent)
