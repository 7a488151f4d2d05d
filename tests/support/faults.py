"""A server of files that fails now and then, as object stores and the networks before them do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from servers import Handler, Served, Server, serving

FAULTS = ("500", "503", "404", "403", "reset", "stall", "truncated", "wrong bytes")


@dataclass
class Faulty(Served):
    """Files of a server, and what goes wrong with those whose path holds ``only``: ``fault``, so many times."""

    fault: str = ""
    times: int = 0
    only: str = ""
    upstream: str = ""
    lock: Any = field(default_factory=threading.Lock)
    stall: float = 3.0

    def fails(self, path: str) -> str:
        with self.lock:
            if not self.times or self.only not in path:
                return ""
            self.times -= 1
            return self.fault


class FaultyHandler(Handler):
    served: Faulty

    def answer(self, with_body: bool) -> None:
        self._fault = self.served.fails(self.path) if with_body else ""
        if self._fault.isdigit():
            return self.send(int(self._fault), b"", {}, with_body)
        if self._fault == "reset":
            self.close_connection = True
            return self.connection.close()
        return super().answer(with_body)

    def send(self, status: int, body: bytes, headers: dict[str, str], with_body: bool) -> None:
        if self._fault == "wrong bytes":
            body = bytes([*body[:-1], body[-1] ^ 1])
        if self._fault not in {"stall", "truncated"}:
            return super().send(status, body, headers, with_body)
        # The length of all, and half of it.
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        if self._fault == "stall":
            time.sleep(self.served.stall)
        self.close_connection = True
        return None


class ProxyHandler(FaultyHandler):
    """Passes requests on to a server of S3, and answers as it does, but for the faults."""

    def answer(self, with_body: bool) -> None:
        self._fault = self.served.fails(self.path) if with_body else ""
        if self._fault.isdigit():
            return self.send(int(self._fault), b"", {}, with_body)
        if self._fault == "reset":
            self.close_connection = True
            return self.connection.close()
        self.served.requests.append(f"{self.command} {self.path}")
        asked = Request(f"{self.served.upstream}{self.path}", headers=dict(self.headers), method=self.command)
        try:
            with urlopen(asked) as found:
                status, body, headers = found.status, found.read(), dict(found.headers)
        except HTTPError as error:
            status, body, headers = error.code, error.read(), dict(error.headers)
        kept = {name: value for name, value in headers.items() if name.lower() not in _OWN}
        if not with_body:
            kept["Content-Length"] = headers.get("Content-Length", "0")
        return self.send(status, body, kept, with_body)

    def send(self, status: int, body: bytes, headers: dict[str, str], with_body: bool) -> None:
        if with_body:
            return super().send(status, body, headers, with_body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        return None


_OWN = {"connection", "content-length", "date", "server", "transfer-encoding"}


@contextmanager
def faulty(files: dict[str, bytes]) -> Iterator[Faulty]:
    with serving(FaultyHandler, Faulty(files=files)) as served:
        assert isinstance(served, Faulty)
        yield served


@contextmanager
def before_s3(upstream: str) -> Iterator[Faulty]:
    with serving(ProxyHandler, Faulty(upstream=upstream)) as served:
        assert isinstance(served, Faulty)
        yield served


__all__ = ["FAULTS", "Faulty", "Server", "before_s3", "faulty"]
