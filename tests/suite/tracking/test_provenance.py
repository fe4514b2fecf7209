"""Python and the libraries around us: back ends of figures and renderers, locales, -OO, packages that are missing."""

import ast
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

from suite.errors import first_line
from suite.tracking import provenance
from tests.support.sweeps import TINY, run_flags

ROOT = Path(__file__).parents[3]
CODE = [
    path
    for room in ("suite", "baselines", "sweeps", "analysis", "docs")
    for path in sorted((ROOT / room).rglob("*.py"))
]


def python(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", errors="replace"
    )


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "TkAgg", "no-such-backend"])
def test_figures_are_drawn_whatever_a_notebook_sets(backend: str) -> None:
    code = "from analysis.figures import style; import matplotlib.pyplot as plt; "
    code += "plt.figure(); print(plt.get_backend().lower())"
    ran = python("-c", code, MPLBACKEND=backend)
    assert (ran.returncode, ran.stdout) == (0, "agg\n"), ran.stderr


def test_the_machine_is_recorded() -> None:
    code = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); "
    code += "from suite.tracking.provenance import versions; print(versions()['cores'], versions()['processor'])"
    ran = python("-c", code)
    cores, _, processor = ran.stdout.strip().partition(" ")
    assert cores == "1" and processor, ran.stderr


def test_a_run_that_needs_no_mujoco_starts_without() -> None:
    """A renderer that is not installed keeps `import mujoco` from working."""
    assert python("-m", "sweeps.run", "--help", MUJOCO_GL="osmesa").returncode == 0


def test_a_renderer_that_does_not_start_is_one_line(tmp_path: Path) -> None:
    words = ["-m", "sweeps.run", "--task=mujoco/Hopper", "--method=dense", "--seed=0", f"--folder={tmp_path}"]
    ran = python(*words, MUJOCO_GL="no-such-renderer")
    assert ran.returncode == 2
    assert (
        ran.stderr.startswith("error: MuJoCo does not start with MUJOCO_GL=no-such-renderer")
        and ran.stderr.count("\n") == 1
    )


@pytest.mark.parametrize(
    "words", [["sweeps.run"], ["sweeps.launch"], ["analysis.table"], ["sweeps.export.play"], ["suite.publish.sync"]]
)
def test_programs_need_no_docstrings(words: list[str]) -> None:
    ran = python("-OO", "-m", *words, "--help")
    assert ran.returncode == 0, ran.stderr
    assert first_line(None) == first_line("") == ""


def test_every_file_is_utf_8_whatever_the_locale() -> None:
    """Text is read and written with its encoding named."""
    silent = []
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            named = {keyword.arg for keyword in node.keywords if ast.unparse(keyword.value) != "text"}  # not a switch
            texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            binary = any("b" in text and set(text) <= set("rwxab+") for text in texts)
            is_os = isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") in (
                "os",
                "gzip",
                "Image",
            )
            opens = name in ("read_text", "write_text") or (name == "open" and not binary and not is_os)
            if (opens and not named & {"encoding"} and "utf-8" not in texts) or "text" in named & {
                "text",
                "universal_newlines",
            }:
                silent.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert silent == []


def test_a_package_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        if package == "wandb":
            raise importlib.metadata.PackageNotFoundError(package)
        return "1"

    monkeypatch.setattr(importlib.metadata, "version", version)
    versions = provenance.versions.__wrapped__()
    assert (versions["wandb"], versions["jax"]) == (None, "1")


def test_a_run_does_without_wandb(tmp_path: Path) -> None:
    words = [*run_flags(TINY), f"--folder={tmp_path}"]
    code = f"import sys; sys.modules['wandb'] = None; from sweeps.run import main; sys.exit(main({words}))"
    ran = python("-c", code)
    assert ran.returncode == 0, ran.stderr
