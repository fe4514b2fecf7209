"""A stand-in for the W&B server on the loopback interface, for the real client and its commands.

    with Server() as server:
        subprocess.run(..., env=server.environment(home))
        server.runs["abc"]["history"]

`server.fault` makes it ill: "error" answers every request with 500, "silent" never answers, "gone" closes each
connection.
"""

import gzip
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from tests.support.wandb_store import Refusal, Store

KEY = "0123456789" * 4  # the client wants 40 characters


class Server:
    """Listens while the context lasts."""

    def __init__(self) -> None:
        self.fault: str | None = None
        self.refused = 0  # requests, by a fault
        self.ended = threading.Event()
        handler = type("Bound", (Handler,), {"server_of": self})
        self.http = Quiet(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.store = Store(self.url)

    def __enter__(self) -> Self:
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.http.shutdown()
        self.http.server_close()

    def forget(self) -> None:
        """As if just begun."""
        self.fault, self.refused, self.store = None, 0, Store(self.url)

    @property
    def runs(self) -> dict[str, dict[str, Any]]:
        return self.store.runs

    def environment(self, home: Path) -> dict[str, str]:
        """Ours, for a child process that has an account here and nothing else of W&B's."""
        account = {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": KEY}
        return {**without_account(home), **account}

    @contextmanager
    def ill(self, fault: str) -> Iterator[None]:
        self.fault = fault
        try:
            yield
        finally:
            self.fault = None


def without_account(home: Path) -> dict[str, str]:
    """Ours, without anything of W&B's, in a home of its own."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("WANDB_", "NETRC"))}
    folders = {f"WANDB_{name}_DIR": str(home / name.lower()) for name in ("CACHE", "CONFIG", "DATA", "ARTIFACT")}
    return {**inherited, **folders, "HOME": str(home), "NETRC": str(home / "netrc"), "WANDB_ERROR_REPORTING": "false"}


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that was killed has left."""


class Handler(BaseHTTPRequestHandler):
    server_of: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Nothing: the store counts."""

    def do_GET(self) -> None:
        self._answer(lambda _: self.server_of.store.files.get(self.path, b"{}"))

    def do_PUT(self) -> None:
        self._answer(self._keep)

    def do_POST(self) -> None:
        if self.path.startswith("/graphql"):
            self._answer(self._graphql)
        elif self.path.endswith("/file_stream"):
            self._answer(self._stream)
        else:
            self._answer(lambda _: {})

    def _answer(self, made: Any) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server_of.refused += self.server_of.fault is not None
        match self.server_of.fault:
            case "error":
                return self._send(b"ill", 500)
            case "silent":
                self.server_of.ended.wait(600)
                self.close_connection = True
                return None
            case "gone":
                self.close_connection = True
                return None
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        try:
            answer = made(body)
        except Refusal as refusal:
            return self._send(json.dumps({"errors": [{"message": str(refusal)}]}).encode(), refusal.code)
        except Exception as error:
            print(f"stand-in: {self.command} {self.path}: {error!r}", flush=True)
            return self._send(json.dumps({"errors": [{"message": repr(error)}]}).encode(), 400)
        return self._send(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    def _send(self, body: bytes, code: int = 200) -> None:
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _graphql(self, body: bytes) -> dict[str, Any]:
        asked = json.loads(body)
        named = re.search(r"(?:query|mutation)\s+(\w+)", asked["query"])
        operation = named.group(1) if named else ""
        return {"data": self.server_of.store.answer(operation, asked["query"], asked.get("variables") or {})}

    def _stream(self, body: bytes) -> dict[str, Any]:
        self.server_of.store.file_stream(self.path.split("/")[-2], json.loads(body))
        return {"exitcode": None, "limits": {}}

    def _keep(self, body: bytes) -> dict[str, Any]:
        self.server_of.store.files[self.path] = body
        return {}


if __name__ == "__main__":  # to look at by hand: python -m tests.support.wandb_server
    with Server() as server:
        print(f"WANDB_BASE_URL={server.url} WANDB_API_KEY={KEY}")
        time.sleep(86_400)
