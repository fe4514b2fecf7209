"""`make check` finds the tests that a change affects, and fails if any of its commands does."""

import subprocess
from pathlib import Path

import pytest

from tests import check, long
from tests.support.affected import STRUCTURE, affected_tests, changed_files

FILES = {
    "suite/__init__.py": "",
    "suite/types.py": "",
    "suite/learner.py": "from suite.types import Batch\n",
    "suite/trainer.py": "import suite.learner\n",
    "suite/agents/__init__.py": "from suite.types import Agent\n",
    "suite/agents/dqn.py": "",
    "suite/alone.py": "",
    "sweeps/run.py": "PAGE = 'page.html'\n",
    "sweeps/page.html": "",
    "tests/test_imports.py": "",
    "tests/docs/test_pages.py": "",
    "tests/suite/conftest.py": "from suite.alone import fixture\n",
    "tests/suite/test_aaa.py": "from suite.types import Batch\n",
    "tests/suite/test_types.py": "from suite import types\n",
    "tests/suite/test_trainer.py": "from suite.trainer import Trainer\n",
    "tests/sweeps/test_dqn.py": "from suite.agents.dqn import dqn\n",
    "tests/sweeps/test_run.py": "COMMAND = ['python', '-m', 'sweeps.run']\n",
}


def git(root: Path, *arguments: str) -> None:
    names = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *names, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project as a git repository: all is committed to its branch main."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / ".gitignore").write_text("/runs/\n")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "All")
    return tmp_path


def test_changes_are_those_of_the_branch_and_of_the_working_tree(project: Path) -> None:
    assert changed_files(root=project) == set()
    git(project, "checkout", "-qb", "topic")
    (project / "suite/types.py").write_text("x = 1\n")
    git(project, "mv", "suite/alone.py", "suite/moved.py")
    git(project, "commit", "-qam", "Change")
    git(project, "checkout", "-q", "main")
    (project / "sweeps/run.py").write_text("x = 1\n")
    git(project, "commit", "-qam", "What others did meanwhile")
    git(project, "checkout", "-q", "topic")
    (project / "suite/learner.py").write_text("x = 1\n")
    (project / "suite/new file.py").write_text("x = 1\n")
    (project / "runs").mkdir()
    (project / "runs/record.json").write_text("")
    branch = {"suite/types.py", "suite/alone.py", "suite/moved.py"}
    tree = {"suite/learner.py", "suite/new file.py"}
    assert changed_files(root=project) == branch | tree
    assert changed_files("HEAD", root=project) == tree


def test_a_base_that_is_unknown_is_an_error(project: Path) -> None:
    with pytest.raises(LookupError, match="nowhere"):
        changed_files("nowhere", root=project)


@pytest.mark.parametrize(
    "changed, affected",
    [
        ("suite/learner.py", ["suite/test_trainer.py"]),
        ("tests/suite/test_aaa.py", ["suite/test_aaa.py"]),
        # Those that import it, the namesake first; then by a package, and by the learner and the trainer.
        ("suite/types.py", ["suite/test_types.py", "suite/test_aaa.py", "sweeps/test_dqn.py", "suite/test_trainer.py"]),
        ("suite/alone.py", ["suite/test_aaa.py", "suite/test_trainer.py", "suite/test_types.py"]),  # by conftest.py
        ("sweeps/run.py", ["sweeps/test_run.py"]),  # by its name behind -m
        ("sweeps/page.html", ["sweeps/test_run.py"]),
        ("README.md", ["docs/test_pages.py"]),
        ("suite/deleted.py", []),
    ],
)
def test_the_affected_tests_are_found_the_nearest_first(changed: str, affected: list[str], project: Path) -> None:
    found = affected_tests({changed}, project)
    assert (STRUCTURE in found) == changed.endswith(".py")
    assert [path for path in found if path != STRUCTURE] == [f"tests/{path}" for path in affected]


def test_long_tests_are_left_out(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long, "LONG", {"tests/suite/test_trainer.py": 1, "tests/suite/test_aaa.py::test_one": 1})
    found = affected_tests({"suite/types.py"}, project)
    assert "tests/suite/test_trainer.py" not in found and "tests/suite/test_aaa.py" in found


def test_the_test_of_a_module_of_this_project_comes_first() -> None:
    first, second, *_ = affected_tests({"suite/sparsity/masks.py"})
    assert {first, second} == {STRUCTURE, "tests/suite/sparsity/test_masks.py"}


def outcome(monkeypatch: pytest.MonkeyPatch, codes: dict[str, int], tests: int) -> tuple[int, list[list[str]]]:
    """-> the exit code, and the commands, which exit with the code of their first word that `codes` has."""
    ran: list[list[str]] = []

    def run(arguments: list[str]) -> int:
        ran.append(list(arguments))
        return next((codes[word] for word in arguments if word in codes), 0)

    monkeypatch.setattr(check, "run", run)
    monkeypatch.setattr(check, "changed_files", lambda base: {"suite/types.py"})
    monkeypatch.setattr(check, "affected_tests", lambda changed: [f"tests/test_{i}.py" for i in range(tests)])
    return check.main([]), ran


def test_all_commands_run_and_one_that_fails_fails_the_check(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    code, ran = outcome(monkeypatch, {}, tests=2)
    assert code == 0 and [words[0] for words in ran] == ["ruff", "ruff", "mypy", "pytest"]
    assert ran[-1][-2:] == ["tests/test_0.py", "tests/test_1.py"]
    for word, exit_code in (("format", 1), ("mypy", 2), ("pytest", 1)):
        code, ran = outcome(monkeypatch, {word: exit_code}, tests=1)
        assert code == 1 and len(ran) == 4 and word in capsys.readouterr().err


def test_no_affected_test_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    code, ran = outcome(monkeypatch, {}, tests=0)
    assert code == 0 and len(ran) == 3
    assert outcome(monkeypatch, {"pytest": check.NO_TESTS}, tests=1)[0] == 0


def test_of_many_tests_the_nearest_run(monkeypatch: pytest.MonkeyPatch) -> None:
    _, ran = outcome(monkeypatch, {}, tests=100)
    files = [word for word in ran[-1] if word.startswith("tests/")]
    assert files == [f"tests/test_{i}.py" for i in range(check.MOST_FILES)]


def test_an_unknown_base_is_one_line(capsys) -> None:
    assert check.main(["--base", "no-such-commit"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
