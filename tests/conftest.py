"""What tests of several rooms share."""

import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from suite.publish.upload import WAIT
from tests import long
from tests.support.compiling import KEPT, QUICKLY
from tests.support.wandb_server import Server, without_account

ROOT = Path(__file__).resolve().parents[1]
for name in KEPT:
    os.environ.setdefault(name, KEPT[name])
Path(os.environ["JAX_COMPILATION_CACHE_DIR"]).mkdir(mode=0o700, parents=True, exist_ok=True)  # else it is refused

#: Tests send these to the programs that they start, which would not hear them if nohup or a script's & ignores them.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, handler)

#: Examples are the same each time, and none is kept. `make fuzz` draws new ones. A busy machine is no fault. Hypothesis
#: reads `derandomize` from CI's variables where a profile does not state it.
PATIENT = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("same", PATIENT, derandomize=True)
hypothesis.settings.register_profile("new", PATIENT, derandomize=False, print_blob=True)
hypothesis.settings.load_profile("same")

#: Files of `make test` that take longest; begun last, one core would wait for the other.
FIRST = ("upload", "methods", "scripts", "resume", "export", "extending", "report", "trainer", "sac_probes")

DEADLINE = pytest.StashKey[float]()
LEFT_OUT = "left out: the time is over"
MOST_NAMES = 30  # of tests; of more, their files are named


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tier", choices=("fast", "long", "all"), help="see tests/long.py [what is named]")
    parser.addoption("--minutes", type=float, default=math.inf, help="begin no test later; those left out are listed")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("tier") in ("fast", None):
        os.environ.update(QUICKLY | os.environ)  # before JAX is imported
    config.stash[DEADLINE] = time.monotonic() + 60 * config.getoption("minutes")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files without a long test need not be imported for the long ones."""
    others = config.getoption("tier") == "long" and collection_path.suffix == ".py"
    return True if others and str(collection_path.relative_to(ROOT)) not in long.files() else None


@pytest.hookimpl(tryfirst=True)  # before options such as -k leave tests out
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep those of the tier; begin what takes long."""
    tier = config.getoption("tier")
    places = {item: long.place_of(item.nodeid) for item in items}
    if not any("::" in word for word in config.args):  # whole files
        found = {item.nodeid.partition("::")[0] for item in items}
        there = set(places.values())
        lost = [key for place, key in enumerate(long.LONG) if key.partition("::")[0] in found and place not in there]
        if lost:
            raise pytest.UsageError(f"tests/long.py: no such test: {', '.join(lost)}")
    wanted = [item for item in items if tier in ("all", None) or (tier == "long") == (places[item] is not None)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(wanted)])
    begun = {f"test_{name}.py": place for place, name in enumerate(FIRST)}
    fast = [item for item in wanted if places[item] is None]
    slow = [item for item in wanted if places[item] is not None]
    slow.sort(key=lambda item: places[item] or 0)
    if math.isinf(config.getoption("minutes")):  # otherwise the order on the command line says what comes first
        fast.sort(key=lambda item: begun.get(item.path.name, len(begun)))
    items[:] = slow + fast


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if time.monotonic() > item.config.stash[DEADLINE]:
        pytest.skip(LEFT_OUT)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    left = [report.nodeid for report in terminalreporter.getreports("skipped") if LEFT_OUT in str(report.longrepr)]
    if left:
        terminalreporter.section(f"{len(left)} tests were left out, as the time was over")
        names = left if len(left) <= MOST_NAMES else sorted({test.partition("::")[0] for test in left})
        for name in names:
            terminalreporter.write_line(name)


@pytest.fixture(scope="module", autouse=True)
def programs_are_freed() -> Iterator[None]:
    """No compiled program outlives its file: a worker would hold 6 GB in the end."""
    yield
    if jax := sys.modules.get("jax"):
        jax.clear_caches()


@pytest.fixture(scope="session")
def listening() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def server(listening: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A W&B server that knows nothing yet, and where we, and the processes that we start, have an account."""
    listening.forget()
    put_on(monkeypatch, listening.environment(tmp_path / "home"))
    yield listening
    listening.fault = None
    forget_client()


@pytest.fixture
def no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """We have no W&B account."""
    put_on(monkeypatch, without_account(tmp_path / "home"))
    yield
    forget_client()


def put_on(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    environment = {WAIT: "300", **environment}  # a busy machine is no fault
    for name in os.environ.keys() - environment.keys():
        monkeypatch.delenv(name)
    for name in environment:
        if os.environ.get(name) != environment[name]:
            monkeypatch.setenv(name, environment[name])
    forget_client()


def forget_client() -> None:
    """W&B's client in this process has read its variables once for all, and lends its service to child processes.

    Now and then its service (0.31) misses the message to end, and the client would wait for it forever.
    """
    if wandb := sys.modules.get("wandb"):
        end = ["pkill", "-KILL", "-P", str(os.getpid()), "wandb-core"]
        patience = threading.Timer(30, subprocess.run, [end])
        patience.start()
        wandb.teardown()
        patience.cancel()
    os.environ.pop("WANDB_SERVICE", None)
