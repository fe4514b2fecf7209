"""Which tests a change affects, by the imports of the sources. Nothing is imported or run."""

import ast
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests import long

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("suite", "baselines", "sweeps", "analysis", "examples", "tests")
STRUCTURE = "tests/test_imports.py"  # reads every source file, and takes seconds
MAIN = ("main", "origin/main", "HEAD")  # a change is compared with the first of these that git knows

Imports = Mapping[str, set[str]]  # file -> the files that it imports; all as paths from the root


def git(*arguments: str, root: Path) -> str | None:
    """What git prints; None where it fails."""
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def changed_files(base: str | None = None, root: Path = ROOT) -> set[str]:
    """The files that differ from the commit at which this branch left `base`, with those that git does not track yet.

    Raises LookupError for a base that git does not know.
    """
    candidates = [base] if base else MAIN
    starts = (git("merge-base", candidate, "HEAD", root=root) for candidate in candidates)
    start = next((found.strip() for found in starts if found), None)
    if start is None:
        raise LookupError(f"git knows no commit {base or 'HEAD'}")
    differing = git("diff", "--name-only", "--no-renames", "-z", start, root=root) or ""
    untracked = git("ls-files", "--others", "--exclude-standard", "-z", root=root) or ""
    return {name for name in (differing + untracked).split("\0") if name}


def modules(root: Path = ROOT) -> dict[str, str]:
    """The project's modules: name -> path, such as "suite.types" -> "suite/types.py"; a package is its __init__.py."""
    paths = sorted(path.relative_to(root) for folder in FOLDERS for path in (root / folder).rglob("*.py"))
    return {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path.as_posix() for path in paths}


def import_graph(root: Path = ROOT) -> Imports:
    """What each Python file imports: modules, the packages that hold them, and the conftest.py files above a test."""
    known = modules(root)
    files = set(known.values())
    graph = {}
    for path in files:
        parts = [name.split(".") for name in _names((root / path).read_text(encoding="utf-8"))]
        prefixes = {".".join(part[:end]) for part in parts for end in range(1, len(part) + 1)}
        above = {(folder / "conftest.py").as_posix() for folder in Path(path).parents}
        graph[path] = {known[name] for name in prefixes & known.keys()} | (above & files)
    return graph


def _names(source: str) -> set[str]:
    """The dotted names in imports, and in strings: a test may start a module with `python -m`."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
            names.add(node.value)
    return names


def readers(path: str, root: Path = ROOT) -> set[str]:
    """The Python files that name a file of another kind; for a page of text, the tests of the documentation."""
    if path.endswith(".md"):
        return {file.relative_to(root).as_posix() for file in (root / "tests/docs").glob("test_*.py")}
    name = Path(path).name
    return {file for file in modules(root).values() if name in (root / file).read_text(encoding="utf-8")}


def distances(changed: Iterable[str], graph: Imports) -> dict[str, int]:
    """The number of imports between each affected file and the nearest changed one, which itself has 0."""
    importers: dict[str, set[str]] = {}
    for file, imported in graph.items():
        for path in imported:
            importers.setdefault(path, set()).add(file)
    found: dict[str, int] = {}
    layer, distance = set(changed), 0
    while layer:
        found |= dict.fromkeys(layer, distance)
        layer = {file for path in layer for file in importers.get(path, ())} - found.keys()
        distance += 1
    return found


def affected_tests(changed: set[str], root: Path = ROOT) -> list[str]:
    """The test files that a change affects, the nearest first; of equally near ones, first those that are named after a
    changed file. Files that are long tests as a whole (tests/long.py) are left out."""
    graph = import_graph(root)
    sources = {path for path in changed if path.endswith(".py")}
    seeds = changed.union(*(readers(path, root) for path in changed - sources), {STRUCTURE} if sources else ())
    found = distances(seeds, graph)
    namesakes = {f"test_{Path(path).stem}" for path in changed}
    tests = [path for path in found if path in graph and path.startswith("tests/") and _is_test(path)]
    return sorted(tests, key=lambda path: (found[path], Path(path).stem not in namesakes, path))


def _is_test(path: str) -> bool:
    return Path(path).stem.startswith("test_") and long.place_of(path) is None
