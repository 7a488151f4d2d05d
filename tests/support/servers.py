"""Servers on this machine that tests read from: of files by range, with counts of what they did; and S3 by moto."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

import pytest


@dataclass
class Served:
    """Files that a server gives out, and what it did."""

    files: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    ranges: bool = True
    sent: int = 0
    requests: list[str] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 2**16  # head and body in one packet: two would each wait for the other side
    served: Served

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        self.served.requests.append(f"{self.command} {path}")
        if path in self.served.answers:
            return self.send(
                200, json.dumps(self.served.answers[path]).encode(), {"Content-Type": "application/json"}, with_body
            )
        if path not in self.served.files:
            return self.send(404, b"", {"X-Error-Code": "RepoNotFound"}, with_body)
        data, headers = self.served.files[path], {"ETag": '"abc"'}
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if asked and self.served.ranges:
            start = int(asked[1]) if asked[1] else len(data) - int(asked[2])
            last = min(int(asked[2]), len(data) - 1) if asked[1] and asked[2] else len(data) - 1
            headers["Content-Range"] = f"bytes {start}-{last}/{len(data)}"
            return self.send(206, data[start : last + 1], headers, with_body)
        return self.send(200, data, headers, with_body)

    def send(self, status: int, body: bytes, headers: dict[str, str], with_body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        # Only bodies are counted: tests bound the data that is moved.
        if with_body:
            self.served.sent += len(body)
            self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Stay silent."""


class Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may go away in the middle of an answer."""


@contextmanager
def serving(handler: type[Handler] = Handler, served: Served | None = None) -> Iterator[Served]:
    served = served or Served()
    # Port 0 lets the system choose a free one, so that processes of tests do not meet.
    server = Server(("127.0.0.1", 0), type("Bound", (handler,), {"served": served}))
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


@cache
def _moto() -> str:
    """Start moto once: file systems are kept by fsspec, and would lead to the server of an earlier test."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


@contextmanager
def s3_server() -> Iterator[Any]:
    """Let the environment lead to an empty moto, and yield the file system of S3."""
    s3fs = pytest.importorskip("s3fs")
    url = _moto()
    # One moto serves all tests, each of which begins with no bucket.
    urlopen(Request(f"{url}/moto-api/reset", method="POST")).close()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", url)
        system = s3fs.S3FileSystem()
        system.invalidate_cache()
        yield system
