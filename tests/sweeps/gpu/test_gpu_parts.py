"""The pieces of the check, without a GPU: what a part leaves when it is cut off, and figures by hand."""

import json
import os
import sys
import time
from pathlib import Path
from pkgutil import resolve_name
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sweeps.engines import gpus
from sweeps.gpu import __main__ as gpu
from sweeps.gpu import agreement, grids, report, resuming, runs, sharing, steps
from sweeps.gpu.peaks import Peak, peak
from sweeps.gpu.report import Part, Report
from sweeps.gpu.runs import Workload
from sweeps.gpu.sizes import FULL, TINY
from tests.support.damage import refused
from tests.support.local import alive, until

#: Measures as many rows as its name says, then does what it says.
PROGRAM = """
import json, os, subprocess, sys, time
part, size, before, out, scratch = sys.argv[1:]
with open(out, "a") as file:
    for number in range(2):
        row = {"number": number, "before": sorted(json.load(open(before))), "what": "card", "value": "Card 1"}
        print(json.dumps(row), file=file, flush=True)
    if part == "slow":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print(child.pid, end="", file=file, flush=True)  # not yet a whole row
        time.sleep(600)
    if part == "broken":
        print("Traceback ...\\nRuntimeError: no card")
        sys.exit(3)
"""


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "PROGRAM", ("-c", PROGRAM))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_a_part_that_is_cut_off_leaves_its_rows_and_no_process(program, tmp_path: Path, monkeypatch) -> None:
    shown: list[Part] = []
    out = tmp_path / "slow/rows.jsonl"

    def monotonic() -> float:
        """The time is over once the rows were shown and the part has a process of its own."""
        return 1_000.0 if shown and not out.read_text().endswith("\n") else 0.0

    monkeypatch.setattr(gpu, "time", SimpleNamespace(monotonic=monotonic, sleep=time.sleep))
    (tmp_path / "measured.json").write_text("{}")
    part = gpu.run(Part("slow", "Slow", 1.0), TINY, tmp_path / "measured.json", 5.0, shown.append)
    assert [row["number"] for row in part.rows] == [0, 1]
    assert part.state == "cut off after 5 s" and part.seconds >= 5
    assert shown[-1].state == "running"
    child = int(out.read_text().splitlines()[-1])
    until(lambda: not alive(child))


def test_a_part_that_fails_says_why_and_the_others_follow(program, tmp_path: Path) -> None:
    parts = [Part(name, name.title(), 1.0) for name in ("card", "broken", "good")]
    found = gpu.check(parts, tmp_path, tmp_path / "out", 600)
    assert found.parts["broken"].state == "failed with code 3: RuntimeError: no card"
    assert found.parts["good"].state == "complete"
    assert found.parts["good"].rows[0]["before"] == ["broken", "card"]
    assert gpu.faults(found) == ["Broken: failed with code 3: RuntimeError: no card"]
    assert json.loads((tmp_path / "out/card-1.json").read_text())["parts"]["broken"]["rows"][1]["number"] == 1


def test_figures_that_prove_something_wrong_are_named(tmp_path: Path) -> None:
    good = {"problem": "DQN, K = 1", "way": "looped", "agrees": True}
    resumed = {"case": "DQN", "deterministic operations": True, "bit for bit": True}
    unsure = {"case": "DQN", "deterministic operations": False, "bit for bit": False}
    assert not gpu.faults(Report(tmp_path, [Part("a", "A", 1.0, (good, resumed, unsure))]))
    bad = (good | {"agrees": False}, resumed | {"bit for bit": False})
    assert len(gpu.faults(Report(tmp_path, [Part("a", "A", 1.0, bad)]))) == 2


def test_a_part_that_there_is_not_is_one_line(capsys) -> None:
    assert "no part 'nothing'" in refused(capsys, gpu.main(["--parts", "nothing"]))


