"""The installed package: commands from any folder, no foreign package of our names, all that it needs in it."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.support.sweeps import TINY, run_flags

ROOT = Path(__file__).parents[1]
OURS = ("suite", "baselines", "sweeps", "analysis", "tests")
SITE = Path(sysconfig.get_path("purelib"))


def command(*words: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600)


def test_no_installed_package_has_one_of_our_names() -> None:
    """W&B's package `sweeps` took the place of ours outside the checkout, and did nothing with exit code 0."""
    foreign = [SITE / name for name in OURS if (SITE / name).exists() or (SITE / f"{name}.py").exists()]
    assert foreign == []


@pytest.mark.parametrize(
    "words", [[sys.executable, "-m", "sweeps.run"], [f"{Path(sys.executable).parent}/eaudeqn", "run"]]
)
def test_a_run_from_another_folder_does_its_work(words: list[str], tmp_path: Path) -> None:
    ran = command(*words, *run_flags(TINY), "--folder=here", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    (folder,) = (tmp_path / "here").iterdir()
    assert (folder / "status.json").exists() and (folder / "policy.safetensors").exists()


def test_a_table_from_another_folder_is_ours(tmp_path: Path) -> None:
    ran = command(sys.executable, "-m", "analysis.table", "--runs", "nothing-here", cwd=tmp_path)
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert "nothing-here" in ran.stderr


@pytest.mark.parametrize(
    "words, told", [([], "launch"), (["--help"], "launch"), (["lunch"], "launch"), (["run", "--help"], "--task")]
)
def test_the_command_lists_and_checks_its_commands(words: list[str], told: str, tmp_path: Path) -> None:
    ran = command(f"{Path(sys.executable).parent}/eaudeqn", *words, cwd=tmp_path)
    assert ran.returncode == (2 if words in ([], ["lunch"]) else 0)
    assert told in ran.stdout + ran.stderr and "Traceback" not in ran.stderr


def test_a_wheel_holds_the_packages_and_their_data(tmp_path: Path) -> None:
    source = tmp_path / "source"  # a build leaves files in the folder that it is made from
    ours = shutil.ignore_patterns("__pycache__")
    for name in ("suite", "baselines", "sweeps", "analysis"):
        shutil.copytree(ROOT / name, source / name, ignore=ours)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    made = command(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", str(tmp_path), str(source)),
        cwd=tmp_path,
    )
    assert made.returncode == 0, made.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    top = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert top == {"suite", "baselines", "sweeps", "analysis"}
    tracked = subprocess.run(["git", "ls-files", *top], cwd=ROOT, capture_output=True, text=True).stdout.split()
    assert {name for name in tracked or names if not name.endswith(".md")} <= names
    code = "import suite, sweeps.run; print(suite.__file__)"
    ran = command(sys.executable, "-c", code, cwd=tmp_path, PYTHONPATH=f"{tmp_path}/site")
    assert ran.stdout.startswith(str(tmp_path)), ran.stderr
