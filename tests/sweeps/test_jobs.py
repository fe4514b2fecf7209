"""How many runs a machine with GPUs has at a time: programs on PATH stand for NVIDIA's, and an empty package for JAX's
plugin."""

import json
import os
from pathlib import Path

import pytest

from suite.errors import UserError
from suite.program import limits
from sweeps import launch
from sweeps import sweep as sweep_module
from sweeps.engines import gpus, workers
from sweeps.engines.registry import ENGINES
from sweeps.estimate import forecast
from sweeps.estimate.forecast import Speed
from sweeps.gpu import report
from sweeps.jobs import PER_GPU, on_gpus
from tests.support.engines import TinyEngine
from tests.support.sweeps import PLANNED, sweep_file

TWO = ["0, GPU-aaa, NVIDIA H200", "1, GPU-bbb, NVIDIA H200"]
#: Figures of an H200: runs at once, MPS, agent steps per second.
H200 = [(1, False, 353.0), (8, False, 1_743.0), (16, False, 1_705.0), (8, True, 2_000.0), (16, True, 2_666.0)]


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o700)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs in front of all others, without any GPU yet; the working directory is empty."""
    folder = tmp_path / "programs"
    folder.mkdir()
    program(folder, "nvidia-smi", "echo no driver; exit 9")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    for name in (gpus.VISIBLE, gpus.PIPE, gpus.LOG, "JAX_PLATFORMS", workers.MEMORY, workers.OLD_MEMORY):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(report, "FOLDER", tmp_path / "measured")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def cards(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same folder, on a machine with two GPUs that JAX can use."""
    lines = "\n".join(f"echo '{line}'" for line in TWO)
    program(path, "nvidia-smi", f'[ "$1" = --query-gpu=index,uuid,name ] || exit 2\n{lines}')
    plugin = path / gpus.PLUGINS[0]
    plugin.mkdir()
    (plugin / "__init__.py").touch()
    monkeypatch.syspath_prepend(path)
    return path


