"""What may import what, and what must not be written at all: read from the sources, nothing is run."""

import ast
import graphlib
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("suite", "baselines", "sweeps", "analysis")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def loaded(call: ast.Call) -> str:
    """The module in load("package.module:function")."""
    (name,) = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    return str(name).partition(":")[0]


MODULES = {module_name(path) for path in SOURCES}


def imports_of(path: Path) -> set[str]:
    """The project's modules that a file names in its imports, wherever they stand in it."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else str(node.module) for name in inner}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "load":
            found.add(loaded(node))
    return {name for name in found if name.partition(".")[0] in PACKAGES}


IMPORTS = {module_name(path): imports_of(path) for path in SOURCES}


def assert_never(importers: str, *forbidden: str) -> None:
    """No module of `importers` imports one that is, or lies in, a forbidden one."""
    for module, imported in IMPORTS.items():
        if module == importers or module.startswith(importers + "."):
            wrong = {n for n in imported for f in forbidden if n == f or n.startswith(f + ".")}
            assert not wrong, f"{module} imports {', '.join(sorted(wrong))}"


def test_what_programs_load_is_there() -> None:
    calls = [
        node
        for path in SOURCES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "load"
    ]
    assert len(calls) > 5
    for call in calls:
        module, _, function = ast.literal_eval(call.args[0]).partition(":")
        path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
        assert function in {node.name for node in tree_of(path).body if isinstance(node, ast.FunctionDef)}


def test_the_sources_are_found() -> None:
    assert {"suite.types", "suite.trainer", "baselines", "sweeps.run", "analysis.table"} <= MODULES
    assert "suite.types" in IMPORTS["suite.sparsity.masks"]  # so that an empty answer elsewhere means something


@pytest.mark.parametrize(
    "importers, forbidden",
    [
        ("suite", ("baselines", "sweeps", "analysis")),
        ("baselines", ("sweeps", "analysis")),
        ("sweeps", ("analysis",)),  # the table is a program of its own, which imports no JAX
    ],
)
def test_rooms_are_entered_from_one_side(importers: str, forbidden: tuple[str, ...]) -> None:
    assert_never(importers, *forbidden)


#: What each part of the suite may import of the suite, beside itself and ANYWHERE: types <- sparsity <- {eaudeqn,
#: agents} <- learner <- trainer.
ALLOWED = {
    "suite.errors": (),
    "suite.options": (),
    "suite.layers": (),
    "suite.types": ("suite.layers",),
    "suite.tasks": (),
    "suite.population": ("suite.types",),
    "suite.dispatch": ("suite.types",),
    "suite.acting": ("suite.types", "suite.population", "suite.streams"),
    "suite.device": ("suite.program.numerics",),
    "suite.sparsity": ("suite.types", "suite.layers"),
    "suite.divergence": ("suite.types",),
    "suite.agents.networks": ("suite.layers", "suite.types"),
    "suite.agents": ("suite.types", "suite.layers", "suite.population", "suite.tasks"),
    "suite.eaudeqn": ("suite.types", "suite.sparsity"),
    "suite.gradient_step": ("suite.types", "suite.sparsity"),
    "suite.diagnostics": ("suite.types", "suite.layers", "suite.sparsity", "suite.gradient_step"),
    "suite.learner": (
        "suite.types",
        "suite.sparsity",
        "suite.population",
        "suite.gradient_step",
        "suite.acting",
        "suite.dispatch",
        "suite.streams",
        "suite.diagnostics.inspect",
    ),
    "suite.record": (),
    "suite.environments": ("suite.tasks",),
    "suite.experience": (
        "suite.environments",
        "suite.divergence",
        "suite.record",
        "suite.types",
        "suite.tracking.checkpoint",
    ),
    "suite.program": (),
    "suite.deploy": ("suite.record", "suite.layers"),
    "suite.publish": ("suite.record", "suite.program"),
}
ANYWHERE = ("suite.errors", "suite.options")


@pytest.mark.parametrize("part", ALLOWED)
def test_the_suite_is_layered(part: str) -> None:
    for module, imported in IMPORTS.items():
        if part_of(module) == part:
            wrong = {name for name in imported if not name.startswith((part, *ANYWHERE, *ALLOWED[part]))}
            assert not wrong, f"{module} imports {', '.join(sorted(wrong))}"


def part_of(module: str) -> str:
    """The longest key of ALLOWED that is this module or a package around it; empty if there is none."""
    return max((key for key in ALLOWED if module == key or module.startswith(key + ".")), key=len, default="")


def test_what_is_imported_exists() -> None:
    """mypy takes a module of ours that is gone for a package without types."""
    missing = {module: imported - MODULES for module, imported in IMPORTS.items() if not imported <= MODULES}
    assert missing == {}


def test_no_import_goes_in_a_circle() -> None:
    graphlib.TopologicalSorter({module: imported - {module} for module, imported in IMPORTS.items()}).prepare()


#: Packages that only a few commands need, and that take long to import or may be missing.
OPTIONAL = {"wandb", "cv2", "onnx", "onnxruntime", "openvino", "mujoco"}
WITH_JAX = "sweeps.export.in_jax"  # for cards of old records, and for one of the formats


def test_imports_stand_at_the_top() -> None:
    inner = [
        (path, node)
        for path in SOURCES
        for function in functions(path)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    for path, node in inner:
        names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        needed = {str(name) for name in names} - {WITH_JAX}
        assert {name.partition(".")[0] for name in needed} <= OPTIONAL, f"{path}:{node.lineno}"


MOST_LINES, MOST_LINES_OF_A_FUNCTION = 300, 60
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def test_files_are_short() -> None:
    assert [path for path in SOURCES if path.read_text().count("\n") > MOST_LINES] == []


def test_functions_are_short() -> None:
    for path in [*SOURCES, *TESTS]:
        for node in functions(path):
            length = int(node.end_lineno or 0) - node.lineno + 1
            assert length <= MOST_LINES_OF_A_FUNCTION, f"{path}:{node.lineno}: {node.name} has {length} lines"


def test_the_trainer_knows_no_environment_no_agent_and_no_method() -> None:
    assert_never(
        "suite.trainer", "suite.environments", "suite.agents", "suite.eaudeqn", "suite.tasks", "suite.agents.networks"
    )


def test_only_the_learner_touches_a_sparsifier_and_masks() -> None:
    """`apply_masks` is called by the learner's gradient step and by nobody else."""
    users = {
        module_name(path)
        for path in SOURCES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Name) and node.id == "apply_masks"
    }
    assert users == {"suite.gradient_step"}


