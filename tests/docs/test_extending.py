"""The changes on the page on extending the suite: each applies, touches as few files as it says, and works."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.docs.pages import ROOT, written_in
from tests.support.sweeps import TINY, sweep_file

CHANGES = {block.text: block for block in written_in("diff")}
NAMES = ("method", "network", "agent", "metric", "engine")  # in the order of the page
FILES = {"method": 3, "network": 2, "agent": 3, "metric": 4, "engine": 2}
CODE = ("suite", "baselines", "sweeps", "analysis")
COMPOSED = """
import sys
from sweeps import launch
from sweeps.compose import compose
from sweeps.config import resolve
from sweeps.sources import rows
list(rows())  # raises LookupError for a default without a source
run = resolve({"task": "atari/Pong", "agent": "my_dqn", "method": "dense", "seed": 0, "agent.network": "tiny"})
parts = compose(run)
print(run.agent, len(parts.learner.agent.all_networks[0].layers), flush=True)
sys.exit(launch.main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    for package in CODE:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def apply(folder: Path, change: str, *options: str) -> str:
    """Apply a diff to a folder; -> what git says against it."""
    command = ["git", "apply", "--whitespace=error", *options, "-"]
    done = subprocess.run(command, cwd=folder, input=change, capture_output=True, text=True)
    return done.stderr


def python(folder: Path, *arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_has_the_five_changes() -> None:
    assert len(CHANGES) == len(NAMES)


@pytest.mark.parametrize("name, change", zip(NAMES, CHANGES, strict=True), ids=NAMES)
def test_a_change_touches_few_files_and_applies_alone(name: str, change: str, copy: Path) -> None:
    assert len(set(re.findall(r"^diff --git a/(\S+)", change, re.MULTILINE))) == FILES[name]
    assert apply(copy, change, "--check") == ""


def test_the_changes_work_together(copy: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(copy, tmp_path / "changed"))
    for change in CHANGES:
        assert apply(changed, change) == ""
    (tmp_path / "extended.yaml").write_text(sweep_file({**TINY, "method": "halving", "trainer.epochs": 2}))
    runs = tmp_path / "runs"
    words = [str(tmp_path / "extended.yaml"), f"--folder={runs}", "--engine=inline"]
    told = python(changed, "-c", COMPOSED, *words)
    assert told.startswith("my_dqn 3\n") and "is finished" in told
    curves = pd.read_csv(runs / "report" / "curves.csv")
    assert (curves["weight_norm"] > 0).all() and curves["sparsity"].iloc[-1] > 0.5
