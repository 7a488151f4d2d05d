"""A page in a real browser without a network, driven over its pipe for developers: no library is needed for it."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

_FLAGS = (
    "--headless --no-sandbox --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --disable-extensions --hide-scrollbars --remote-debugging-pipe"
)
# With WebGL2 drawn by the processor, and without any.
SOFTWARE = ("--enable-unsafe-swiftshader", "--use-angle=swiftshader", "--ignore-gpu-blocklist")
NO_WEBGL = ("--disable-gpu", "--disable-3d-apis", "--disable-webgl", "--disable-webgl2")
# Begins the browser with two ends of pipes as the files 3 and 4.
_AS_3_AND_4 = """
import os, sys
os.dup2(int(sys.argv[1]), 3), os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_SECONDS = 60.0


class Page:
    """One page: what it asked of the network, what it wrote to its console, and what its elements are."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._write = os.fdopen(to_browser, "wb", buffering=0)
        self._read = os.fdopen(from_browser, "rb", buffering=0)
        self._waiting = b""
        self._last = 0
        self._session: str | None = None
        self.console: list[str] = []
        self.requests: list[str] = []

    def close(self) -> None:
        """Close the pipe."""
        for end in (self._write, self._read):
            end.close()

    def attach(self) -> None:
        """Take over an empty page, and cut it off from the network."""
        targets = self.call("Target.getTargets")["targetInfos"]
        target = next(found for found in targets if found["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        offline = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.call("Network.emulateNetworkConditions", **offline)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._last += 1
        number, message = self._last, {"id": self._last, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._write.write(json.dumps(message).encode() + b"\0")
        while True:
            found = self._message()
            if found.get("id") == number:
                if "error" in found:
                    raise AssertionError(f"{method}: {found['error']}")
                return dict(found["result"])

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._waiting:
            part = self._read.read(1 << 20)
            assert part, "the browser has closed its pipe"
            self._waiting += part
        text, _, self._waiting = self._waiting.partition(b"\0")
        found: dict[str, Any] = json.loads(text)
        self._note(found.get("method", ""), found.get("params", {}))
        return found

    def _note(self, method: str, of: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(of["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            details = of["exceptionDetails"]
            self.console.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled":
            self.console.append(f"{of['type']}: {[part.get('value') for part in of['args']]}")
        elif method == "Log.entryAdded":
            self.console.append(of["entry"]["text"])

    def open(self, file: Path, address: str = "") -> None:
        """Open a file, at a place of it."""
        self.call("Page.navigate", url=file.absolute().as_uri() + address)

    def frame(self) -> int:
        """The world of scripts beside those of the first frame in the page, in which expressions may be asked for."""
        (child, *_) = self.call("Page.getFrameTree")["frameTree"]["childFrames"]
        world = self.call("Page.createIsolatedWorld", frameId=child["frame"]["id"])
        return int(world["executionContextId"])

    def value(self, expression: str, world: int | None = None) -> Any:
        """Value of an expression in the page, or in the world of a frame; of a promise once it is kept."""
        where = {} if world is None else {"contextId": world}
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True, **where)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, expression: str, seconds: float = _SECONDS, world: int | None = None) -> Any:
        """Value of an expression once it is true."""
        end = time.monotonic() + seconds
        while not (found := self.value(expression, world)):
            assert time.monotonic() < end, f"not so after {seconds} s: {expression}; console: {self.console}"
            time.sleep(0.05)
        return found

    def text(self, selector: str) -> str:
        """Text of the first element that a selector finds, as it is seen."""
        return str(self.value(f"document.querySelector({json.dumps(selector)}).innerText"))

    def key(self, key: str, **more: Any) -> None:
        """Press a key and let it go."""
        text = {"text": key} if len(key) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, **(text if kind == "keyDown" else {}), **more)

    def type(self, text: str) -> None:
        """Put text where the cursor is."""
        self.call("Input.insertText", text=text)

    def click(self, x: float, y: float) -> None:
        """Click at a place of the window."""
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def resize(self, width: int, height: int, *, dark: bool = False) -> None:
        """Give the window a size, and a scheme of colours."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, file: Path) -> bytes:
        """Write what is seen as a PNG file, and return it."""
        content = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        file.write_bytes(content)
        return content


@contextmanager
def browser(profile: Path, options: Sequence[str] = SOFTWARE) -> Iterator[Page]:
    """A browser with an empty page; the test is skipped where chromium is not installed."""
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("chromium is not installed, so the page cannot be shown")
    (theirs_in, ours_out), (ours_in, theirs_out) = _pipe(), _pipe()
    arguments = [found, *_FLAGS.split(), *options, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _AS_3_AND_4, str(theirs_in), str(theirs_out), *arguments],
        pass_fds=(theirs_in, theirs_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    page = Page(ours_out, ours_in)
    try:
        page.attach()
        page.resize(1400, 900)
        yield page
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        page.close()


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are not among those that a browser reads and writes, 3 and 4."""
    ends = os.pipe()
    moved = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