def test_the_runner_needs_numpy_scipy_and_safetensors_only() -> None:
    for path in SOURCES:
        if module_name(path).startswith("suite.deploy"):
            named = {
                name.partition(".")[0]
                for node in ast.walk(tree_of(path))
                if isinstance(node, ast.Import | ast.ImportFrom)
                for name in ([str(node.module)] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
            }
            assert named - sys.stdlib_module_names <= {"numpy", "scipy", "safetensors", "suite"}, path
            ours = "suite.deploy", "suite.errors", "suite.layers", "suite.record.files", "suite.record.schema"
            assert all(name.startswith(ours) for name in imports_of(path))


def test_analysis_imports_tasks_records_errors_and_the_registry_only() -> None:
    for module, imported in IMPORTS.items():
        if module.startswith("analysis"):
            foreign = {name for name in imported if not name.startswith("analysis")}
            assert foreign <= {
                "suite.tasks",
                "suite.agents",  # which is the default of a task
                "suite.record.models",
                "suite.record.reader",
                "suite.record.schema",
                "suite.record.yamlfile",
                "suite.record.sweepfile",
                "suite.errors",
                "suite.program.command",
                "suite.program.terminal",
                "baselines.registry",  # the colours and markers of methods
            }, module


@pytest.mark.parametrize(
    ("modules", "without"),
    [
        ("suite.layers", ("jax", "flax", "numpy")),
        ("suite.deploy.runner, suite.deploy.compact, suite.deploy.costs", ("jax", "pydantic")),
        ("suite.publish.follow", ("jax", "flax", "wandb")),
        ("analysis.results", ("jax", "flax", "optax", "wandb")),
        ("sweeps.execute, suite.environments", ("mujoco",)),
    ],
)
def test_modules_do_without_packages(modules: str, without: tuple[str, ...]) -> None:
    check = f"import sys, {modules}; print([name for name in {without} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def methods_compared(tree: ast.AST) -> list[ast.AST]:
    """Comparisons and matches of something called method, method_name, algo ... with a text."""

    def called(node: ast.AST) -> bool:
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        return any(word in name.lower() for word in ("method", "algo", "sparsifier"))

    def text(node: ast.AST) -> bool:
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            return any(map(text, node.elts))
        return isinstance(node, ast.Constant) and isinstance(node.value, str)

    found: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(map(called, sides)) and any(map(text, sides)):
                found.append(node)
        if isinstance(node, ast.Match) and called(node.subject):
            found.append(node)
    return found


@pytest.mark.parametrize(
    "code, wrong",
    [
        ('if method == "gmp": pass', True),
        ('x = run.method in ("gmp", "rigl")', True),
        ('if "gmp" != method_name: pass', True),
        ('match algo:\n    case "a": pass', True),
        ('if name == "gmp": pass', False),
        ("if method is None: pass", False),
        ("METHODS[method]", False),
    ],
)
def test_the_search_for_comparisons_finds_them(code: str, wrong: bool) -> None:
    assert bool(methods_compared(ast.parse(code))) == wrong


def test_no_method_is_a_special_case() -> None:
    """What differs between methods is a Sparsifier; the one table of names is METHODS, and tests/support/methods.py."""
    found = {path: methods_compared(tree_of(path)) for path in [*SOURCES, *TESTS]}
    assert [f"{path}:{node.lineno}: {ast.unparse(node)}" for path in found for node in found[path]] == []


def unsafe(tree: ast.Module) -> list[str]:
    """Ways of running what a file contains: pickle, eval, exec, a YAML loader that is not a safe one."""
    safe = {"SafeLoader", "CSafeLoader"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).split(".")[-1] in safe for base in node.bases):
            safe.add(node.name)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            found += [name for name in names if name in ("pickle", "cloudpickle", "dill", "marshal", "shelve")]
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in ("eval", "exec", "yaml.unsafe_load", "yaml.full_load"):
                found.append(name)
            if name == "yaml.load":
                given = [*node.args[1:], *(word.value for word in node.keywords)]
                if not any(ast.unparse(argument).split(".")[-1] in safe for argument in given):
                    found.append(name)
            if any(word.arg == "allow_pickle" for word in node.keywords):
                found.append("allow_pickle")
    return found


def test_the_search_for_unsafe_code_finds_it() -> None:
    found = unsafe(ast.parse("import pickle\nyaml.load(x)\nyaml.load(x, yaml.Loader)\neval(x)"))
    assert found == ["pickle", "yaml.load", "yaml.load", "eval"]
    safe = "class L(yaml.SafeLoader): pass\nyaml.load(x, L)\nyaml.load(x, Loader=yaml.SafeLoader)"
    assert not unsafe(ast.parse(safe))


def test_nothing_that_is_read_can_run() -> None:
    assert {path: found for path in SOURCES if (found := unsafe(tree_of(path)))} == {}
