"""What contributors rely on: the workflow, the hooks, the citation, the changelog and the records of decisions."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs import commands

pytestmark = pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")  # a program imported, then run

ROOT = Path(__file__).resolve().parent.parent
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
PYTHONS = ["3.11", "3.12", "3.13"]
WORKFLOW = (ROOT / ".github/workflows/ci.yml").read_text()
RECORDS = sorted(path for path in (ROOT / "docs/decisions").glob("*.md") if path.name != "index.md")


def read_yaml(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


def steps(workflow: Any) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def check_steps(text: str) -> list[str]:
    """-> the targets that a workflow makes. Raises AssertionError for a step that does anything else."""
    targets = []
    for step in steps(yaml.safe_load(text)):
        if "uses" in step:
            assert re.fullmatch(r"actions/(checkout|setup-python)@v\d+", step["uses"]), step
            continue
        words = shlex.split(step["run"].replace("${{ matrix.python }}", PYTHONS[0]))
        assert words[0] == "make" and not any(re.search("[;&|<>$`]", word) for word in words), step
        commands.make(words[1:])  # make knows the targets and the variables
        targets += [word for word in words[1:] if "=" not in word]
    return targets


def test_the_workflow_only_makes_targets_that_exist() -> None:
    assert check_steps(WORKFLOW) == ["lint", "test", "docs"]


@pytest.mark.parametrize("step", ["make tset", "pip install .", "make lint && rm -rf .", "make lint JBOS=2"])
def test_another_step_of_a_workflow_is_found(step: str) -> None:
    assert "run: make lint" in WORKFLOW
    with pytest.raises(AssertionError):
        check_steps(WORKFLOW.replace("run: make lint", f"run: {step}"))


def test_the_workflow_tests_all_supported_pythons() -> None:
    assert read_yaml(".github/workflows/ci.yml")["jobs"]["tests"]["strategy"]["matrix"]["python"] == PYTHONS


def test_the_hooks_are_local_and_call_what_is_installed() -> None:
    (source,) = read_yaml(".pre-commit-config.yaml")["repos"]
    assert source["repo"] == "local"
    for hook in source["hooks"]:
        assert hook["language"] == "system" and not hook.get("additional_dependencies")
        program, *words = shlex.split(hook["entry"])
        if program == "make":
            commands.make(words)
        else:
            assert program == ".venv/bin/ruff"
            asked = [sys.executable, "-m", "ruff", *words, "--help"]
            assert subprocess.run(asked, capture_output=True, check=False).returncode == 0, hook


def test_the_citation_is_of_this_version_and_of_the_paper() -> None:
    """The required keys of the Citation File Format 1.2.0, and those that we want."""
    citation = read_yaml("CITATION.cff")
    assert citation["cff-version"] == "1.2.0" and citation["version"] == VERSION
    assert citation["message"] and citation["title"] and citation["license"] == "Apache-2.0"
    (paper,) = citation["references"]
    assert paper["type"] == "article" and "2503.01437" in paper["url"] and paper["year"] == 2025
    assert "Eau De Q-Network" in paper["title"] and paper["authors"][0]["family-names"] == "Vincent"
    for author in citation["authors"] + paper["authors"]:
        assert author.keys() in ({"name"}, {"family-names", "given-names"})


def test_the_changelog_names_this_version_and_what_is_unreleased() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    first, *released = re.findall(r"^## \[(.+?)\](?: - \d{4}-\d\d-\d\d)?$", text, re.M)
    assert first == "Unreleased" and released[0] == VERSION
    assert f"## [{VERSION}] - {read_yaml('CITATION.cff')['date-released']}\n" in text
    kinds = set(re.findall(r"^### (.+)$", text, re.M))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_a_decision_has_its_context_and_consequences_and_is_listed(record: Path) -> None:
    text = record.read_text()
    assert re.findall(r"^## (.+)$", text, re.M) == ["Context", "Decision", "Consequences"]
    assert 15 <= text.count("\n") <= 25
    assert f"({record.name})" in (record.parent / "index.md").read_text()


def test_there_are_records_of_decisions() -> None:
    assert len(RECORDS) >= 7