def test_every_part_has_a_program() -> None:
    assert all(callable(resolve_name(f"sweeps.gpu.{part.name}:measure")) for part in gpu.PARTS)
    assert sum(part.share for part in gpu.PARTS) == pytest.approx(1)


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", Peak(67.0, 494.5, 3_350.0)),
        ("NVIDIA H100 PCIe", Peak(51.0, 378.0, 2_000.0)),
        ("NVIDIA H100 NVL", Peak(60.0, 417.5, 3_900.0)),
        ("NVIDIA H200 NVL", Peak(60.0, 417.5, 4_800.0)),
        ("NVIDIA GeForce RTX 4090 D", Peak(73.5, 73.5, 1_008.0)),
        ("NVIDIA GeForce RTX 4090", Peak(82.6, 82.6, 1_008.0)),
        ("NVIDIA A100-SXM4-80GB", Peak(19.5, 156.0, 2_039.0)),
        ("NVIDIA A100-SXM4-40GB", Peak(19.5, 156.0, 1_555.0)),
        ("Tesla T4", Peak(8.1, 8.1, 320.0)),
        ("Tesla V100-PCIE-16GB", Peak(14.0, 14.0, 900.0)),
        ("Tesla V100-SXM2-32GB", Peak(15.7, 15.7, 900.0)),
        ("NVIDIA GH200 480GB", None),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("cpu", None),
    ],
)
def test_peaks_by_the_name_of_the_card(card: str, expected: Peak | None) -> None:
    assert peak(card) == expected


def test_shares_by_hand() -> None:
    card = Peak(float32=2.0, tf32=8.0, bandwidth=1_000.0)
    assert steps.shares(0.5, 1e12, 1e11, True, card) == {"of peak operations": 1.0, "of peak bandwidth": 0.2}
    assert steps.shares(0.5, 1e12, None, False, card) == {"of peak operations": 0.25, "of peak bandwidth": None}
    assert steps.shares(0.5, 1e12, 1e11, True, None) == {}


def test_operations_are_counted() -> None:
    lowered = jax.jit(jnp.matmul).lower(jnp.ones((3, 4)), jnp.ones((4, 5)))
    assert steps.cost(lowered, "flops") == 2 * 3 * 4 * 5
    assert steps.cost(lowered, "no such figure") is None


def test_differences_by_hand() -> None:
    expected = np.array([1.0, -4.0], np.float32)
    assert agreement.difference(np.array([1.0, -3.0], np.float32), expected) == 0.25
    assert agreement.difference(expected, expected) == 0
    assert agreement.difference(np.zeros(2), np.zeros(2)) == 0
    assert agreement.difference(np.array([np.nan, 0]), expected) == float("inf")


def test_a_layer_that_differs_and_an_election_that_differs_are_seen() -> None:
    expected = {"1 a/kernel": np.ones(2), "1 b/kernel": np.ones(2), "elected": np.array([0, 1])}
    expected |= {key.replace("1 ", "4 "): array for key, array in expected.items() if key.startswith("1 ")}
    found = expected | {"1 b/kernel": np.array([1.0, 1.5]), "elected": np.array([0, 0])}
    problem = agreement.Problem("DQN", runs.run_of(runs.dqn(TINY), 1, runs.ENDLESS))
    first, last = agreement.compare(problem, found, expected, TINY)
    assert (first["layer"], first["largest relative difference"], first["agrees"]) == ("b/kernel", 0.5, False)
    assert (last["largest relative difference"], last["agrees"]) == (0, None)
    assert (last["elections"], last["identical elections"]) == (2, 1)


def test_only_times_are_left_out_of_the_comparison_of_two_records(tmp_path: Path) -> None:
    clocks = {"agent_step": 1, "frame": 4, "gradient_step": 1}
    values: dict[str, list] = {"losses": [1.0], "sparsities_before": [0.0], "sparsities": [0.0], "reset": [False]}
    row = {"kind": "target_update", **clocks, **values, "elected": 0, "actor_sparsity": None}
    texts = [json.dumps(row | {"seconds": 1.0}), json.dumps(row | {"seconds": 2.0}), json.dumps(row | {"frame": 5})]
    for name, text, policy in zip("abcd", [*texts, texts[0]], ("x", "x", "x", "y"), strict=True):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.jsonl").write_text(text + "\n")
        (tmp_path / name / "policy.safetensors").write_text(policy)
    first, *others = (resuming.numbers(tmp_path / name) for name in "abcd")
    assert [other == first for other in others] == [True, False, False]
    assert first[0], "the rows are read"


