"""Packages of other authors, installed for real into a folder of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def installed(source: Path, target: Path) -> dict[str, str]:
    """Environment in which the package of a source folder is installed, below ``target``."""
    # A copy, because a build writes into the folder of its source.
    shutil.copytree(source, target / "source")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", target / "site", target / "source"], check=True, capture_output=True)
    path = os.pathsep.join(filter(None, [str(target / "site"), os.environ.get("PYTHONPATH", "")]))
    return os.environ | {"PYTHONPATH": path}
