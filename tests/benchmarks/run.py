"""Time every case beside its peers, and print one table: ``python tests/benchmarks/run.py [CASE...]`` (``make bench``).

Each case has a process of its own. Ours and a peer take turns, both warmed up, and the ratio is that of the medians; a
peer that takes over a minute has one round.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import growth
from case import Case, Solve
from cases import CASES

ROUNDS = int(os.environ.get("SAEGEOM_BENCH_ROUNDS", "5"))
# A peer that takes so many seconds needs no warming up, and has one round.
SLOW = 60.0
HEADER = "| | task | ours | peer | theirs | ratio | target | peak memory of ours |"


def timed(solve: Solve, task: Any) -> tuple[float, Any]:
    """Seconds of one call, and its answer."""
    started = time.perf_counter()
    answer = solve(task)
    return time.perf_counter() - started, answer


def peak_bytes() -> int:
    """Peak resident memory of this process."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024


def forget_peak() -> None:
    """Let the peak begin anew from what this process holds now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def measure_peak(name: str, folder: str) -> None:
    """Print the peak of a process that does nothing but ours; data in memory is part of it."""
    case = CASES[name]
    task = case.prepare(Path(folder), **case.full)
    if case.peak_target is not None:
        # A copy, since a view would keep the rows that only the peers need.
        task = (task[0], task[1][:1].copy())
    forget_peak()
    case.ours(task)
    print(json.dumps(peak_bytes()))


def measure(name: str, folder: str) -> None:
    """Print the rows of one case."""
    case = CASES[name]
    task = case.prepare(Path(folder), **case.full)
    ours = case.ours(task)
    command = [sys.executable, __file__, "--peak", name, folder]
    peak = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    rows, fastest = [], float("inf")
    for label, peer in case.peers.items():
        if peer.needs and importlib.util.find_spec(peer.needs) is None:
            print(f"{label}: {peer.needs} is not installed", file=sys.stderr)
            continue
        seconds, answer = timed(peer.solve, task)
        peer.agrees(ours, answer)
        del answer
        if seconds > SLOW:
            times = [(timed(case.ours, task)[0], seconds / peer.share)]
        else:
            times = [(timed(case.ours, task)[0], timed(peer.solve, task)[0] / peer.share) for _ in range(ROUNDS)]
        mine, theirs = (statistics.median(side) for side in zip(*times, strict=True))
        rows.append(row(name, case, mine, label, theirs, peer.target, peak))
        fastest = min(fastest, mine)
    if case.note is not None:
        print(f"{name}: {case.note(task, fastest)}", file=sys.stderr)
    print(json.dumps(rows))


def row(name: str, case: Case, mine: float, label: str, theirs: float, target: float | None, peak: int) -> str:
    """One line of the table."""
    limit = f" (target {case.peak_target / 1e9:g} GB)" if case.peak_target else ""
    wanted = "" if target is None else f"{target:.2f}x"
    return (
        f"| {name} | {case.title} | {mine:.2f} s | {label} | {theirs:.2f} s | {theirs / mine:.2f}x | {wanted} | "
        f"{peak / 1e9:.2f} GB{limit} |"
    )


def machine() -> str:
    """The machine, in words."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    cpu = next((line.partition(":")[2].strip() for line in lines if "model name" in line), platform.processor())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores of {cpu}, {memory:.0f} GiB of memory, Python {platform.python_version()}"


def main() -> None:
    """Run the cases that are named, or all."""
    if sys.argv[1:2] == ["--peak"]:
        return measure_peak(*sys.argv[2:])
    if sys.argv[1:2] == ["--one"]:
        return measure(*sys.argv[2:])
    print(f"Machine: {machine()}. Medians of {ROUNDS}.\n\n{HEADER}\n|---|---|---|---|---|---|---|---|", flush=True)
    for name in sys.argv[1:] or [*CASES, "P9"]:
        if name == "P9":
            print(*growth.rows(), sep="\n", flush=True)
            continue
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--one", name, folder]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        print(*json.loads(done.stdout.splitlines()[-1]), sep="\n", flush=True)
    return None


if __name__ == "__main__":
    main()
