"""Programs whose reader goes away, that are interrupted, and that were started by nohup: their exit codes are kept."""

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from suite.errors import Parser, UserError
from suite.program import signals
from tests.support.local import LONG, until

ROOT = Path(__file__).resolve().parents[3]
#: Started by other programs alone, without options: one becomes another program, the others measure parts on a GPU.
INTERNAL = {ROOT / "sweeps/engines/supervisor.py"}
INTERNAL |= {ROOT / f"sweeps/gpu/{part}.py" for part in ("parts", "agreement", "resuming", "sharing")}
PROGRAMS = sorted(
    path for package in ("suite", "sweeps", "analysis") for path in (ROOT / package).rglob("*.py")
    if "__main__" in path.read_text() and path not in INTERNAL
)  # fmt: skip


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")


#: The local engine with a worker that sleeps, and ends well when it is asked to.
GRID = """
import sys
from pathlib import Path
from sweeps.engines import local
from sweeps.engines.base import Work
root, seconds = sys.argv[1:]
code = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).touch(); time.sleep(float(sys.argv[2]))"
def main():
    command = [sys.executable, "-c", code, root + "/begun", seconds]
    return local.run([Work("run", [], 100, 1.0)], Path(root), 1, tries=1, command=command)
from suite.program.command import start
start(main)
"""


def grid(folder: Path, seconds: float, **more) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", GRID, str(folder), str(seconds)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, **more)
    until(lambda: (folder / "begun").exists() or process.poll() is not None)
    return process


@pytest.mark.parametrize("stderr", [subprocess.STDOUT, subprocess.PIPE])
def test_ctrl_c_that_ends_tee_as_well_stops_the_runs(tmp_path: Path, stderr: int) -> None:
    """2>&1 | tee: nobody reads when the grid says that it stops."""
    process = grid(tmp_path, 600, stderr=stderr)
    assert process.stdout
    process.stdout.close()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=LONG) == 130
    if process.stderr:
        assert process.stderr.read() == b""


def test_a_grid_goes_on_when_its_reader_is_gone(tmp_path: Path) -> None:
    process = grid(tmp_path, 2)
    assert process.stdout
    process.stdout.close()
    assert process.wait(timeout=LONG) == 1  # its only run leaves no record


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["-m", "analysis.table", "--help"], 0),
        (["-m", "suite.publish.sync", "none"], 2),
        (["-c", "from suite.program.command import start; start(lambda: print('x\\n' * 100_000) or 3)"], 3),
        (["-uc", "from suite.program.command import start; start(lambda: print('x\\n' * 100_000) or 3)"], 3),
    ],
)
def test_a_closed_pipe_changes_no_exit_code(command: list[str], code: int) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run([sys.executable, *command], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True)
        assert done.returncode == code
        assert "BrokenPipe" not in done.stderr and "Traceback" not in done.stderr
        both = subprocess.run([sys.executable, *command], cwd=ROOT, stdout=write, stderr=write)
        assert both.returncode == code
    finally:
        os.close(write)


def test_streams_that_are_not_there_are_none_to_print_to() -> None:
    start = "import sys; from suite.program.command import start; "
    code = start + "start(lambda: print('out') or print('err', file=sys.stderr))"
    done = subprocess.run(["sh", "-c", '"$0" -c "$1" >&- 2>&-', sys.executable, code], cwd=ROOT)
    assert done.returncode == 0


def test_an_encoding_and_what_does_not_fit_it_are_kept() -> None:
    code = "import sys; from suite.program.command import start; start(lambda: print(sys.stdout.encoding, '\u00fc'))"
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1:replace"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True)
    assert done.stdout == b"latin-1 \xfc\n" or done.stdout == b"iso8859-1 \xfc\n", done


@pytest.mark.parametrize(
    ("do", "code", "said"),
    [
        ("raise UserError('a\\nb')", 2, "error: a b\n"),
        ("Path('none').read_text()", 2, "error: none: No such file or directory\n"),
        ("raise Busy('process 7 works there')", 75, "busy: process 7 works there\n"),
        ("Parser().parse_args(argv)", 2, "error: unrecognized arguments: --fast (see --help)\n"),
        ("return 0", 0, ""),
        ("return 75", 75, ""),
    ],
)
def test_how_a_program_ends(do: str, code: int, said: str) -> None:
    assert ended(do) == (code, said)


