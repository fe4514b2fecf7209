"""What the pages show is true: commands are understood, Python runs, sweep files are grids, names are of things."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from baselines.registry import METHODS
from suite.agents import AGENTS
from suite.deploy import compact
from suite.program import extensions
from suite.record import schema
from suite.tasks import task
from sweeps import grid
from sweeps.config import describe, groups
from sweeps.plan import resolve_all
from tests.docs import commands
from tests.docs.pages import BLOCKS, PAGES, ROOT, Block, table, written_in
from tests.support import policies

FAMILIES = [task("atari/Pong"), task("mujoco/Hopper"), task("offline/Pong")]
OPTIONS = {f"{group}.{name}" for one in FAMILIES for group, model in groups(one).items() for name in model.model_fields}
OPTIONS |= {f"agent.{name}" for agent in AGENTS.values() for name in agent.options.model_fields}
SHOWN = ("sh", "python", "yaml", "text", "diff", "inline")

pytestmark = pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")  # a program imported, then run


@pytest.fixture(autouse=True)
def the_guides_method(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`halving` is there, as it is once a reader has followed the guide. A page may register others."""
    methods = dict(METHODS)
    (block,) = [b for b in written_in("python") if "def halving" in b.text]
    module = ModuleType("halving")
    exec(block.text, vars(module))
    monkeypatch.setitem(sys.modules, "halving", module)
    monkeypatch.setenv(extensions.VARIABLE, "")
    yield
    METHODS.clear()
    METHODS.update(methods)
    sys.modules.pop("examples.add_a_method", None)


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which runs/example is a run that was exported."""
    run = tmp_path / "runs/example"
    (run / "export").mkdir(parents=True)
    compact.write(run / "export/compact.safetensors", policies.make("sac", 0.9).policy, {}, "float32")
    update = {"losses": [1.0], "sparsities_before": [0.0], "sparsities": [0.0], "reset": [False]}
    clocks = dict.fromkeys(schema.CLOCKS, 0)
    row = schema.row("target_update", clocks, **update, elected=0, actor_sparsity=None)
    with (run / schema.METRICS).open("a") as file:
        schema.append(file, row)
    (tmp_path / "results").symlink_to(ROOT / "results")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_says_its_language(page: Path) -> None:
    """So that none escapes the tests below."""
    for block in BLOCKS:
        assert block.page != page or block.language in SHOWN, f"{block}: a block of {block.language or 'no language'}"


@pytest.mark.parametrize("block", written_in("sh"), ids=str)
def test_commands_are_understood(block: Block) -> None:
    for line in commands.commands(block.text):
        commands.check(line)


@pytest.mark.parametrize(
    "line",
    [
        "make swep-atari",
        "make sweep-atari SCALE=huge",
        "make sweep-atari JOB=1",
        "make table ARGS=--rwa",
        "python -m sweeps.run --task atari/Pong --method gmp:final_sparsity=2 --seed 0",
        "python -m sweeps.run --task atari/Pong --method gmp --seed 0 --agent.widht 3",
        "python -m sweeps.launch sweeps/atari/huge.yaml",
        "python -m analysis.report --runs runs/x --withn 3",
        "python -m sweeps.nothing",
        ".venv/bin/wandb leets runs",
        "conjure up",
    ],
)
def test_commands_that_would_be_refused_are_found(line: str) -> None:
    with pytest.raises((AssertionError, ImportError)):
        commands.check(line)


@pytest.mark.parametrize("block", written_in("python"), ids=str)
def test_python_runs(block: Block, example: Path) -> None:
    del METHODS["halving"]  # the guide's own block registers it
    exec(block.text, {})


@pytest.mark.parametrize("block", written_in("yaml"), ids=str)
def test_sweep_files_are_grids(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(block.text)
    assert resolve_all(grid.read(file), str(file))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_in_the_text_are_of_things_there(page: Path) -> None:
    for block in BLOCKS:
        if block.page == page and block.language == "inline":
            wrong = unknown(block.text)
            assert not wrong, f"{block}: `{block.text}`: {wrong}"


def unknown(code: str) -> str:
    """What is wrong with the name of a file, a command, or an option; "" for other texts."""
    rooms = r"(?:suite|baselines|sweeps|analysis|tests|results|docs)"
    if re.fullmatch(rf"{rooms}/[\w./-]*", code) and code not in commands.READERS and not (ROOT / code).exists():
        return "there is no such file"
    if re.match(r"([A-Z_]+=\S* )*(make|\S*python -m \S+) .*-?\w", code) and not re.search("[<>|]", code):
        commands.check(code)
    group, _, option = code.partition("=")[0].split(" ")[0].removeprefix("--").partition(".")
    known = {name.partition(".")[0] for name in OPTIONS}
    if group in known and re.fullmatch(r"[a-z_]+", option) and f"{group}.{option}" not in OPTIONS:
        return "there is no such option"
    return ""


def test_names_that_are_of_nothing_are_found() -> None:
    assert unknown("suite/nothing.py") and unknown("agent.widht") and unknown("--learner.behavior X")
    assert not any(map(unknown, ("suite/types.py", "agent.width", "make help", "pruning.*", "policy.json", "mine.csv")))


def test_the_table_of_methods_is_of_all_methods() -> None:
    del METHODS["halving"]
    assert [row[0].strip("`") for row in table("README.md", "method")] == list(METHODS)


def test_the_table_of_the_pruner_has_its_options_values_and_defaults() -> None:
    fields = groups(FAMILIES[0])["pruning"].model_fields
    rows = {row[0].strip("`"): row for row in table("docs/reference/methods.md", "option")}
    assert list(rows) == [f"pruning.{name}" for name in fields]
    for name, field in fields.items():
        *_, values, default = rows[f"pruning.{name}"]
        shown = set(re.findall("`([^`]+)`", values))
        kinds = set(describe(field).partition(": ")[0].split("|"))
        if kinds != {"str"}:
            assert shown == kinds, name
        assert default == f"`{'none' if field.default is None else field.default}`", name


def test_the_grids_that_a_page_counts_have_so_many_runs() -> None:
    for _, file, count, length in table("docs/howto/paper.md", "grid"):
        runs = resolve_all(grid.read(ROOT / file.strip("`")), file)
        assert len(runs) == int(count)
        assert {run.total_agent_steps for run in runs} == {int(length.split(" ")[0].replace(",", ""))}
