"""Which cores, GPUs and share of memory each worker of the local engine has."""

import json
import os
import subprocess
import sys

import pytest
from jaxlib import xla_client

from sweeps.engines import workers
from tests.support.local import LONG


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