@pytest.fixture
def mps(cards: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An MPS that starts, and by which JAX finds the GPUs; -> the file of its commands."""
    log = cards / "log"
    program(cards, gpus.CONTROL, f'echo "$1 $CUDA_VISIBLE_DEVICES" >> {log}\n[ "$1" = -d ] || cat >> {log}')
    monkeypatch.setattr(gpus, "PROBE", "import os; os.environ['CUDA_MPS_PIPE_DIRECTORY']")
    return log


def measured(rows=H200) -> None:
    """The file of `make gpu-check`."""
    found = [{"runs at once": n, "MPS": mps, "agent steps per second": rate} for n, mps, rate in rows]
    found.append({"runs at once": 32, "MPS": True, "failed": "out of memory"})
    file = report.FOLDER / "nvidia-h200.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"card": "NVIDIA H200", "size": "full", "parts": {"sharing": {"rows": found}}}))


def test_without_a_gpu_nothing_is_decided_and_nothing_is_said(path, capsys) -> None:
    with on_gpus(None) as number:
        assert number is None and gpus.VISIBLE not in os.environ
    with on_gpus(3) as number:
        assert number == 3
    assert not capsys.readouterr().out


def test_a_gpu_that_jax_cannot_use_is_told(path, cards, capsys) -> None:
    (path / gpus.PLUGINS[0] / "__init__.py").unlink()
    (path / gpus.PLUGINS[0]).rmdir()
    with on_gpus(None) as number:
        assert number is None
    said = capsys.readouterr().out
    assert "2 GPUs (NVIDIA H200)" in said and "make setup-cuda" in said and said.count("\n") == 1


def test_several_runs_share_each_gpu_and_its_memory(cards, capsys) -> None:
    with on_gpus(None) as number:
        assert number == 2 * PER_GPU
        seen = [workers.accelerator(slot, number) for slot in range(number)]
    assert [one[gpus.VISIBLE] for one in seen] == ["GPU-aaa", "GPU-bbb"] * PER_GPU
    assert {one[workers.MEMORY] for one in seen} == {"0.225"}
    assert gpus.VISIBLE not in os.environ
    said = capsys.readouterr().out
    assert "2 GPUs (NVIDIA H200): up to 8 runs" in said and "JOBS" in said and "MPS" not in said
    assert said.count("\n") == 1


def test_a_warning_among_the_gpus_is_none_of_them(cards) -> None:
    lines = "\n".join(f"echo '{line}'" for line in [*TWO, "WARNING: infoROM is corrupted at gpu 0000:04:00.0"])
    program(cards, "nvidia-smi", lines)
    assert [gpu.id for gpu in gpus.visible()] == ["GPU-aaa", "GPU-bbb"]


@pytest.mark.parametrize(
    ("variables", "number"),
    [
        ({gpus.VISIBLE: "1"}, PER_GPU),
        ({gpus.VISIBLE: "GPU-bbb,GPU-aaa"}, 2 * PER_GPU),
        ({gpus.VISIBLE: ""}, None),
        ({gpus.VISIBLE: "-1"}, None),
        ({"JAX_PLATFORMS": "cpu"}, None),
        ({"JAX_PLATFORMS": "cuda,cpu"}, 2 * PER_GPU),
    ],
)
def test_what_the_user_has_chosen_stays(cards, monkeypatch, variables, number) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with on_gpus(None) as found:
        assert found == number
        assert os.environ.get(gpus.VISIBLE) == variables.get(gpus.VISIBLE, number and "GPU-aaa,GPU-bbb")


def test_the_number_is_the_one_that_was_measured_as_best(cards, mps) -> None:
    measured()
    with on_gpus(None) as number:
        assert number == 2 * 16  # with MPS
    program(cards, gpus.CONTROL, "exit 1")
    with on_gpus(None) as number:
        assert number == 2 * 8  # without
    with on_gpus(5) as number:
        assert number == 5


def test_a_damaged_file_of_measurements_is_one_line(cards) -> None:
    measured([(0, False, 1.0)])
    with pytest.raises(UserError, match=r"nvidia-h200\.json: parts\.sharing\.rows\.0"), on_gpus(None):
        pytest.fail("read")


def test_runs_find_mps_which_ends_with_them(cards, mps, monkeypatch, capsys) -> None:
    monkeypatch.setenv(gpus.VISIBLE, "1")  # which MPS itself must not see
    with on_gpus(None):
        pipe = Path(os.environ[gpus.PIPE])
        assert pipe.is_dir() and os.environ[gpus.VISIBLE] == "1"
        assert mps.read_text() == "-d \n"
    assert mps.read_text() == "-d \n \nquit\n"
    assert gpus.PIPE not in os.environ and not pipe.exists()
    assert "MPS" in capsys.readouterr().out


@pytest.mark.parametrize("fails", ["start", "probe"])
def test_runs_do_without_an_mps_that_does_not_work(cards, mps, monkeypatch, capsys, fails) -> None:
    if fails == "start":
        program(cards, gpus.CONTROL, "exit 1")
    else:
        monkeypatch.setattr(gpus, "PROBE", "raise SystemExit(1)")
    with on_gpus(None) as number:
        assert number == 2 * PER_GPU and gpus.PIPE not in os.environ
    assert "MPS" not in capsys.readouterr().out
    assert fails == "start" or mps.read_text().endswith("quit\n")


def test_an_mps_of_the_user_is_left_alone(cards, mps, monkeypatch, capsys) -> None:
    monkeypatch.setenv(gpus.PIPE, "/their/pipe")
    with on_gpus(None):
        assert os.environ[gpus.PIPE] == "/their/pipe"
    assert not mps.exists() and "MPS" in capsys.readouterr().out


def test_a_run_on_each_gpu_needs_no_mps(cards, mps) -> None:
    with on_gpus(2) as number:
        assert number == 2
    assert not mps.exists()


@pytest.mark.parametrize(
    ("options", "memory", "jobs"), [([], 100, 8), ([], 5, 5), (["--jobs", "3"], 100, 3), (["--jobs", "9"], 5, 9)]
)
def test_a_sweep_has_as_many_runs_as_its_gpus_and_the_memory_allow(cards, monkeypatch, options, memory, jobs) -> None:
    """`memory` in GB, of which a run takes one."""
    speed = Speed(0.0001, 0.001, networks=5, parameters=1_000, memory_bytes=10**9 - 10**6)
    engine = TinyEngine(HERE=True)
    monkeypatch.setitem(ENGINES, "local", engine)
    monkeypatch.setattr(sweep_module, "measure_speeds", lambda runs, jobs: lambda run: speed)
    monkeypatch.setattr(forecast, "slot_bytes", lambda *_: 1)
    monkeypatch.setattr(sweep_module, "_table", lambda *_: 0)
    monkeypatch.setattr(limits, "memory", lambda: memory * 10**9)
    monkeypatch.setattr(limits, "physical_memory", lambda: memory * 10**9)
    Path("tiny.yaml").write_text(sweep_file({**PLANNED, "method": "dense", "seed": [*range(12)]}))
    assert launch.main(["tiny.yaml", *options]) == 0
    assert engine.plans[-1].jobs == jobs
