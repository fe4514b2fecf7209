"""What tests of several rooms share."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from suite.upload import WAIT
from tests.wandb_server import Server, without_account

ROOT = Path(__file__).resolve().parents[1]
#: Compiled programs are kept from one test, process and session to the next: compiling is most of what tests do.
COMPILED = {
    "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".pytest_cache/compiled"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
}
for name in COMPILED:
    os.environ.setdefault(name, COMPILED[name])

#: Tests send these to the programs that they start, which would not hear them if nohup or a script's & ignores them.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, handler)

#: Files whose tests take minutes; begun last, one core would wait for the other.
LONG = ("test_slurm.py", "test_chaos.py", "test_end_to_end.py", "test_bench.py", "test_wandb_engine.py", "test_sac.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


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
    """W&B's client in this process has read its variables once for all, and lends its service to child processes."""
    if wandb := sys.modules.get("wandb"):
        wandb.teardown()
    os.environ.pop("WANDB_SERVICE", None)