def test_the_paper_grids_are_those_of_the_sweep_files() -> None:
    works = runs.grid_work(grids.SWEEPS / "atari/paper.yaml")
    assert len(works) == 450 and {work.width for work in works} == {32, 512, 2_048}
    assert {work.networks for work in works} == {1, 5}
    assert {work.agent_steps for work in works} == {10_000_000}
    assert {work.agent_steps for work in runs.grid_work(grids.SWEEPS / "atari/offline-paper.yaml")} == {0}
    needed = {(work.agent, work.width, work.networks) for work in works}
    nature = [row for row in steps.settings(FULL) if "DQN" in row.case.name and "agent.width" in row.case.options]
    timed = {(row.case.options["agent.width"], row.networks) for row in nature}
    assert {("dqn", *key) for key in timed} >= needed


PHASES = {"acting (ms)": 1.0, "emulator (ms)": 2.0, "sampling (ms)": 3.0, "transfer (ms)": 4.0}


def test_a_run_and_a_grid_by_hand() -> None:
    loop = {"agent": "dqn", "width": 512, "K": 5, "agent steps per second": 100.0, **PHASES}
    step = {"agent": "dqn", "width": 512, "K": 5, "batch": 32, "way": "vmapped", "products": "default", "ms": 5.0}
    wide = step | {"width": 2_048, "ms": 9.0}
    others = [
        step | {"way": "looped", "ms": 50.0},
        step | {"products": "highest", "ms": 60.0},
        step | {"batch": 64, "ms": 70.0},
    ]
    measured = {"loops": [loop], "steps": [*others, step, wide]}
    work = Workload("dqn", 512, 5, agent_steps=1_000, gradient_steps=250, evaluation_steps=100)
    assert grids.duration(work, measured) == pytest.approx(1_000 / 100 + 100 * 0.003)
    assert grids.duration(work._replace(width=2_048), measured) == pytest.approx(10 + 250 * 0.004 + 0.3)
    offline = work._replace(agent="cql", agent_steps=0)
    assert grids.duration(offline, measured) == pytest.approx(250 * 0.012 + 0.3)
    with pytest.raises(Exception, match="K = 1"):
        grids.duration(work._replace(networks=1), measured)


def test_the_best_number_of_runs_at_once() -> None:
    rows = [
        {"runs at once": 8, "MPS": False, "agent steps per second": 300.0},
        {"runs at once": 1, "MPS": False, "agent steps per second": 100.0},
        {"runs at once": 8, "MPS": True, "agent steps per second": 450.0},
        {"runs at once": 16, "MPS": False, "failed": "out of memory"},
    ]
    assert grids.speed_up(rows) == (8, 4.5)
    assert grids.speed_up(rows[:1]) is None


def test_mps_that_cannot_be_started_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    control = tmp_path / gpus.CONTROL
    control.write_text("#!/bin/sh\nexit 1\n")
    control.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(sharing, "together", lambda size, folder, number, variables: {"runs at once": number})
    rows = list(sharing.measure(TINY._replace(shared=(8, 16)), tmp_path / "runs", {}))
    assert [row["runs at once"] for row in rows] == [8, 8, 16]
    assert [row["failed"] for row in rows if "failed" in row] and rows[1]["MPS"]


def test_a_run_that_ends_early_is_a_row_and_the_others_are_ended(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    row = sharing.together(TINY, tmp_path / "2", 2, {})
    assert row["runs at once"] == 2 and "failed" in row


def test_tables(tmp_path: Path) -> None:
    rows = [{"a": 1.234567, "layers": {"x": 1}}, {"a": True, "b": None}, {"b": "x|y"}]
    assert report.table(rows) == ["| a | b |", "| --- | --- |", "| 1.23 | - |", "| yes | - |", "| - | x/y |"]
    assert report.slug("NVIDIA H100 80GB HBM3") == "nvidia-h100-80gb-hbm3"
    found = Report(tmp_path, [Part("a", "A", 1.0)])
    found.card, found.size = "NVIDIA T4", TINY
    found.update(Part("a", "A", 1.0, ({"a": 1},), "complete", 3.0))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["nvidia-t4.json", "nvidia-t4.md"]
    assert "no figure means anything" in found.path.read_text()


@pytest.mark.parametrize("minutes", ["nan", "inf", "0", "-1", "soon"])
def test_minutes_that_measure_nothing_are_refused(minutes: str, capsys) -> None:
    assert "--minutes" in refused(capsys, gpu.main(["--minutes", minutes]))


def test_what_was_measured_is_found_from_every_folder() -> None:
    assert report.FOLDER.is_absolute()
