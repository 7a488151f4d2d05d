"""What a store of many small SAEs takes, for the guide's page of clusters: ``python tests/benchmarks/many_saes.py``.

Seconds are those of processors, which other work on the machine does not change, of a command in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cases import write_store

NUMBERS = (1, 125, 250, 500)
FEATURES, HIDDEN = 256, 32
METRIC = "isotropy"


def commands(data: Path, output: Path) -> dict[str, list[str]]:
    """Arguments of ``saegeom`` by what they do."""
    return {
        "validate": ["validate", str(data)],
        "plan": ["run", METRIC, "--data", str(data), "--plan"],
        "run": ["run", METRIC, "--data", str(data), "-o", str(output)],
    }


def taken(arguments: list[str]) -> tuple[float, int]:
    """Seconds of processors and peak bytes of a command."""
    with subprocess.Popen([sys.executable, "-m", "saegeom_data", *arguments], stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, arguments
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def rows() -> Iterator[str]:
    """Lines of the table: one for each number of SAEs."""
    names = list(commands(Path(), Path()))
    yield f"| SAEs | {' | '.join(names)} | peak of the run |"
    yield "|" + "--:|" * (len(names) + 2)
    for number in NUMBERS:
        with tempfile.TemporaryDirectory() as folder:
            data = write_store(Path(folder) / "data.zarr", n_saes=number, n=FEATURES, hidden=HIDDEN)
            found = {name: taken(command) for name, command in commands(data, Path(folder) / "out").items()}
        seconds = " | ".join(f"{found[name][0]:.1f} s" for name in names)
        yield f"| {number} | {seconds} | {found['run'][1] / 1e6:.0f} MB |"


if __name__ == "__main__":
    for line in rows():
        print(line, flush=True)
