"""A page as a browser shows it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --enable-logging=stderr --virtual-time-budget=8000 --dump-dom"
)


def rendered(page: Path, folder: Path, *options: str) -> str:
    """Elements of a page after its scripts have run, in a browser whose profile is in ``folder``.

    Fails if anything is on the console; the test is skipped where chromium is not installed.
    """
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed, so the page cannot be rendered")
    command = [browser, *_FLAGS.split(), f"--user-data-dir={folder / 'profile'}", *options, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in done.stderr
    return done.stdout
