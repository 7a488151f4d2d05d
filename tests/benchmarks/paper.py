"""Brain scale at the paper's size and past it: ``python tests/benchmarks/paper.py [FOLDER]`` (``make bench-large``)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from large import measured_run

RUN = """\
spec_version: 1
kind: run
title: The brain scale at the paper's size
metrics:
  - metric: lobes
    parameters: {n_lobes: %(counts)s, n_seeds: 3}
  - metric: lobe_modularity
    parameters: {n_lobes: %(counts)s, n_seeds: 3, n_permutations: 100, n_redraws: 0}
  - metric: lobe_function
    parameters: {n_lobes: [2, 3, 4, 8], n_seeds: 3, n_permutations: 100}
"""
WIDE = """\
spec_version: 1
kind: run
title: Lobes of a width whose matrix of affinities does not fit memory
metrics:
  - metric: lobes
    parameters: {n_lobes: %(counts)s, n_neighbours: 32, n_seeds: 3}
"""


def measure(folder: Path, *, n_features: int, n_hidden: int, n_blocks: int, most: int, limit: str) -> dict[str, Any]:
    """Write a store by the public simulator, and run the brain scale on it under a limit."""
    data = _simulated(folder / "paper.zarr", n_features=n_features, n_hidden=n_hidden, n_blocks=n_blocks)
    return measured_run(folder, RUN % {"counts": _counts(most)}, data, limit)


def measure_wide(folder: Path, *, n_features: int, n_blocks: int, most: int, limit: str) -> dict[str, Any]:
    """Write a wide store, and find lobes in its graph of strongest affinities under a limit."""
    data = _simulated(folder / "wide.zarr", n_features=n_features, n_hidden=16, n_blocks=n_blocks)
    return measured_run(folder, WIDE % {"counts": _counts(most)}, data, limit)


def _simulated(path: Path, **sizes: int) -> Path:
    from saegeom_data.testing.simulate import write_simulated_store

    if not path.exists():
        write_simulated_store(path, n_lobes=16, **sizes)
    return path


def _counts(most: int) -> list[int]:
    return [2**power for power in range(1, most.bit_length())]


def main() -> None:
    """Measure 16,384 features on 150,000 blocks, 2 to 1,024 lobes; and 131,072 features on 8,192, as a sparse graph."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    print(
        "| | task | time | target | planned peak | measured peak | target |\n|---|---|---|---|---|---|---|", flush=True
    )
    found = measure(folder, n_features=16_384, n_hidden=2304, n_blocks=150_000, most=1024, limit="8GB")
    _print_row("P6", "lobes 2 to 1,024 of 16,384 features, 150,000 blocks, 100 nulls", "15 min", "8 GB", found)
    found = measure_wide(folder, n_features=131_072, n_blocks=8192, most=128, limit="8GB")
    _print_row("", "lobes 2 to 128 of 131,072 features, 8,192 blocks, 32 strongest affinities each", "", "", found)


def _print_row(name: str, task: str, time: str, memory: str, found: dict[str, Any]) -> None:
    print(
        f"| {name} | {task} | {found['seconds'] / 60:.1f} min | {time} | {found['planned_bytes'] / 1e9:.2f} GB | "
        f"{found['peak_bytes'] / 1e9:.2f} GB | {memory} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
