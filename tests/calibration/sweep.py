"""Run experiments over seeds, in a few processes, and keep what was found in a file that a later call goes on with."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiment import Experiment, Record, measure

# The records of each experiment, by its key.
Found = dict[str, list[Record]]


def sweep(experiments: Sequence[Experiment], n_seeds: int, file: Path, *, n_processes: int = 2) -> Found:
    """Measure every experiment on ``n_seeds`` seeds, those left out that ``file`` has already.

    Parameters
    ----------
    experiments
        What to run. With more than one process they must be those of ``experiments.EXPERIMENTS``.
    n_seeds
        Seeds 0 to ``n_seeds`` - 1; every so many of them where an experiment says so.
    file
        A line of JSON for each experiment and seed. Lines of other versions, parameters or data are passed over.
    n_processes
        Processes; 0 runs all in this one.

    Returns
    -------
    dict
        Records of each experiment, in the order of seeds. After Ctrl-C, as many as there are.
    """
    by_key = {experiment.key: experiment for experiment in experiments}
    prints = {key: experiment.fingerprint() for key, experiment in by_key.items()}
    wanted = [
        (key, seed) for seed in range(n_seeds) for key, experiment in by_key.items() if seed % experiment.every == 0
    ]
    known = _read(file, prints)
    # Seeds in the outer loop, so that an interrupted sweep has about as many of each experiment.
    todo = [task for task in wanted if task not in known]
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as lines, contextlib.suppress(KeyboardInterrupt):
        for done, (key, record) in enumerate(_measured(by_key, todo, n_processes), 1):
            known[key, record["seed"]] = record
            lines.write(json.dumps({"experiment": key, "fingerprint": prints[key], **record}) + "\n")
            lines.flush()
            _tell(done, len(todo), record["seed"])
    return {key: [known[key, seed] for one, seed in wanted if one == key and (key, seed) in known] for key in by_key}


def _read(file: Path, prints: Mapping[str, str]) -> dict[tuple[str, int], Record]:
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            # The last line of a sweep that was killed.
            continue
        key = record.pop("experiment")
        if record.pop("fingerprint") == prints.get(key):
            found[key, record["seed"]] = record
    return found


def _measured(
    by_key: Mapping[str, Experiment], todo: Sequence[tuple[str, int]], n_processes: int
) -> Iterator[tuple[str, Record]]:
    """Yield records as they are finished."""
    if not n_processes:
        yield from ((key, measure(by_key[key], seed)) for key, seed in todo)
        return
    # Spawned, since numba's and dask's threads do not live through a fork.
    with multiprocessing.get_context("spawn").Pool(n_processes, initializer=_quiet) as pool:
        yield from pool.imap_unordered(_measure_named, todo)


def _quiet() -> None:
    """Leave Ctrl-C to the process that waits for this one."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _measure_named(task: tuple[str, int]) -> tuple[str, Record]:
    from experiments import EXPERIMENTS

    key, seed = task
    return key, measure(EXPERIMENTS[key], seed)


_started = time.monotonic()


def _tell(done: int, n: int, seed: int) -> None:
    minutes = (time.monotonic() - _started) / 60
    if done % 50 == 0 or done == n:
        print(f"{done:,} of {n:,} (seed {seed}), {minutes:.1f} minutes", file=sys.stderr, flush=True)


def slowest(found: Found, n: int = 10) -> list[tuple[str, float]]:
    """Experiments by the seconds that one seed takes, the slowest first."""
    means = {key: _mean_seconds(records) for key, records in found.items() if records}
    return sorted(means.items(), key=lambda entry: -entry[1])[:n]


def _mean_seconds(records: Sequence[Mapping[str, Any]]) -> float:
    return sum(record["seconds"] for record in records) / len(records)