def test_an_interrupted_program_says_so() -> None:
    code, said = ended("raise KeyboardInterrupt")
    assert code == 130 and said.startswith("interrupted") and said.count("\n") == 1


def test_a_bug_keeps_its_traceback() -> None:
    code, said = ended("[][0]")
    assert code == 1 and "Traceback" in said and "IndexError" in said


def ended(do: str) -> tuple[int, str]:
    """How a program ends that does this, given --fast: its exit code, and what it prints to standard error."""
    program = f"""
from pathlib import Path
from suite.errors import Busy, Parser, UserError
from suite.program.command import program, start
@program
def main(argv):
    {do}
start(main)
"""
    done = subprocess.run([sys.executable, "-c", program, "--fast"], cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stderr


@pytest.mark.parametrize("path", PROGRAMS, ids=module_name)
def test_every_program_is_started_so(path: Path) -> None:
    """By `start(main)`, and with a `main` that leaves errors to the wrapper."""
    tree = ast.parse(path.read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)][-1:]
    assert ast.unparse(block.test) == "__name__ == '__main__'"
    assert ast.unparse(block.body[-1]) == "start(main)"
    (main,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
    assert [ast.unparse(decorator) for decorator in main.decorator_list] == ["program"]
    assert ast.unparse(main.args) == "argv: Sequence[str]" and ast.unparse(main.returns or main) == "int"
    caught = [ast.unparse(node) for node in ast.walk(main) if isinstance(node, ast.ExceptHandler)]
    assert not [handler for handler in caught if "UserError" in handler or "KeyboardInterrupt" in handler]


#: Packages that take long to import. `--help` and a wrong option need none of them, and not even a working folder.
HEAVY = {"jax", "jaxlib", "flax", "optax", "pandas", "matplotlib", "wandb", "wandb_workspaces", "rliable"}
HELP = """
import os, runpy, sys, tempfile
sys.path[0] = os.getcwd()
with tempfile.TemporaryDirectory() as gone:
    os.chdir(gone)
sys.argv[1:] = ["--help"]
try:
    runpy.run_module({module!r}, run_name="__main__", alter_sys=True)
except SystemExit as ended:
    print("imported", *sorted({heavy!r} & set(sys.modules)), flush=True)
    sys.exit(ended.code)
"""


@pytest.mark.parametrize("module", map(module_name, PROGRAMS))
def test_help_imports_nothing_heavy(module: str) -> None:
    code = HELP.format(module=module, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    *said, imported = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert said[0].startswith("usage: ")
    assert imported == "imported"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT], ids=["nohup", "a script's &"])
def test_a_signal_that_was_ignored_stays_ignored(tmp_path: Path, number: signal.Signals) -> None:
    process = grid(tmp_path, 3, preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))
    process.send_signal(number)
    out, _ = process.communicate(timeout=LONG)
    assert process.returncode == 1 and b"stopping" not in out  # to its end, and not 130


def test_a_hang_up_that_is_not_ignored_stops_the_runs(tmp_path: Path) -> None:
    process = grid(tmp_path, 600)
    process.send_signal(signal.SIGHUP)
    out, _ = process.communicate(timeout=LONG)
    assert process.returncode == 130 and b"stopping" in out


def test_a_runs_handlers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from sweeps import execute

    before = signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        with execute._signals() as asked:
            os.kill(os.getpid(), signal.SIGUSR2)
            assert not asked()
        assert signal.getsignal(signal.SIGUSR2) == signal.SIG_IGN
        signal.signal(signal.SIGUSR2, signal.SIG_DFL)
        with signals.handled([signal.SIGUSR2], lambda *_: None):
            assert callable(signal.getsignal(signal.SIGUSR2))
        assert signal.getsignal(signal.SIGUSR2) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_options_are_written_in_full() -> None:
    """An abbreviation would mean another option, or none, when options are added."""
    parser = Parser(prog="a program")
    parser.add_argument("--runs")
    assert parser.parse_args(["--runs", "a"]).runs == "a"
    with pytest.raises(UserError, match="--run"):
        parser.parse_args(["--run", "a"])
