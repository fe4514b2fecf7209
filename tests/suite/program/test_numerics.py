"""Settings of JAX and XLA that change numbers are pinned or recorded, and commits are those of the checkout."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from suite.program import numerics
from suite.record import schema
from suite.tracking import provenance
from tests.support.compiling import QUICKLY
from tests.support.sweeps import TINY, run_flags

ROOT = Path(__file__).parents[3]


def test_every_flag_of_jax_is_pinned_recorded_or_harmless() -> None:
    """By JAX's own list: those whose names speak of numbers are not taken for harmless."""
    flags = [name for name in jax.config.values if name.startswith("jax_")]
    assert len(flags) > 50
    numeric = ("x64", "precision", "prng", "threefry", "promotion", "optimization", "jit", "dtypes", "gumbel", "random")
    for flag in flags:
        if any(word in flag for word in numeric):
            assert not numerics.is_harmless(flag), flag
        recorded = numerics.settings({flag.upper(): "other"}) == f"{flag.upper()}=other"
        assert recorded == (flag not in numerics.PINNED and not numerics.is_harmless(flag)), flag
    assert {"jax_enable_x64", "jax_default_prng_impl"} <= numerics.PINNED.keys() & set(flags)


@pytest.mark.parametrize(
    "environment, recorded",
    [
        ({}, ""),
        ({"JAX_COMPILATION_CACHE_DIR": "/tmp/x", "JAX_PLATFORMS": "cpu", "JAX_LOG_COMPILES": "1"}, ""),
        ({"JAX_ENABLE_X64": "1"}, ""),
        ({"JAX_DISABLE_JIT": "1", "HOME": "/root"}, "JAX_DISABLE_JIT=1"),
        (
            {"XLA_FLAGS": "--xla_gpu_deterministic_ops=true", "JAX_DEFAULT_MATMUL_PRECISION": "highest"},
            "JAX_DEFAULT_MATMUL_PRECISION=highest XLA_FLAGS=--xla_gpu_deterministic_ops=true",
        ),
        ({"NVIDIA_TF32_OVERRIDE": "0", "XLA_FLAGS": ""}, "NVIDIA_TF32_OVERRIDE=0"),
    ],
)
def test_what_the_environment_changes_is_recorded(environment: dict[str, str], recorded: str) -> None:
    assert numerics.settings(environment) == recorded


def trained(folder: Path, **variables: str) -> Path:
    environment = {name: value for name, value in os.environ.items() if name not in QUICKLY} | variables
    words = [sys.executable, "-m", "sweeps.run", *run_flags(TINY), f"--folder={folder}"]
    ran = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    (run,) = folder.iterdir()
    return run


def test_a_run_is_the_same_whatever_is_pinned(tmp_path: Path) -> None:
    plain = trained(tmp_path / "plain")
    others = {"JAX_ENABLE_X64": "1", "JAX_DEFAULT_PRNG_IMPL": "rbg", "JAX_THREEFRY_PARTITIONABLE": "0"}
    other = trained(tmp_path / "other", **others)
    assert other.name == plain.name
    assert (other / schema.POLICY).read_bytes() == (plain / schema.POLICY).read_bytes()
    assert "settings" not in schema.read_json(other / schema.CONFIG)["versions"]


def test_a_record_holds_what_is_not_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_DEFAULT_MATMUL_PRECISION", "bfloat16")
    versions = provenance.versions.__wrapped__()
    assert "JAX_DEFAULT_MATMUL_PRECISION=bfloat16" in versions["settings"]


# Commits -------------------------------------------------------------------------------------------------------------


def repository(folder: Path) -> str:
    """A repository with one commit; its hash."""
    folder.mkdir(parents=True, exist_ok=True)
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    for words in (["init", "-q"], [*who, "commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_a_commit_is_that_of_the_checkout_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = repository(tmp_path / "checkout")
    repository(tmp_path / "elsewhere")
    inside = tmp_path / "elsewhere/archive"
    inside.mkdir()
    assert provenance.commit(tmp_path / "checkout") == own
    assert provenance.commit(inside) == "unknown"  # a source archive within another repository
    assert provenance.commit(tmp_path) == "unknown"
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere/.git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "elsewhere"))
    assert provenance.commit(tmp_path / "checkout") == own
    assert provenance.commit(tmp_path) == "unknown"
    (tmp_path / "checkout/new").write_text("")
    assert provenance.commit(tmp_path / "checkout") == f"{own}+dirty"
